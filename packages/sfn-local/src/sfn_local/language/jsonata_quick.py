"""Finds JSONata expressions that are quick: they take at most a few passes over their data, whatever it is."""

from collections.abc import Iterator
from typing import Any

from jsonata.parser import Parser

# More values than these, each of up to 256 KiB, are no few passes.
_MAX_VARIABLES = 16
# Longer expressions are no quick ones; to parse as many characters takes some 30 ms.
MAX_QUICK_CHARACTERS = 2_000

_LEAVES = {"string", "number", "value", "name", "variable"}
_TYPES = {*_LEAVES, "path", "binary", "unary", "condition", "block", "function", "filter"}
_OPERATORS = {*"+-*/%&<>=", "!=", "<=", ">=", "and", "or"}
# Functions whose work grows no faster than their arguments.
_FUNCTIONS = {
    *("abs", "average", "boolean", "ceil", "count", "exists", "floor", "hash", "keys", "length", "lookup", "lowercase"),
    *("max", "merge", "millis", "min", "not", "now", "number", "parse", "power", "random", "reverse", "round", "sqrt"),
    *("string", "substring", "sum", "trim", "type", "uppercase", "uuid"),
}
# Attributes of a symbol for variables bound in a step, and for lookups in parents.
_JOINS = ("focus", "index", "ancestor", "seeking_parent", "group", "next_function")


def is_quick(expression: Parser.Symbol) -> bool:
    """Whether a parsed expression has no loops of its own: no function literals, ranges, patterns, wildcards, joins."""
    symbols = list(_symbols(expression, set()))
    variables = sum(symbol.type == "variable" for symbol in symbols)
    return variables <= _MAX_VARIABLES and all(map(_is_quick, symbols))


def _is_quick(symbol: Parser.Symbol) -> bool:
    if symbol.type not in _TYPES or any(getattr(symbol, name, None) for name in _JOINS):
        return False
    if symbol.type == "binary":
        return symbol.value in _OPERATORS
    if symbol.type == "function":
        return symbol.procedure.type == "variable" and symbol.procedure.value in _FUNCTIONS
    if symbol.type == "path":
        return all(step.type == "name" for step in symbol.steps[1:])
    if symbol.type == "block":
        return len(symbol.expressions) == 1
    return True


def _symbols(part: Any, seen: set[int]) -> Iterator[Parser.Symbol]:
    """Yield a symbol and every symbol in it once, though several may share one."""
    if isinstance(part, list | tuple):
        for each in part:
            yield from _symbols(each, seen)
    elif isinstance(part, Parser.Symbol) and id(part) not in seen:
        seen.add(id(part))
        yield part
        for name, member in vars(part).items():
            if name != "_outer_instance" and isinstance(member, Parser.Symbol | list | tuple):
                yield from _symbols(member, seen)
