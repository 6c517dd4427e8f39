"""The definition of a state machine as commands read it: from a service or a store that may have damaged it."""

import json
from typing import Any


def parse_definition(text: str) -> dict[str, Any]:
    """Parse a definition and check that it is a graph of states.

    Raises
    ------
    ValueError
        If the text isn't JSON, or a state, or a target that one names, is missing.
    """
    try:
        definition = json.loads(text)
        _check_workflow(definition)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return dict(definition)


def _check_workflow(workflow: Any) -> None:
    states = _member(workflow, "States", dict)
    targets = [_member(workflow, "StartAt", str)]
    for state in states.values():
        _member(state, "Type", str)
        targets += _targets(state)
        for inner in _inner_workflows(state):
            _check_workflow(inner)
    for target in targets:
        if target not in states:
            raise ValueError(f"it has no state {target!r:.100}")


def _targets(state: dict[str, Any]) -> list[str]:
    entries = [*_member(state, "Choices", list, []), *_member(state, "Catch", list, [])]
    named = [_member(entry, "Next", str) for entry in entries]
    return [*named, *(_member(state, name, str) for name in ("Next", "Default") if name in state)]


def _inner_workflows(state: dict[str, Any]) -> list[Any]:
    processors = [state[name] for name in ("ItemProcessor", "Iterator") if name in state]
    for processor in processors:
        _member(processor, "ProcessorConfig", dict, {})
    return [*processors, *_member(state, "Branches", list, [])]


def _member(value: Any, name: str, kind: type, default: Any = None) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"an object is expected where it has {value!r:.100}")  # noqa: TRY004 - a fault of the data
    member = value.get(name, default)
    if not isinstance(member, kind):
        raise ValueError(f"{name} is {member!r:.100}, no {kind.__name__}")  # noqa: TRY004
    return member
