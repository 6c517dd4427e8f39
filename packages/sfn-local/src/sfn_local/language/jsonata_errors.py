"""Errors of the JSONata library in JSONata's own words: codes and sentences, never the text of a Python exception."""

import re
from collections.abc import Sequence
from typing import Any

from jsonata.jexception import JException
from jsonata.utils import Utils

from sfn_local.language.jsonata_values import value_text

NO_CODE = "D3137"  # JSONata's code of an error with a text of its own

_ELEMENT_TYPES = {"a": "arrays", "b": "booleans", "f": "functions", "n": "numbers", "o": "objects", "s": "strings"}

# How errors begin that the library raises without their codes.
_SENTENCES = {
    "Formatting or parsing an integer": "D3130",
    "In a decimal digit pattern": "D3131",
    "The 'name' modifier": "D3133",
    "The timezone integer format": "D3134",
    "No matching closing bracket": "D3135",
    "The date/time picture string is missing": "D3136",
    "both integer and fractional parts are empty": "D3085",
    "invalid grouping in picture argument": "D3086",
}
# Code of any other failure inside a function.
_FUNCTION_CODES = {
    "number": "D3030",
    "power": "D3061",
    "toMillis": "D3110",
    "encodeUrl": "D3140",
    "encodeUrlComponent": "D3140",
    "decodeUrl": "D3140",
    "decodeUrlComponent": "D3140",
}
_DATE_FUNCTIONS = ("toMillis", "fromMillis", "now")


def library_error(function: str | None, arguments: Any, error: Exception) -> JException:
    """Return the JSONata error for a failure inside a function of the library.

    Parameters
    ----------
    function : str or None
        The function's name, if it has one.
    """
    values = list(arguments) if isinstance(arguments, Sequence) and not isinstance(arguments, str) else [arguments]
    first = values[0] if values else None
    code = next((code for begin, code in _SENTENCES.items() if str(error).startswith(begin)), None)
    if code is not None:
        return JException(code, -1, values[1] if len(values) > 1 else first)
    if isinstance(error, KeyError) and function in _DATE_FUNCTIONS:  # a component that no picture has
        return JException("D3132", -1, error.args[0])
    for position, value in enumerate(values, 1):
        if value is Utils.NULL_VALUE and function is not None:
            return JException("T0410", -1, position, function)
    code = _FUNCTION_CODES.get(function or "")
    if code == "D3140":
        return JException(code, -1, function, first)
    if code is not None:
        return JException(code, -1, first, *values[1:2])
    return JException(NO_CODE, -1, _without_code(function))


def _without_code(function: str | None) -> str:
    subject = f"The function {function}" if function else "The expression"
    return f"{subject} can't be evaluated with these values"


def syntax_error(error: Exception, text: str) -> str:
    """Why a text does not parse, as JSONata words it."""
    if isinstance(error, JException | RecursionError):
        if isinstance(error, JException) and error.error == "S0301" and error.current is not None:
            error = JException("S0103", error.location, error.current)  # the library has the wrong code
        return jsonata_message(error)
    if isinstance(error, re.error):
        return "S0303: Invalid regular expression"
    if isinstance(error, KeyError) and error.args:  # a token that the library has no symbol for
        return jsonata_message(JException("S0204", -1, error.args[0]))
    if isinstance(error, RuntimeError):  # of a signature
        return jsonata_message(JException("S0402" if str(error).startswith("Choice") else "S0401", -1))
    is_comment = "*/" not in text.rpartition("/*")[2] and "/*" in text
    return jsonata_message(JException("S0106" if is_comment else "S0207", -1))


def jsonata_message(error: BaseException) -> str:
    """An error as JSONata words it: ``T2002: The right side of the "+" operator must evaluate to a number``."""
    if isinstance(error, RecursionError):
        return jsonata_message(JException("D1011", -1))
    if not isinstance(error, JException):
        return f"{NO_CODE}: {_without_code(None)}"
    template = JException.error_codes.get(error.error)
    if template is None:  # the library gives some errors a sentence in place of a code
        code = _SENTENCES.get(str(error.error))
        return jsonata_message(JException(code, -1)) if code else f"{NO_CODE}: {error.error}"
    # the library's texts say "Object" where JSONata's say "function", and quote nothing
    text = template.replace("Object", "function")
    values = [error.current, error.expected, _ELEMENT_TYPES.get(str(error.extra), error.extra)]
    for value in values:
        opening = text.find("{{")
        if opening < 0:
            break
        is_raw = text.startswith("{{{", opening)
        closing = text.index("}}}" if is_raw else "}}", opening) + (3 if is_raw else 2)
        shown = str(value) if is_raw else _shown(value)
        text = text[:opening] + shown + text[closing:]
    return f"{error.error}: {text}"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    try:
        return value_text(value)
    except JException:  # it is, or holds, a number that is not finite
        return str(value)
