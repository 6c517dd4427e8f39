"""The page: from the facts about a run to one HTML file that needs nothing else."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC
from html import escape
from typing import Any

from hpc.arguments import shorten
from hpc.failures import describe_error
from hpc.progress import duration
from hpc.report.charts import concurrency_chart, duration_text, histogram_chart, percentile, timeline_chart
from hpc.report.facts import Facts, StateFacts
from hpc.report.graph import SIGNS, draw_graph
from hpc.report.outcomes import details, nodes
from hpc.report.style import SCRIPT, STYLE

SHARES = ((0.5, "median"), (0.95, "95th percentile"), (0.99, "99th percentile"), (1.0, "longest"))
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
SHOWN_CHARACTERS = 300


def render(facts: Facts) -> str:
    """Return the page; its length does not depend on the number of children."""
    name = escape(facts.run.name)
    sections = [_head(facts), _graph(facts), *_children(facts), _failures(facts), _settings(facts)]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{STYLE}</style></head><body>{''.join(sections)}<script>{SCRIPT}</script></body></html>\n"
    )


def _head(facts: Facts) -> str:
    seen, children = facts.seen, facts.children
    failed = facts.failed + facts.not_computed
    settings = facts.run.settings or {}
    tiles = [
        ("duration", duration((facts.end - facts.begin).total_seconds())),
        ("items", f"{settings['item_count']:,}" if settings else "unknown"),
        ("items without result", f"{failed:,}" if facts.is_known else "unknown"),
        ("batches", f"{settings['batch_count']:,}" if settings else "unknown"),
        ("failed batches", f"{sum(children.statuses[name] for name in ('FAILED', 'TIMED_OUT', 'ABORTED')):,}"),
        ("redrives", f"{max(children.redrives, seen.execution.get('redriveCount', 0)):,}"),
    ]
    status = seen.status
    reason = ""
    if status not in ("RUNNING", "SUCCEEDED"):
        text = describe_error(seen.execution.get("error"), seen.execution.get("cause"))
        reason = f'<p class="{status}">{escape(shorten(text, SHOWN_CHARACTERS))}</p>'
    shown = "".join(f"<div><b>{escape(value)}</b><span>{label}</span></div>" for label, value in tiles)
    return (
        f'<h1>{escape(facts.run.name)} <span class="badge {status}">{SIGNS.get(status, "")} {status}</span></h1>'
        f'<p class="dim">{facts.begin.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, workload '
        f'{escape(str(settings.get("workload", "unknown")))}</p>{reason}<div class="tiles">{shown}</div>'
    )


def _graph(facts: Facts) -> str:
    blocks = []
    for number, (name, kind, node, state) in enumerate(details(facts)):
        rows = f"<p>{escape(kind)}{f': {escape(node.line)}' if node.line else ''}</p>{_data(state)}"
        blocks.append(
            f'<details id="state-{number}"><summary><b>{escape(name)}</b> <span class="{node.status}">'
            f"{SIGNS.get(node.status, '')} {node.status}</span></summary>{rows}</details>"
        )
    graph = draw_graph(facts.definition, nodes(facts))
    return f'<h2>States</h2><div class="charts"><figure>{graph}</figure><div>{"".join(blocks)}</div></div>'


def _data(state: StateFacts) -> str:
    parts = [("Error", state.error), ("Input", state.input), ("Output", state.output)]
    return "".join(f"<div>{label}</div><pre>{escape(_indented(text))}</pre>" for label, text in parts if text)


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def _children(facts: Facts) -> Iterator[str]:
    children = facts.children
    if not children.starts:
        is_job = (facts.run.settings or {}).get("back_end", "lambda") != "lambda"
        text = "jobs of AWS Batch computed this run: it has none" if is_job else "none has started"
        yield f'<h2>Child executions</h2><p class="dim">{text}</p>'
        return
    begin, end = min(children.starts), max(children.stops)
    durations = children.durations()
    yield '<h2>Child executions</h2><div class="charts">'
    yield concurrency_chart(children, begin, end)
    yield histogram_chart(durations)
    yield timeline_chart(children, begin, end)
    yield "<figure><figcaption>Percentiles</figcaption>"
    yield _table(
        [],
        [[label, duration_text(percentile(durations, share))] for share, label in SHARES],
        numbers={1},
    )
    yield "</figure></div><h2>Stragglers</h2>"
    median = percentile(durations, 0.5)
    rows = [
        [
            slow.name,
            slow.items,
            f"{SIGNS.get(slow.status, '')} {slow.status}",
            duration_text(slow.seconds),
            f"{slow.seconds / median:,.1f}" if median else "",
        ]
        for slow in sorted(children.slowest, reverse=True)
    ]
    yield _table(["child", "items", "status", "took", "of median"], rows, numbers={3, 4})


def _failures(facts: Facts) -> str:
    head = f"<h2>Retries and failures</h2><p>{_retries(facts)}</p>"
    if not facts.groups:
        return f"{head}<p>{'no item failed' if facts.is_known else 'which items failed is not known'}</p>"
    rows = [
        [
            shorten(kind, SHOWN_CHARACTERS),
            f"{group.count:,}",
            ", ".join(str(item.index) for item in group.first) + (", ..." if group.count > len(group.first) else ""),
            str(max((item.attempts or 1) for item in group.first)),
        ]
        for kind, group in facts.groups.items()
    ]
    left = f"<p>{facts.not_computed:,} items more have no result: their batch ended before them</p>"
    table = _table(["error", "items", "first of them", "attempts"], rows, numbers={1, 3})
    return f"{head}{table}{left if facts.not_computed else ''}"


def _retries(facts: Facts) -> str:
    retried = [f"{escape(name)} {state.retries:,}" for name, state in facts.states.items() if state.retries]
    return f"retries: {', '.join(retried)}" if retried else "no state of the machine itself was retried"


def _settings(facts: Facts) -> str:
    map_run = facts.seen.map_run or {}
    rows: list[tuple[str, Any]] = [("execution", facts.run.arn), *(facts.run.settings or {}).items()]
    rows += [(name, map_run[name]) for name in ("maxConcurrency", "toleratedFailureCount") if name in map_run]
    rows += list(facts.versions.items())
    texts = [[name, value if isinstance(value, str) else json.dumps(value)] for name, value in rows]
    shown = [[name, shorten(text, SHOWN_CHARACTERS)] for name, text in texts]
    return f"<h2>Settings and versions</h2>{_table([], shown)}"


def _table(head: list[str], rows: Iterable[list[str]], numbers: Iterable[int] = ()) -> str:
    right = set(numbers)

    def line(cells: list[str], tag: str) -> str:
        def kind(place: int) -> str:
            if place in right:
                return " class=n"
            is_name = not head and place == 0
            return " class=k" if is_name or cells[place].startswith(tuple(SIGNS.values())) else ""

        written = "".join(f"<{tag}{kind(place)}>{escape(cell)}</{tag}>" for place, cell in enumerate(cells))
        return f"<tr>{written}</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f'<div class="scroll"><table>{line(head, "th") if head else ""}{body}</table></div>'
