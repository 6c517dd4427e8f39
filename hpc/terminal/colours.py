"""Statuses in colour on a terminal: a run without some of its items is amber, never green."""

import os
import sys

from hpc.terminal.printable import printable

# ANSI codes: amber, green, red, blue.
COLOURS = {"PARTIAL": 33, "SUCCEEDED": 32, "FAILED": 31, "TIMED_OUT": 31, "ABORTED": 33, "RUNNING": 34}


def wants_colour() -> bool:
    """Whether stdout is a terminal whose owner has not asked for no colours (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def coloured(line: str, *, after: int = 0) -> str:
    """Return a line for a terminal, printable, with the first status in it in colour.

    Parameters
    ----------
    after
        Characters at the begin that hold no status, such as a name.
    """
    shown = printable(line)
    head, rest = shown[:after], shown[after:]
    places = {rest.find(status): status for status in COLOURS if status in rest}
    if not places:
        return shown
    status = places[min(places)]
    before, _, behind = rest.partition(status)
    return f"{head}{before}\x1b[{COLOURS[status]}m{status}\x1b[0m{behind}"
