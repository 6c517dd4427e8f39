"""Output of commands: the result on stdout, everything else on stderr, without terminal control characters."""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterable
from typing import IO, Any

from hpc.errors import LostRunError, ReaderGoneError, UnansweredError
from hpc.terminal.printable import printable


def open_closed_streams() -> None:
    """Open stdin, stdout and stderr where the caller closed them, so that no file or socket gets their numbers.

    Such a stdout is one that nothing can be written to: a result must not be lost unsaid.
    """
    for number, (name, flags) in enumerate(
        {"stdin": os.O_RDONLY, "stdout": os.O_RDONLY, "stderr": os.O_WRONLY}.items()
    ):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)  # it gets the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w", encoding="utf-8"))


class Parser(argparse.ArgumentParser):
    """A parser whose messages are printable, whatever the command line holds."""

    def _print_message(self, message: str, file: Any = None) -> None:
        lines = message.splitlines()
        if file is sys.stdout:
            emit(*lines, kept_in="the documentation")
        else:
            say(*lines)


def say(*lines: str) -> None:
    """Write lines for the person at the terminal."""
    try:
        for line in lines:
            sys.stderr.write(f"{printable(line)}\n")
        sys.stderr.flush()
    except OSError:  # stderr is gone, so there is nobody to tell
        _discard(sys.stderr)


def emit(*lines: str, kept_in: str) -> None:
    """Write a result for whatever reads stdout.

    Parameters
    ----------
    kept_in
        Where the result is found if it can't be written.

    Raises
    ------
    ReaderGoneError
        If the reader of stdout has gone.
    LostRunError
        If stdout does not take it: a full disk.
    """
    emit_lines(lines, kept_in=kept_in)


def emit_lines(lines: Iterable[str], *, kept_in: str, as_is: bool = False) -> None:
    """Write lines as they come; see ``emit``.

    Parameters
    ----------
    as_is
        Whether they are written without a change, for a program: they may steer a terminal.

    Raises
    ------
    LostRunError
        Also if nothing answers any more when some are written, which a second try would write again.
    """
    is_begun = False
    try:
        for line in lines:
            sys.stdout.write(f"{_encodable(line if as_is else printable(line))}\n")
            is_begun = True
        sys.stdout.flush()
    except UnansweredError as error:
        if is_begun:
            raise LostRunError(f"{error}; what was written is not all") from error
        raise
    except BrokenPipeError:
        _discard(sys.stdout)
        raise ReaderGoneError from None
    except OSError as error:
        _discard(sys.stdout)
        raise LostRunError(f"the result can't be written to stdout ({error}); it is in {kept_in}") from error


def _discard(stream: IO[str]) -> None:
    """Let what is left in a stream's buffer go nowhere: it would fail once more when the interpreter exits."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _encodable(text: str) -> str:
    """Return a text with what stdout's encoding lacks escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
