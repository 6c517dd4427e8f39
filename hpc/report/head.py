"""The top of the page: what came out in one line, the phases of the run, its figures and its result."""

import json
from datetime import UTC
from typing import Any

from hpc.planning.table import usd
from hpc.report.charts import phase_bar
from hpc.report.cost import headline
from hpc.report.escape import escape
from hpc.report.facts import Facts
from hpc.report.html import SHOWN_CHARACTERS, status_text, table
from hpc.report.phases import by_name
from hpc.runs import memory_used
from hpc.runs.failures import details_of, error_line
from hpc.runs.faults import fault_counts_line
from hpc.terminal.counter import counted
from hpc.terminal.durations import duration
from hpc.terminal.printable import shorten

HERO_CHARACTERS = 60
RESULT_CHARACTERS = 4_000
# Fields of a run's output, as the page names them.
FIELDS = {
    "count": "items that succeeded",
    "failed": "items that failed",
    "duplicates": "items computed twice",
    "result_file": "whole result",
    "results_file": "results of the items",
    "failed_items": "failed items",
}


def head(facts: Facts) -> str:
    """Return the title, the line that says it all, and the tiles."""
    root, status = facts.root, facts.status
    workloads = sorted({str(part.settings["workload"]) for part in facts.parts if part.settings})
    shown = "".join(f"<div><b>{escape(value)}</b><span>{escape(label)}</span></div>" for label, value in _tiles(facts))
    return (
        f'<h1>{escape(root.name)} <span class="badge {status}">{status_text(status)}</span></h1>'
        f'<p class="hero">{escape(_hero(facts))}</p>'
        f'<p class="dim">{root.begin.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, workload '
        f'{escape(", ".join(workloads) or "unknown")}</p>{_reason(facts)}<div class="tiles">{shown}</div>'
        f"{phase_bar(by_name(facts.phases))}{_result(facts)}"
    )


def _hero(facts: Facts) -> str:
    """Return e.g. ``3.14112, 10,000,000 items, 5.2 s, $0.02, plan said $0.02``."""
    result = _result_text(facts.output)
    items = facts.sum_of("item_count")
    cost, _ = headline(facts)
    parts = [shorten(result, HERO_CHARACTERS) if result is not None else facts.status.lower().replace("_", " ")]
    parts += [counted(items, "item")] if items is not None else []
    parts += [duration(facts.seconds), cost if cost != "unknown" else "cost unknown"]
    if not isinstance(facts.spent, str) and facts.spent.quotes:
        parts.append(f"plan said ${usd(sum(quote.usd.expected for quote in facts.spent.quotes))}")
    return ", ".join(parts)


def _tiles(facts: Facts) -> list[tuple[str, str]]:
    children, jobs = facts.children(is_on_jobs=False), facts.children(is_on_jobs=True)
    cost, cost_label = headline(facts)
    failed = facts.failures.failed + facts.failures.not_computed
    tiles = [
        ("duration", duration(facts.seconds)),
        (cost_label, cost),
        ("items", _number(facts.sum_of("item_count"))),
        ("items without result", _number(failed if facts.failures.is_known else None)),
        ("batches", _number(facts.sum_of("batch_count"))),
    ]
    if facts.memory is not None:
        tiles.append(("memory of Compute", memory_used.memory_line(facts.memory)))
    if len(facts.tree.executions) > 1:
        tiles.append(("executions", _number(len(facts.tree.executions) + facts.tree.unread)))
    if children.statuses:
        tiles.append(("failed child executions", _number(children.failed)))
    if children.stopped:
        tiles.append(("stopped child executions", _number(children.stopped)))
    if jobs.starts:
        tiles.append(("failed jobs", f"{jobs.failed:,} of {jobs.statuses.total():,}"))
    redrives = max(children.redrives, facts.root.described.get("redriveCount", 0))
    return [*tiles, ("redrives", _number(redrives))]


def _reason(facts: Facts) -> str:
    """Return why the run did not succeed, with the person's own code first, and the faults that were made."""
    described_run, reason = facts.root.described, ""
    if facts.root.status not in ("RUNNING", "SUCCEEDED"):
        text = error_line(described_run.get("error"), described_run.get("cause"))
        reason = f'<p class="{facts.root.status}">{escape(shorten(text, SHOWN_CHARACTERS))}</p>'
        if details := details_of(described_run.get("error"), described_run.get("cause")):
            reason += f"<pre>{escape(details['traceback'])}</pre>" if details["traceback"] else ""
    if facts.status == "PARTIAL":
        failed = facts.output.get("failed", 0)
        them = "it" if failed == 1 else "them"
        without = f"{counted(failed, 'item')} without a result: what came out is without {them}"
        reason += f'<p class="PARTIAL">{without}</p>'
    if faults := facts.run.faults:
        reason += f'<p class="FAILED">rehearsed with faults: {escape(fault_counts_line(faults["injected"]))}</p>'
    return reason


def _result(facts: Facts) -> str:
    entries = _entries(facts)
    text = _result_text(facts.output)
    if entries or (text is None and not facts.output.keys() & FIELDS.keys()):
        return entries
    shown = f"<pre>{escape(_cut(text))}</pre>" if text is not None else ""
    rows = [
        [label, _value(facts.output[name])] for name, label in FIELDS.items() if facts.output.get(name) not in (None, 0)
    ]
    return f"<h2>Result</h2>{shown}{table([], rows) if rows else ''}"


def _entries(facts: Facts) -> str:
    """Return what came of each entry of an orchestration: a total from each of the ways it was computed in."""
    try:
        entries = json.loads(facts.root.described.get("output") or "null")
    except ValueError:
        return ""
    if not isinstance(entries, list) or not all(isinstance(each, dict) and "totals" in each for each in entries):
        return ""
    ways = list(dict.fromkeys(way for entry in entries for way in entry["totals"]))
    rows = [
        [
            str(entry.get("name", "")),
            "✓ agree" if entry.get("agree") else "✗ DISAGREE",
            _value(entry.get("count", "")),
            *(_total(entry["totals"].get(way)) for way in ways),
        ]
        for entry in entries
    ]
    return f"<h2>Entries</h2>{table(['entry', 'totals', 'items', *ways], rows, {2})}"


def _total(total: Any) -> str:
    if not isinstance(total, dict):
        return ""
    text = str(total.get("total", f"sha256 {str(total.get('sha256', ''))[:16]}"))
    return shorten(text, HERO_CHARACTERS)


def _result_text(output: dict[str, Any]) -> str | None:
    result = output.get("total_sum", output.get("result"))
    return result if result is None or isinstance(result, str) else json.dumps(result, ensure_ascii=False)


def _cut(text: str) -> str:
    if len(text) <= RESULT_CHARACTERS:
        return text
    return f"{text[:RESULT_CHARACTERS]}... ({len(text):,} characters: hpc result --save FILE has all of it)"


def _value(value: Any) -> str:
    if isinstance(value, dict):  # of the failed items the first, and the file of all
        value = value.get("file", json.dumps(value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def _number(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"
