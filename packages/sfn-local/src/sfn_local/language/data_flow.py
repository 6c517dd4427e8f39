"""Data flow of one state: input selection, arguments, result placement, output and variables.

Two query languages, one set of steps; the interpreter calls them in this order::

    effective = flow.effective_input(state_input, scope)  # InputPath; JSONata: the state's input
    arguments = flow.arguments(effective, scope)          # Parameters; JSONata: Arguments
    ...                                                   # the state's own work gives a result
    left = flow.leave(state_input, result, scope)         # ResultSelector, ResultPath, OutputPath; JSONata: Output

Differs from AWS: not known to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from sfn_local.language import Json
from sfn_local.language.errors import StatesError
from sfn_local.language.jsonata import Filler, States, states_of
from sfn_local.language.jsonata import compile_template as compile_jsonata
from sfn_local.language.paths import Finder, Path, compile_path
from sfn_local.language.reference_paths import place
from sfn_local.language.scope import NOTHING, Scope
from sfn_local.language.templates import compile_template

# State types whose work gives a result; the output of the others is made from their input.
WITH_RESULT = ("Task", "Parallel", "Map")


class StateOutput(NamedTuple):
    """A state that was left: its output, the scope of the next state, and the variables assigned on the way."""

    output: Json
    scope: Scope
    assigned: Mapping[str, Json]


class DataFlow(Protocol):
    """The steps of one state; every method raises only `StatesError` and changes nothing it was given."""

    def effective_input(self, state_input: Json, scope: Scope) -> Json:
        """Return the effective input of the state."""

    def arguments(self, effective_input: Json, scope: Scope) -> Json:
        """Return the arguments of a task or of every branch; the effective input if the state has no such field."""

    def leave(self, state_input: Json, result: Json, scope: Scope) -> StateOutput:
        """Output and variables after the state's work; Wait and Succeed pass the effective input as result."""

    def leave_choice(self, state_input: Json, rule: int | None, scope: Scope) -> StateOutput:
        """Output and variables of a Choice state; `rule` is the position in Choices, None for Default."""

    def leave_caught(self, state_input: Json, catcher: int, error: StatesError, scope: Scope) -> StateOutput:
        """Output and variables after an error; `catcher` is the position in Catch."""


def compile_flow(fields: Mapping[str, Json], is_jsonata: bool) -> DataFlow:
    """Compile the data fields of a state (a checked definition) once."""
    return _JsonataFlow.compile(fields) if is_jsonata else _JsonPathFlow.compile(fields)


def _optional_path(fields: Mapping[str, Json], name: str) -> Path | None:
    value = fields.get(name, "$")
    return None if value is None else compile_path(value)


@dataclass(frozen=True, slots=True)
class _JsonPathCatcher:
    result_path: Path | None
    assign: Finder | None


@dataclass(frozen=True, slots=True)
class _JsonPathFlow:
    input_path: Path | None  # None: the field is null
    parameters: Finder | None  # None: the field is absent
    result_selector: Finder | None
    result_path: Path | None
    output_path: Path | None
    assign: Finder | None
    rule_assigns: tuple[Finder | None, ...]
    catchers: tuple[_JsonPathCatcher, ...]

    @classmethod
    def compile(cls, fields: Mapping[str, Json]) -> "_JsonPathFlow":
        is_map = fields["Type"] == "Map"
        return cls(
            input_path=_optional_path(fields, "InputPath"),
            # a Map state's Parameters is the old name of ItemSelector, filled for each item
            parameters=None if is_map else _optional_template(fields, "Parameters"),
            result_selector=_optional_template(fields, "ResultSelector"),
            result_path=_optional_path(fields, "ResultPath"),
            output_path=_optional_path(fields, "OutputPath"),
            assign=_optional_template(fields, "Assign"),
            rule_assigns=tuple(_optional_template(rule, "Assign") for rule in fields.get("Choices", ())),
            catchers=tuple(
                _JsonPathCatcher(_optional_path(catcher, "ResultPath"), _optional_template(catcher, "Assign"))
                for catcher in fields.get("Catch", ())
            ),
        )

    def effective_input(self, state_input: Json, scope: Scope) -> Json:
        return _through(self.input_path, state_input, scope)

    def arguments(self, effective_input: Json, scope: Scope) -> Json:
        return effective_input if self.parameters is None else self.parameters(effective_input, scope)

    def leave(self, state_input: Json, result: Json, scope: Scope) -> StateOutput:
        selected = result if self.result_selector is None else self.result_selector(result, scope)
        placed = state_input if self.result_path is None else place(self.result_path, state_input, selected)
        # Assign sees the result itself; assigned variables are seen from the next state on
        return _assigned(self.assign, result, _through(self.output_path, placed, scope), scope)

    def leave_choice(self, state_input: Json, rule: int | None, scope: Scope) -> StateOutput:
        effective = self.effective_input(state_input, scope)
        assign = self.assign if rule is None else self.rule_assigns[rule]
        return _assigned(assign, effective, _through(self.output_path, effective, scope), scope)

    def leave_caught(self, state_input: Json, catcher: int, error: StatesError, scope: Scope) -> StateOutput:
        chosen = self.catchers[catcher]
        output = state_input if chosen.result_path is None else place(chosen.result_path, state_input, error.output)
        return _assigned(chosen.assign, error.output, output, scope)


