"""What a command says: the result on stdout, everything else on stderr."""

import contextlib
import os
import sys
from collections.abc import Iterable

from hpc.errors import LostRunError, UnansweredError


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


def say(message: str) -> None:
    """Write a message for the person at the terminal."""
    with contextlib.suppress(OSError):  # stderr is gone, so there is nobody to tell
        sys.stderr.write(f"{message}\n")
        sys.stderr.flush()


def emit(result: str, *, kept_in: str) -> None:
    """Write a result for whatever reads stdout.

    Parameters
    ----------
    kept_in
        Where the result is found if it can't be written.

    Raises
    ------
    LostRunError
        If stdout does not take it: a full disk, a reader that has gone.
    """
    emit_lines([result], kept_in=kept_in)


def emit_lines(lines: Iterable[str], *, kept_in: str) -> None:
    """Write lines as they come; see ``emit``.

    Raises
    ------
    LostRunError
        Also if nothing answers any more when some are written, which a second try would write again.
    """
    is_begun = False
    try:
        for line in lines:
            sys.stdout.write(f"{_printable(line)}\n")
            is_begun = True
        sys.stdout.flush()
    except UnansweredError as error:
        if is_begun:
            raise LostRunError(f"{error}; what was written is not all") from error
        raise
    except OSError as error:
        # What is left in the buffer would fail once more, with a traceback, when the interpreter exits.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise LostRunError(f"the result can't be written to stdout ({error}); it is in {kept_in}") from error


def _printable(text: str) -> str:
    """Return a text with what stdout's encoding lacks escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
