"""The part of the page about state machines: a graph for each, and the executions where there are several."""

import json
from collections.abc import Iterator

from hpc.report.charts import duration_text
from hpc.report.escape import escape
from hpc.report.facts import Facts
from hpc.report.graph import draw_graph
from hpc.report.html import Markup, html, link, status_text, table
from hpc.report.outcomes import details
from hpc.runs.history import STATUSES, StateFacts
from hpc.runs.tree import Execution, Machine

SHOWN_EXECUTIONS = 60


def machine_sections(facts: Facts) -> Iterator[str]:
    """Yield a graph and its data for each machine, then the executions."""
    for number, machine in enumerate(facts.tree.machines.values()):
        yield _graph(facts, machine, number)
    if len(facts.tree.executions) > 1:
        yield _executions(facts)


def _machine_link(facts: Facts, name: str) -> Markup:
    number = list(facts.tree.machines).index(name)
    return link(f"machine-{number}", facts.tree.machines[name].short_name)


def _graph(facts: Facts, machine: Machine, number: int) -> str:
    is_alone = len(facts.tree.machines) == 1
    prefix = "state" if number == 0 else f"state-{number}"
    found = details(facts, machine)
    blocks = []
    for place, (name, kind, node, state) in enumerate(found):
        line = f": {escape(node.line)}" if node.line else ""
        nested = [_machine_link(facts, each) for each in sorted(machine.links.get(name, ()))]
        started = f"<p>started {', '.join(nested)}</p>" if nested else ""
        blocks.append(
            f'<details id="{prefix}-{place}"><summary><b>{escape(name)}</b> <span class="{node.status}">'
            f"{status_text(node.status)}</span></summary><p>{escape(kind)}{line}</p>{started}{_data(state)}</details>"
        )
    graph = draw_graph(machine.definition, {name: node for name, _, node, _ in found}, prefix)
    title = "States" if is_alone else f"States of {machine.short_name}"
    return (
        f'<h2 id="machine-{number}">{escape(title)}</h2>{"" if is_alone else _about(machine)}'
        f'<div class="charts"><figure>{graph}</figure><div>{"".join(blocks)}</div></div>'
    )


def _about(machine: Machine) -> str:
    counts = ", ".join(f"{count:,} {status}" for status, count in machine.statuses.items())
    comment = str(machine.definition.get("Comment", ""))
    text = ". ".join(part for part in (comment, f"Executions of {machine.name}: {counts}") if part)
    return f'<p class="dim">{html(text)}</p>'


def _data(state: StateFacts) -> str:
    parts = [("Error", state.error), ("Input", state.input), ("Output", state.output)]
    return "".join(f"<div>{label}</div><pre>{escape(indented(text))}</pre>" for label, text in parts if text)


def indented(text: str) -> str:
    """Return JSON as it is read best; what is none, or is nested too deeply, as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _executions(facts: Facts) -> str:
    # Executions that did not succeed come first, the others level by level.
    ordered = sorted(facts.tree.executions, key=lambda each: STATUSES.index(each.status))
    rows = [_row(facts, each) for each in ordered[:SHOWN_EXECUTIONS]]
    left = len(ordered) - len(rows) + facts.tree.unread
    more = [f"and {left:,} more"] if left else []
    if facts.tree.unread:
        more.append(f"{facts.tree.unread:,} of them were not read and are in no figure")
    head = ["execution", "of", "status", "began after", "took", "started by"]
    return f"<h2>Executions</h2>{table(head, rows, {3, 4})}<p>{html('; '.join(more))}</p>"


def _row(facts: Facts, execution: Execution) -> list[str]:
    return [
        execution.name,
        _machine_link(facts, execution.machine),
        status_text(execution.status),
        duration_text((execution.begin - facts.root.begin).total_seconds()),
        duration_text((execution.end(facts.now) - execution.begin).total_seconds()),
        execution.parent or "",
    ]
