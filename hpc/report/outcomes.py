"""What each state of the graph came to: the machine's own from its history, those inside the map from its children."""

from typing import Any

from hpc.report.facts import Facts, StateFacts
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
    outcome, own = nodes(facts), facts.definition["States"]
    sample = _sample(facts)
    return [
        (
            name,
            str(state["Type"]),
            outcome.get(name, Node("NOT_REACHED", "")),
            facts.states.get(name, StateFacts()) if name in own else sample,
        )
        for name, state in states(facts.definition)
    ]


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
    failed = sum(statuses[status] for status in UNSUCCESSFUL)
    succeeded = statuses["SUCCEEDED"]
    inside: dict[str, Node] = {}
    for name, _ in states(processor):
        first = name == processor["StartAt"]
        line = f"{succeeded:,} ok" + (f", {failed:,} failed" if first and failed else "")
        if first and failed:
            inside[name] = Node("FAILED", line)
        elif succeeded:
            inside[name] = Node("SUCCEEDED", line)
        elif first and statuses["RUNNING"]:
            inside[name] = Node("RUNNING", f"{statuses['RUNNING']:,} running")
    return inside


def _sample(facts: Facts) -> StateFacts:
    """Return the data of one child: of one that failed, if there is such."""
    samples = facts.children.samples
    for status in ("FAILED", "TIMED_OUT", "SUCCEEDED"):
        if status in samples:
            sample = samples[status]
            error = ": ".join(filter(None, (sample.get("Error"), sample.get("Cause"))))
            return StateFacts(status, input=sample.get("Input", ""), output=sample.get("Output", ""), error=error)
    return StateFacts()