def _optional_template(fields: Mapping[str, Json], name: str) -> Finder | None:
    return compile_template(fields[name]) if name in fields else None


def _through(path: Path | None, value: Json, scope: Scope) -> Json:
    return {} if path is None else path.select(value, scope)


def _assigned(assign: Finder | None, document: Json, output: Json, scope: Scope) -> StateOutput:
    if assign is None:
        return StateOutput(output, scope, NOTHING)
    values = assign(document, scope)
    return StateOutput(output, scope.assign(values), values)


@dataclass(frozen=True, slots=True)
class _JsonataExit:
    output: Filler | None
    assign: Filler | None

    def leave(self, states: States, default_output: Json, scope: Scope) -> StateOutput:
        output = default_output if self.output is None else self.output(states, scope)
        if self.assign is None:
            return StateOutput(output, scope, NOTHING)
        values = self.assign(states, scope)
        return StateOutput(output, scope.assign(values), values)


@dataclass(frozen=True, slots=True)
class _JsonataFlow:
    has_result: bool
    argument_template: Filler | None
    exit: _JsonataExit
    rule_exits: tuple[_JsonataExit, ...]
    catcher_exits: tuple[_JsonataExit, ...]

    @classmethod
    def compile(cls, fields: Mapping[str, Json]) -> "_JsonataFlow":
        return cls(
            has_result=fields["Type"] in WITH_RESULT,
            argument_template=_optional_jsonata(fields, "Arguments"),
            exit=_exit(fields),
            rule_exits=_exits(fields, "Choices"),
            catcher_exits=_exits(fields, "Catch"),
        )

    def effective_input(self, state_input: Json, scope: Scope) -> Json:
        del scope
        return state_input

    def arguments(self, effective_input: Json, scope: Scope) -> Json:
        if self.argument_template is None:
            return effective_input
        return self.argument_template(states_of(effective_input, scope), scope)

    def leave(self, state_input: Json, result: Json, scope: Scope) -> StateOutput:
        more = {"result": result} if self.has_result else {}
        return self.exit.leave(states_of(state_input, scope, **more), result, scope)

    def leave_choice(self, state_input: Json, rule: int | None, scope: Scope) -> StateOutput:
        chosen = self.exit if rule is None else self.rule_exits[rule]
        return chosen.leave(states_of(state_input, scope), state_input, scope)

    def leave_caught(self, state_input: Json, catcher: int, error: StatesError, scope: Scope) -> StateOutput:
        states = states_of(state_input, scope, errorOutput=error.output)
        return self.catcher_exits[catcher].leave(states, error.output, scope)


def _exits(fields: Mapping[str, Json], name: str) -> tuple[_JsonataExit, ...]:
    return tuple(_exit(entry, f"{name}[{index}]/") for index, entry in enumerate(fields.get(name, ())))


def _exit(fields: Mapping[str, Json], prefix: str = "") -> _JsonataExit:
    return _JsonataExit(_optional_jsonata(fields, "Output", prefix), _optional_jsonata(fields, "Assign", prefix))


def _optional_jsonata(fields: Mapping[str, Json], name: str, prefix: str = "") -> Filler | None:
    return compile_jsonata(fields[name], prefix + name) if name in fields else None
