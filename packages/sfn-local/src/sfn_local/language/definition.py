"""Load a state machine's definition: everything that can't run here is refused now, by name and place.

**Differs from AWS:** errors are in our words where none was recorded, one error a state.  A variable that is never
assigned is found when it is read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from sfn_local.language import Json
from sfn_local.language.checks import CHECKS, check_fields
from sfn_local.language.evaluation import OverLimitError, pause
from sfn_local.language.fields import DISTRIBUTED_ONLY, JSONATA, JSONPATH, OBJECT_FIELDS, STATE_FIELDS, WITH_TRANSITION
from sfn_local.language.invalid import InvalidDefinition
from sfn_local.language.json_text import NestedTooDeepError, parse
from sfn_local.language.value_checks import Where, check_name, refuse

MAX_DEFINITION_BYTES = 1024 * 1024  # Source: AWS documentation, "Step Functions service quotas"

NO_TERMINAL_STATE = "no terminal state"  # how the reason of such a refusal is told from others

ResourceCheck = Callable[[str], str | None]  # a task's Resource -> why it can't be run, or None

Report = Callable[[InvalidDefinition], None]  # takes an error of one state, or raises it

__all__ = ["NO_TERMINAL_STATE", "InvalidDefinition", "find_errors", "load", "over_limit", "states_of_workflow"]


def load(source: str | Mapping[str, Json], check_resource: ResourceCheck | None = None) -> Mapping[str, Json]:
    """Check a definition, wholly, and return its fields.

    Parameters
    ----------
    source : str or Mapping
        JSON text, or the value it holds.
    check_resource : callable, optional
        Asked about the Resource of every Task state.

    Raises
    ------
    InvalidDefinition
        If anything in it is unknown, misplaced, out of range or not supported; the text tells where.
    """
    try:
        return _load(_parse(source) if isinstance(source, str) else source, check_resource, _raise)
    except RecursionError:
        raise InvalidDefinition("", "nested too deep") from None
    except OverLimitError as error:
        raise over_limit(error) from None


def over_limit(error: OverLimitError) -> InvalidDefinition:
    """The refusal of a definition that takes too long to read."""
    return InvalidDefinition("", f"takes more to read than a definition may: {error.cause}")


def find_errors(text: str, check_resource: ResourceCheck) -> list[InvalidDefinition]:
    """Return the errors of a definition, one a state; those of the whole only where no state has any."""
    errors: list[InvalidDefinition] = []
    try:
        _load(_parse(text), check_resource, errors.append)
    except InvalidDefinition as error:
        errors.append(error)
    except RecursionError:
        errors.append(InvalidDefinition("", "nested too deep"))
    except OverLimitError as error:
        errors.append(over_limit(error))
    return errors


def _raise(error: InvalidDefinition) -> None:
    raise error


def _load(fields: Json, check_resource: ResourceCheck | None, report: Report) -> Mapping[str, Json]:
    language = fields.get("QueryLanguage", JSONPATH) if isinstance(fields, Mapping) else JSONPATH
    where = Where("", "", language == JSONATA)
    machine = check_fields(fields, "state machine", OBJECT_FIELDS["state machine"], where)
    loader = _Loader(
        machine_is_jsonata=language == JSONATA, check_resource=check_resource, report=report, names={}, labels={}
    )
    loader.workflow(machine, where)
    return machine


def states_of_workflow(workflow: Mapping[str, Json]) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """Every state of a definition by name, nested ones too, each after the one it stands in."""
    for name, state in workflow["States"].items():
        yield name, state
        for inner in _inner_workflows(state):
            yield from states_of_workflow(inner)


def _inner_workflows(state: Mapping[str, Json]) -> Iterable[Mapping[str, Json]]:
    return [*state.get("Branches", ()), *(state[name] for name in ("ItemProcessor", "Iterator") if name in state)]


def _parse(text: str) -> Json:
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_DEFINITION_BYTES:
        raise InvalidDefinition("", f"a definition has at most {MAX_DEFINITION_BYTES} bytes, got {size}")
    try:
        return parse(text, unique_names=True)
    except NestedTooDeepError as error:
        raise InvalidDefinition("", str(error)) from None
    except ValueError as error:
        raise InvalidDefinition("", f"not JSON: {error}") from None


@dataclass(frozen=True, slots=True)
class _Loader:
    """One walk through a definition; remembers the names that have to be unique in all of it."""

    machine_is_jsonata: bool
    check_resource: ResourceCheck | None
    report: Report
    names: dict[str, str]  # state name: place
    labels: dict[str, str]  # Label: place

    def workflow(self, workflow: Mapping[str, Json], where: Where) -> None:
        """StartAt, States and what they name."""
        states, place = workflow["States"], where.at("States")
        if not isinstance(states, dict) or not states:
            raise refuse(place, "an object with at least one state", states)
        are_valid = [
            self.is_valid(name, state, Where(place.place, name, self.machine_is_jsonata).at(name))
            for name, state in states.items()
        ]
        if all(are_valid):
            self.transitions(workflow, where)

    def is_valid(self, name: str, state: Json, where: Where) -> bool:
        try:
            self.state(name, state, where)
        except InvalidDefinition as error:
            self.report(error)
            return False
        return True

    def transitions(self, workflow: Mapping[str, Json], where: Where) -> None:
        """Check the names of states: every target exists, every state is reached."""
        states, place = workflow["States"], where.at("States")
        _check_target(workflow["StartAt"], states, where.at("StartAt"))
        targets = {name: list(_targets(state, place.at(name))) for name, state in states.items()}
        for target, at in (found for each in targets.values() for found in each):
            _check_target(target, states, at)
        if not any(_is_terminal(state) for state in states.values()):
            raise InvalidDefinition(
                place.place, f"has {NO_TERMINAL_STATE}: none has End true or is of type Succeed or Fail"
            )
        reached, waiting = set[str](), [workflow["StartAt"]]
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += [target for target, _at in targets[name]]
        for name in states:
            if name not in reached:
                raise InvalidDefinition(
                    place.at(name).place, "is not reachable: no state on the way from StartAt names it"
                )

    def state(self, name: str, state: Json, where: Where) -> None:
        """One state, with the workflows inside it."""
        pause()
        check_name(name, where)
        if name in self.names:
            raise InvalidDefinition(where.place, f"the state name is used already at {self.names[name]}")
        self.names[name] = where.place
        if not isinstance(state, dict):
            raise refuse(where, "an object (state)", state)
        kind = state.get("Type")
        if not isinstance(kind, str) or kind not in STATE_FIELDS:
            raise refuse(where.at("Type"), f"one of {', '.join(STATE_FIELDS)}", kind)
        where = self.with_language(state, where)
        check_fields(state, kind, STATE_FIELDS[kind], where)
        _check_transition(state, kind, where)
        if kind == "Task":
            self.task(state, where)
        if kind == "Parallel":
            self.parallel(state, where)
        if kind == "Map":
            self.map(state, where)

    def with_language(self, state: Mapping[str, Json], where: Where) -> Where:
        """The place, in the state's own query language."""
        language = state.get("QueryLanguage", JSONATA if self.machine_is_jsonata else JSONPATH)
        CHECKS["query language"](language, where.at("QueryLanguage"))
        if self.machine_is_jsonata and language == JSONPATH:
            raise InvalidDefinition(
                where.at("QueryLanguage").place, "must not be JSONPath where the state machine's is JSONata"
            )
        return Where(where.place, where.field, language == JSONATA)

    def task(self, state: Mapping[str, Json], where: Where) -> None:
        """A resource that can be run, and a heartbeat within the time-out."""
        reason = self.check_resource(state["Resource"]) if self.check_resource else None
        if reason is not None:
            raise InvalidDefinition(where.at("Resource").place, reason)
        heartbeat, timeout = state.get("HeartbeatSeconds"), state.get("TimeoutSeconds")
        if isinstance(heartbeat, int) and isinstance(timeout, int) and heartbeat >= timeout:
            raise InvalidDefinition(
                where.at("HeartbeatSeconds").place, f"must be less than TimeoutSeconds {timeout}, got {heartbeat}"
            )

    def parallel(self, state: Mapping[str, Json], where: Where) -> None:
        """Branches, each a workflow."""
        branches, place = state["Branches"], where.at("Branches")
        if not isinstance(branches, list) or not branches:
            raise refuse(place, "a non-empty array of branches", branches)
        for index, branch in enumerate(branches):
            inner = Where(place.at(index).place, "", self.machine_is_jsonata)
            self.workflow(check_fields(branch, "branch", OBJECT_FIELDS["branch"], inner), inner)

    def map(self, state: Mapping[str, Json], where: Where) -> None:
        """An item processor, and what only a Distributed Map has."""
        name = "ItemProcessor" if "ItemProcessor" in state else "Iterator"
        inner = Where(where.at(name).place, "", self.machine_is_jsonata)
        processor = check_fields(state[name], "item processor", OBJECT_FIELDS["item processor"], inner)
        self.workflow(processor, inner)
        config, place = processor.get("ProcessorConfig", {}), inner.at("ProcessorConfig").place
        if config.get("Mode") == "DISTRIBUTED":
            if "ExecutionType" not in config:
                raise InvalidDefinition(place, "ExecutionType is missing (mode DISTRIBUTED needs it)")
        else:
            if "ExecutionType" in config:
                raise InvalidDefinition(f"{place}/ExecutionType", "belongs to mode DISTRIBUTED only")
            for field in DISTRIBUTED_ONLY:
                if field in state:
                    raise InvalidDefinition(where.at(field).place, "belongs to mode DISTRIBUTED only")
        label = state.get("Label")
        if label in self.labels:
            raise InvalidDefinition(where.at("Label").place, f"the label is used already at {self.labels[label]}")
        if label is not None:
            self.labels[label] = where.at("Label").place


def _is_terminal(state: Mapping[str, Json]) -> bool:
    return state.get("End") is True or state["Type"] in ("Succeed", "Fail")


def _check_transition(state: Mapping[str, Json], kind: str, where: Where) -> None:
    if kind in WITH_TRANSITION and ("Next" in state) == (state.get("End") is True):
        raise InvalidDefinition(where.place, "must have either Next or End true")


def _check_target(name: str, states: Mapping[str, Json], where: Where) -> None:
    if name not in states:
        raise InvalidDefinition(
            where.place, f"names no state of this workflow, got {name!r}; its states: {', '.join(states)}"
        )


def _targets(state: Mapping[str, Json], where: Where) -> Iterator[tuple[str, Where]]:
    """Every state that a state may be followed by, with the place that says so."""
    for name in ("Next", "Default"):
        if name in state:
            yield state[name], where.at(name)
    for name in ("Choices", "Catch"):
        for index, entry in enumerate(state.get(name, ())):
            yield entry["Next"], where.at(name).at(index).at("Next")
