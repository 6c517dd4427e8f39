"""Refusals in the words of Python: what the commands call ``--back-end`` is the argument ``back_end`` here."""

import re
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from hpc.errors import NotStartedError

P = ParamSpec("P")
T = TypeVar("T")
ARGUMENTS = ("workload", "items", "source", "size", "seconds", "sample", "batch-size", "back-end", "only-finish")
# A command that a message proposes stays as it is typed: the first group.
WORDS = re.compile(rf"(\bhpc [a-z]+ [^)]*)|(?<![\w./'\"-])--(out|{'|'.join(ARGUMENTS)})(?![\w-])")


def in_python_words(function: Callable[P, T]) -> Callable[P, T]:
    """Make a function of the library name its arguments where a command would name options."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except NotStartedError as error:
            lines = tuple(python_words(line) for line in error.lines)
            if lines == error.lines:
                raise
            raise NotStartedError(*lines) from error

    return call


def python_words(line: str) -> str:
    """Return a line of a message with the names of arguments, beside commands that it proposes."""

    def renamed(found: re.Match[str]) -> str:
        option = found[2]
        return found[0] if option is None else "path" if option == "out" else option.replace("-", "_")

    return WORDS.sub(renamed, line)
