"""Outcome of each state of a graph: of the machine's own states from histories, of those in the map from children."""

from collections import Counter
from dataclasses import replace
from typing import Any

from hpc.report.charts import duration_text
from hpc.report.facts import Facts
from hpc.report.graph import Node, states
from hpc.runs.child_times import STOPPED, Children, count_failed
from hpc.runs.history import StateFacts, error_text
from hpc.runs.spent import Part
from hpc.runs.tree import Machine
from hpc.terminal.counter import counted

WORDS = {"SUCCEEDED": "ok", "CAUGHT": "caught", "TIMED_OUT": "timed out"}


def nodes(machine: Machine, children: Children, jobs: dict[str, Counter[str]]) -> dict[str, Node]:
    """Return what the graph shows of each state that was reached.

    Parameters
    ----------
    children
        Of the machine's Map Runs.
    jobs
        State -> containers of the jobs that it started, by status.
    """
    shown = {name: Node(state.status, _own_line(state, jobs.get(name))) for name, state in machine.states.items()}
    for name, state in machine.definition["States"].items():
        if is_distributed(state) and name in machine.states:
            shown[name] = Node(
                _map_status(machine.states[name].status, children),
                f"{_done(children.statuses)}, {duration_text(machine.states[name].seconds)}",
            )
            shown |= _inside(children, state)
    return shown


def _map_status(status: str, children: Children) -> str:
    """Return PARTIAL of a Map that succeeded without some of its children."""
    return "PARTIAL" if status == "SUCCEEDED" and children.failed + children.stopped else status


def is_distributed(state: dict[str, Any]) -> bool:
    """Whether a state's iterations are executions of their own, which its own history does not tell of."""
    mode = state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode")
    return bool(state["Type"] == "Map" and mode == "DISTRIBUTED")


def details(facts: Facts, machine: Machine) -> list[tuple[str, str, Node, StateFacts]]:
    """Return name, type, outcome and data of every state, in the order of the graph's links."""
    children = facts.children_of(machine)
    outcome = nodes(machine, children, job_counts(facts.parts, machine))
    if facts.status == "PARTIAL" and machine.name == facts.root.machine:
        # A child that succeeds may tell of items that failed.
        for name, state in machine.definition["States"].items():
            if is_distributed(state) and name in outcome:
                outcome[name] = replace(outcome[name], status="PARTIAL")
    # Input and output of a child stand for those of its first state.
    data = {**{name: _sample(children) for name in _first_inside(machine.definition)}, **machine.states}
    return [
        (name, str(state["Type"]), outcome.get(name, Node("NOT_REACHED", "")), data.get(name, StateFacts()))
        for name, state in states(machine.definition)
    ]


def job_counts(parts: list[Part], machine: Machine) -> dict[str, Counter[str]]:
    """Return the containers of a machine's jobs, by the state that started them and by status."""
    counts: dict[str, Counter[str]] = {}
    for part in parts:
        if part.work.machine == machine.name and part.jobs:
            counts.setdefault(part.work.jobs[0].state, Counter()).update(part.children.statuses)
    return counts


def _first_inside(definition: dict[str, Any]) -> list[str]:
    return [state["ItemProcessor"]["StartAt"] for state in definition["States"].values() if is_distributed(state)]


def _own_line(state: StateFacts, jobs: Counter[str] | None) -> str:
    parts = [f"{_done(jobs)} jobs"] if jobs else []
    if state.statuses:
        parts.append(duration_text(state.seconds))
    if state.statuses.total() > 1:
        parts.append(", ".join(f"{count:,} {_word(status)}" for status, count in state.statuses.items()))
    if state.retries:
        parts.append(counted(state.retries, "retry"))
    return ", ".join(parts)


def _word(status: str) -> str:
    return WORDS.get(status, status.lower())


def _done(statuses: Counter[str]) -> str:
    counts = {"failed": count_failed(statuses), "stopped": statuses[STOPPED]}
    others = [f"{count:,} {what}" for what, count in counts.items() if count]
    return ", ".join([f"{statuses['SUCCEEDED']:,} of {statuses.total():,}", *others])


def _inside(children: Children, state: dict[str, Any]) -> dict[str, Node]:
    """A child that failed did so in its first state: what follows only decides whether to call that again."""
    processor = state["ItemProcessor"]
    counts = {
        "ok": children.statuses["SUCCEEDED"],
        "failed": children.failed,
        "stopped": children.stopped,
        "running": children.statuses["RUNNING"],
    }
    inside: dict[str, Node] = {}
    if counts["ok"]:
        inside = {name: Node("SUCCEEDED", f"{counts['ok']:,} ok") for name, _ in states(processor)}
    if any(counts.values()):
        line = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
        stopped = "ABORTED" if counts["stopped"] else "SUCCEEDED"
        status = "FAILED" if counts["failed"] else "RUNNING" if counts["running"] else stopped
        inside[processor["StartAt"]] = Node(status, line)
    return inside


def _sample(children: Children) -> StateFacts:
    """Return the data of one child: of one that failed, if there is such."""
    for status in ("FAILED", "TIMED_OUT", "SUCCEEDED"):
        if status in children.samples:
            sample = children.samples[status]
            error = error_text(sample.get("Error"), sample.get("Cause"))
            return StateFacts(Counter([status]), 0, sample.get("Input", ""), sample.get("Output", ""), error)
    return StateFacts()
