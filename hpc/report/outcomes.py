"""What each state of the graph came to: the machine's own from its history, those inside the map from its children."""

from typing import Any

from hpc.report.facts import Facts, StateFacts, error_text
from hpc.report.graph import Node, states

UNSUCCESSFUL = ("FAILED", "TIMED_OUT", "ABORTED")


def nodes(facts: Facts) -> dict[str, Node]:
    """Return what the graph shows of each state that was reached."""
    shown = {name: Node(state.status, _own_line(state)) for name, state in facts.states.items()}
    for name, state in facts.definition["States"].items():
        if state["Type"] == "Map" and name in facts.states:
            shown[name] = Node(facts.states[name].status, _counted(facts))
            shown |= _inside(facts, state)
    return shown


def details(facts: Facts) -> list[tuple[str, str, Node, StateFacts]]:
    """Return name, type, outcome and data of every state, in the order of the graph's links."""
    outcome = nodes(facts)
    # What a child was given and gave back is what its first state was given, and gave back in the end.
    data = {**{name: _sample(facts) for name in _first_inside(facts.definition)}, **facts.states}
    return [
        (name, str(state["Type"]), outcome.get(name, Node("NOT_REACHED", "")), data.get(name, StateFacts()))
        for name, state in states(facts.definition)
    ]


def _first_inside(definition: dict[str, Any]) -> list[str]:
    maps = (state for state in definition["States"].values() if state["Type"] == "Map")
    return [(state.get("ItemProcessor") or state["Iterator"])["StartAt"] for state in maps]


def _own_line(state: StateFacts) -> str:
    return f"{state.retries:,} retries" if state.retries else ""


def _counted(facts: Facts) -> str:
    statuses = facts.children.statuses
    failed = sum(statuses[status] for status in UNSUCCESSFUL)
    done = f"{statuses['SUCCEEDED']:,} of {sum(statuses.values()):,}"
    return f"{done}, {failed:,} failed" if failed else done


def _inside(facts: Facts, state: dict[str, Any]) -> dict[str, Node]:
    """A child that failed did so in its first state: what follows only decides whether to call that again."""
    processor = state.get("ItemProcessor") or state["Iterator"]
    statuses = facts.children.statuses
    counts = {
        "ok": statuses["SUCCEEDED"],
        "failed": sum(statuses[status] for status in UNSUCCESSFUL),
        "running": statuses["RUNNING"],
    }
    inside: dict[str, Node] = {}
    if counts["ok"]:
        inside = {name: Node("SUCCEEDED", f"{counts['ok']:,} ok") for name, _ in states(processor)}
    if any(counts.values()):
        line = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
        status = "FAILED" if counts["failed"] else "RUNNING" if counts["running"] else "SUCCEEDED"
        inside[processor["StartAt"]] = Node(status, line)
    return inside


def _sample(facts: Facts) -> StateFacts:
    """Return the data of one child: of one that failed, if there is such."""
    samples = facts.children.samples
    for status in ("FAILED", "TIMED_OUT", "SUCCEEDED"):
        if status in samples:
            sample = samples[status]
            error = error_text(sample.get("Error"), sample.get("Cause"))
            return StateFacts(status, input=sample.get("Input", ""), output=sample.get("Output", ""), error=error)
    return StateFacts()
