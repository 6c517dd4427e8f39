"""Variables that each state of a definition reads, as in the answer of DescribeStateMachine.

Source: API reference, "DescribeStateMachine", variableReferences; recorded answers: names are sorted, a state that
reads none is left out, nested states stand beside the others.
"""

import re
from collections.abc import Iterator, Mapping

from sfn_local.language import Json
from sfn_local.language.definition import states_of_workflow
from sfn_local.language.jsonata import expression_text, is_expression

_WORKFLOWS = ("Branches", "ItemProcessor", "Iterator")
_TEMPLATES = ("Assign", "BatchInput", "ItemSelector", "Parameters", "ResultSelector")

_JSONPATH_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_JSONPATH_VARIABLE = re.compile(r"(?<![\w$])\$([^\W\d]\w*)")
_JSONATA_TEXT = re.compile(r"/\*.*?\*/|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`", re.DOTALL)
_JSONATA_VARIABLE = re.compile(r"\$([^\W\d]\w*)")
# Names that an expression binds itself: by :=, as parameters of a function, or for a position or a join.
_BOUND = re.compile(r"\$(\w+)\s*:=|[@#]\s*\$(\w+)")
_FUNCTION_PARAMETERS = re.compile(r"(?:\bfunction|λ)\s*\(([^)]*)\)")


def variable_references(definition: Mapping[str, Json]) -> dict[str, list[str]]:
    """Return the sorted names of the variables that each state reads, by name of the state."""
    language = definition.get("QueryLanguage", "JSONPath")
    references = {}
    for name, state in states_of_workflow(definition):
        fields = {key: value for key, value in state.items() if key not in (*_WORKFLOWS, "Result")}
        find = _in_jsonata if state.get("QueryLanguage", language) == "JSONata" else _in_jsonpath
        references[name] = sorted(set(find(fields)))
    return {name: names for name, names in references.items() if names}


def _in_jsonpath(fields: Json, *, is_template: bool = False) -> Iterator[str]:
    """Yield the variables in paths: in fields that hold one, and in members of templates that end in ``.$``."""
    if isinstance(fields, list):
        for item in fields:
            yield from _in_jsonpath(item, is_template=is_template)
    elif isinstance(fields, dict):
        for name, value in fields.items():
            if isinstance(value, dict | list):
                yield from _in_jsonpath(value, is_template=is_template or name in _TEMPLATES)
            elif isinstance(value, str) and _holds_path(name, is_template=is_template):
                yield from _JSONPATH_VARIABLE.findall(_JSONPATH_TEXT.sub("''", value))


def _holds_path(name: str, *, is_template: bool) -> bool:
    return name.endswith(".$") or (not is_template and (name.endswith("Path") or name == "Variable"))


def _in_jsonata(value: Json) -> Iterator[str]:
    if isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _in_jsonata(member)
    elif is_expression(value):
        yield from _in_expression(expression_text(value))


def _in_expression(expression: str) -> Iterator[str]:
    from sfn_local.language.jsonata_engine import function_names  # noqa: PLC0415  50 ms that JSONPath doesn't need

    text = _JSONATA_TEXT.sub("''", expression)
    bound = {name for pair in _BOUND.findall(text) for name in pair if name}
    for parameters in _FUNCTION_PARAMETERS.findall(text):
        bound.update(_JSONATA_VARIABLE.findall(parameters))
    for name in _JSONATA_VARIABLE.findall(text):
        if name != "states" and name not in bound and name not in function_names():
            yield name
