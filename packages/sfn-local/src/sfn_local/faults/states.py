"""Checks a fault spec against the state machines: the states it names exist, and can fail in the way it asks for."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from sfn_local.faults.spec import KINDS, PROCESS_KINDS, FaultSpec, FaultSpecError, Rule

_NO_PROCESS = tuple(kind for kind in KINDS if kind not in PROCESS_KINDS)
# Kinds of faults by the service that a task calls.  A job has no output that could be wrong.
_KINDS_BY_SERVICE: Mapping[str, tuple[str, ...]] = {
    "lambda": tuple(KINDS),
    "batch": tuple(kind for kind in KINDS if kind != "wrong_output"),
    "states": _NO_PROCESS,
}
# How another service than these names its errors is not known here.
_ELSEWHERE = tuple(kind for kind in _NO_PROCESS if kind not in ("throttle", "service_error"))


class KnownState(NamedTuple):
    """A state of a definition.

    Attributes
    ----------
    resource : str
        Resource of a Task; empty for other states.
    has_index : bool
        Whether it is inside of a Map.
    is_array_job : bool
        Whether it submits an array job.
    """

    name: str
    type: str
    resource: str
    has_index: bool
    is_array_job: bool

    @property
    def kinds(self) -> tuple[str, ...]:
        return _KINDS_BY_SERVICE.get(service_of(self.resource), _ELSEWHERE)

    def may_have_item(self, kind: str) -> bool:
        return self.has_index or (self.is_array_job and kind in PROCESS_KINDS)


def service_of(resource: str) -> str:
    """Return ``lambda``, ``batch``, ``states`` or whatever service a Task's resource calls."""
    parts = resource.split(":", 5)
    if len(parts) < 6:
        return ""
    return parts[5].partition(":")[0] if parts[2] == "states" else parts[2]


def known_states(definition: Mapping[str, Any], *, has_index: bool = False) -> Iterator[KnownState]:
    """Yield all states of a definition, or of the processor or branch of a state."""
    for name, fields in definition["States"].items():
        arguments = fields.get("Parameters", fields.get("Arguments"))
        is_array_job = isinstance(arguments, Mapping) and "ArrayProperties" in arguments
        yield KnownState(name, fields["Type"], fields.get("Resource", ""), has_index, is_array_job)
        for part in ("ItemProcessor", "Iterator"):
            if part in fields:
                yield from known_states(fields[part], has_index=True)
        for branch in fields.get("Branches", ()):
            yield from known_states(branch, has_index=has_index)


def check_states(spec: FaultSpec, definitions: Iterable[Mapping[str, Any]]) -> None:
    """Refuse rules that no state of these definitions can follow.

    Raises
    ------
    FaultSpecError
    """
    known = [state for definition in definitions for state in known_states(definition)]
    for number, rule in enumerate(spec.rules, start=1):
        named = [state for state in known if state.name == rule.state]
        try:
            _check(rule, named, known)
        except FaultSpecError as error:
            raise FaultSpecError(f"rule {number}, {rule}: {error}") from error


def _check(rule: Rule, named: list[KnownState], known: list[KnownState]) -> None:
    tasks = [state for state in named if state.type == "Task"]
    if not tasks:
        what = f"{rule.state} is a {named[0].type} state" if named else f"there is no state {rule.state}"
        names = ", ".join(dict.fromkeys(state.name for state in known if state.type == "Task"))
        raise FaultSpecError(f"{what}; faults are for Task states, which are {names or 'none here'}")
    for state in tasks:
        if rule.kind not in state.kinds:
            raise FaultSpecError(
                f"{rule.kind} means nothing at {state.name}, which calls {service_of(state.resource)}; "
                f"allowed there are {', '.join(state.kinds)}"
            )
    if rule.items is not None and not any(state.may_have_item(rule.kind) for state in tasks):
        raise FaultSpecError(f"{rule.state} has no items for {rule.kind}: give a percentage or times")
    if rule.percentage is None and rule.items is None and all(state.may_have_item(rule.kind) for state in tasks):
        raise FaultSpecError(f"{rule.state} computes many items: give a percentage or item=")
