"""A checked definition, compiled once into what the interpreter runs: data flow, rules and settings of each state."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sfn_local.execution.map_fields import MapFields, compile_map_fields
from sfn_local.language import Json
from sfn_local.language.choice import Choice, compile_choice
from sfn_local.language.data_flow import DataFlow, compile_flow
from sfn_local.language.retry import Retrier
from sfn_local.language.settings import KINDS, Setting, compile_setting


@dataclass(frozen=True, slots=True)
class Catcher:
    """One entry of Catch."""

    error_equals: tuple[str, ...]
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One state.

    Attributes
    ----------
    next : str or None
        None where the state ends its branch, or where a Choice decides.
    settings : dict
        The fields of `KINDS` that the state has.
    branches : tuple of Program
        Branches of a Parallel state, or the item processor of a Map state.
    """

    name: str
    type: str
    fields: Mapping[str, Json]
    is_jsonata: bool
    flow: DataFlow
    next: str | None
    retriers: tuple[Retrier, ...]
    catchers: tuple[Catcher, ...]
    settings: Mapping[str, Setting]
    choice: Choice | None
    branches: tuple["Program", ...]
    map_fields: MapFields | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A state machine, a branch or an item processor."""

    start_at: str
    states: Mapping[str, State]
    timeout_seconds: float | None = None
    processor_config: Mapping[str, Json] = field(default_factory=dict)


def compile_program(fields: Mapping[str, Json], language: str = "JSONPath") -> Program:
    """Compile the container of ``StartAt`` and ``States`` (a checked definition).

    Parameters
    ----------
    language : str
        Query language of the enclosing machine, which states inherit.
    """
    language = fields.get("QueryLanguage", language)
    states = {name: _compile_state(name, state, language) for name, state in fields["States"].items()}
    return Program(
        start_at=fields["StartAt"],
        states=states,
        timeout_seconds=fields.get("TimeoutSeconds"),
        processor_config=fields.get("ProcessorConfig", {}),
    )


def _compile_state(name: str, fields: Mapping[str, Json], language: str) -> State:
    is_jsonata = fields.get("QueryLanguage", language) == "JSONata"
    settings = {kind: compile_setting(fields, kind, is_jsonata) for kind in KINDS}
    processor = fields.get("ItemProcessor", fields.get("Iterator"))
    branches = fields.get("Branches", [processor] if processor else [])
    return State(
        name=name,
        type=fields["Type"],
        fields=fields,
        is_jsonata=is_jsonata,
        flow=compile_flow(fields, is_jsonata),
        next=fields.get("Next"),
        retriers=tuple(Retrier.from_fields(entry) for entry in fields.get("Retry", ())),
        catchers=tuple(Catcher(tuple(entry["ErrorEquals"]), entry["Next"]) for entry in fields.get("Catch", ())),
        settings={kind: setting for kind, setting in settings.items() if setting is not None},
        choice=compile_choice(fields, is_jsonata) if fields["Type"] == "Choice" else None,
        branches=tuple(compile_program(branch, language) for branch in branches),
        map_fields=compile_map_fields(name, fields, is_jsonata) if fields["Type"] == "Map" else None,
    )
