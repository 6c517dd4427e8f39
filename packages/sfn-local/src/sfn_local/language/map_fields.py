"""Data of a Map state beyond the common flow: its items, what each child is given, templates of reader and writer.

Differs from AWS: an object that JSONata's Items gives is refused, as recorded in 2024; the documentation of 2025 has it
iterated, as ItemsPath does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sfn_local.language import Json
from sfn_local.language.errors import RUNTIME, QueryEvaluationError, StatesError
from sfn_local.language.json_text import compact
from sfn_local.language.jsonata import compile_expression, is_expression, states_of
from sfn_local.language.jsonata import compile_template as compile_jsonata
from sfn_local.language.paths import compile_path
from sfn_local.language.scope import Scope
from sfn_local.language.templates import compile_template, is_plain

Evaluate = Callable[[Json, Scope], Json]  # (effective input, scope) -> value; raises only StatesError


@dataclass(frozen=True, slots=True)
class Items:
    """Fields of a Map state without ItemReader: where its items are, and how each is selected.

    Attributes
    ----------
    items : callable
        ``items(effective_input, scope)`` gives the array, or in a Distributed Map the object whose pairs are the items.
    selector : callable or None
        ``selector(effective_input, scope)`` gives a child's input; the scope's context holds ``Map.Item``.  None: the
        item itself.
    has_plain_selector : bool
        Whether the selector only puts values in their places, if there is one.
    """

    items: Callable[[Json, Scope], list[Json] | dict[str, Json]]
    selector: Evaluate | None
    has_plain_selector: bool


def compile_items(fields: Mapping[str, Json], is_jsonata: bool) -> Items:
    """Compile Items or ItemsPath, and ItemSelector (Parameters is its old name)."""
    name = "ItemSelector" if "ItemSelector" in fields else "Parameters"
    selector = compile_value(fields[name], name, is_jsonata) if name in fields else None
    if is_jsonata:
        items = _jsonata_items(fields["Items"]) if "Items" in fields else _input_items
        return Items(items, selector, selector is None)
    is_quick = selector is None or is_plain(fields[name])
    return Items(_path_items(fields.get("ItemsPath", "$"), is_distributed=_is_distributed(fields)), selector, is_quick)


def _is_distributed(fields: Mapping[str, Json]) -> bool:
    processor = fields.get("ItemProcessor", {})
    return bool(processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED")


def compile_value(source: Json, field: str, is_jsonata: bool) -> Evaluate:
    """Compile a value of the state's language: a payload template, or JSON with JSONata expressions.

    Parameters
    ----------
    field : str
        As errors name it: ``ItemReader/Arguments``.
    """
    if not is_jsonata:
        return compile_template(source)
    fill = compile_jsonata(source, field)
    return lambda document, scope: fill(states_of(document, scope), scope)


def _path_items(text: str, *, is_distributed: bool) -> Callable[[Json, Scope], list[Json] | dict[str, Json]]:
    path = compile_path(text)
    allowed = list | dict if is_distributed else list

    def items(document: Json, scope: Scope) -> list[Json] | dict[str, Json]:
        value = path.select(document, scope)
        if not isinstance(value, allowed):
            raise StatesError(RUNTIME, f'Reference path "{text}" must point to array.')  # recorded without its place
        return value

    return items


def _jsonata_items(source: Json) -> Callable[[Json, Scope], list[Json]]:
    if is_expression(source):
        expression = compile_expression(source, "Items")
        return lambda document, scope: list(expression.expect("array", states_of(document, scope), scope))
    fill = compile_jsonata(source, "Items")
    return lambda document, scope: list(fill(states_of(document, scope), scope))


def _input_items(document: Json, _scope: Scope) -> list[Json]:
    if not isinstance(document, list):
        raise QueryEvaluationError(f"Map state input must be an array but was: {compact(document)}")
    return document
