"""The part of the page about what ran in parallel: child executions, and jobs of AWS Batch."""

import re
from collections.abc import Iterator

from hpc.report.charts import PLURALS, concurrency_chart, duration_text, histogram_chart, percentile, timeline_chart
from hpc.report.escape import escape
from hpc.report.facts import Facts
from hpc.report.html import replay, status_text, table
from hpc.runs.child_times import Children
from hpc.runs.spent import Part

# As hpc.contract.items.name_items says it.
FIRST_ITEM = re.compile(r"items? (\d+)")
SHARES = ((0.5, "median"), (0.95, "95th percentile"), (0.99, "99th percentile"), (1.0, "longest"))


def running_sections(facts: Facts) -> Iterator[str]:
    """Yield the charts of the child executions and those of the jobs, as far as there are any."""
    on_jobs = [part for part in facts.parts if part.is_on_jobs]
    if len(on_jobs) < len(facts.parts):
        yield from _section("Child executions", "child", facts, "")
    if on_jobs:
        yield from _section("Jobs of AWS Batch", "job", facts, _notes(on_jobs))


def _notes(parts: list[Part]) -> str:
    """Say what AWS Batch does not tell any more."""
    forgotten = [job.job_id for part in parts for job in part.work.jobs if job.job_id not in _known(part)]
    if not forgotten:
        return ""
    names = f"{forgotten[0]}" + (f" and {len(forgotten) - 1:,} more" if len(forgotten) > 1 else "")
    return f"AWS Batch has forgotten job {names}, and with it when its containers ran."


def _known(part: Part) -> set[str]:
    return {str(job["jobId"]) for job in part.jobs}


def _section(title: str, noun: str, facts: Facts, note: str) -> Iterator[str]:
    children = facts.children(is_on_jobs=noun == "job")
    yield f"<h2>{title}</h2>"
    if note:
        yield f'<p class="dim">{escape(note)}</p>'
    if not children.starts:
        known = "they are Express ones, whose times are known when their Map Run has ended"
        yield f'<p class="dim">{known if _have_run(children) else "none has started"}</p>' if not note else ""
        return
    axis, durations = facts.axis, children.durations()
    yield '<div class="charts">'
    yield concurrency_chart(children, axis, noun)
    yield histogram_chart(durations, noun)
    yield timeline_chart(children, axis, noun)
    yield "<figure><figcaption>Percentiles</figcaption>"
    yield table([], [[label, duration_text(percentile(durations, share))] for share, label in SHARES], numbers={1})
    slowest = _stragglers(noun, facts, children, percentile(durations, 0.5))
    yield f"</figure></div><h3>Slowest {PLURALS[noun]}</h3>{slowest}"


def _have_run(children: Children) -> bool:
    return children.statuses.total() > children.statuses["PENDING"]


def _stragglers(noun: str, facts: Facts, children: Children, median: float) -> str:
    rows = [
        [
            slow.name,
            slow.share,
            status_text(slow.status),
            str(facts.attempts.get(slow.id, "")),
            duration_text(slow.seconds),
            f"{slow.seconds / median:,.1f}" if median else "",
            _replay_first(facts, slow.share),
        ]
        for slow in sorted(children.slowest, reverse=True)
    ]
    return table([noun, "computed", "status", "attempts", "took", "of median", "replay"], rows, numbers={3, 4, 5})


def _replay_first(facts: Facts, share: str) -> str:
    """Return the command for the first item of a child; those of a redrive have other numbers than their places."""
    first = FIRST_ITEM.match(share)
    if first is None or facts.parts[0].settings.get("redrive_of"):
        return ""
    return replay(facts, int(first[1]))
