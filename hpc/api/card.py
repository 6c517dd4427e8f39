"""A run in a notebook: a card that goes on until the run has ended."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from hpc.errors import CommandError
from hpc.json_objects import json_object
from hpc.report.escape import escape
from hpc.report.graph import SIGNS
from hpc.runs.failures import error_line
from hpc.runs.watch import Counts, Seen
from hpc.terminal.counter import counted
from hpc.terminal.durations import duration
from hpc.terminal.printable import shorten

REFRESH_SECONDS = 1.0
SHOWN_CHARACTERS = 300
# Colours that both a light and a dark notebook take.
COLOURS = {"SUCCEEDED": "#1a7f37", "PARTIAL": "#bf8700", "RUNNING": "#0969da"}
OTHER_COLOUR = "#cf222e"
Show = Callable[[str], None]


def card(name: str, seen: Seen) -> str:
    """Return the HTML of a run as it is: status, batches, time, and its result or error."""
    execution = seen.execution
    output = json_object(execution.get("output"))
    status = "PARTIAL" if output.get("complete") is False else seen.status
    colour = COLOURS.get(status, OTHER_COLOUR)
    seconds = ((execution.get("stopDate") or datetime.now(UTC)) - execution["startDate"]).total_seconds()
    lines = [f"{duration(seconds)}"]
    bar = ""
    if seen.map_run is not None:
        counts = Counts.of(seen.map_run["itemCounts"])
        lines.append(f"{counts.done:,} of {counted(counts.total, 'batch')} done, {counts.unsuccessful}")
        bar = f'<progress max="{max(1, counts.total)}" value="{counts.done}" style="width:100%"></progress>'
    result = output.get("total_sum", output.get("result"))
    if result is not None:
        lines.append(shorten(str(result), SHOWN_CHARACTERS))
    if "error" in execution or "cause" in execution:
        lines.append(shorten(error_line(execution.get("error"), execution.get("cause")), SHOWN_CHARACTERS))
    shown = "".join(f"<div>{escape(line)}</div>" for line in lines)
    box = f"border:1px solid {colour};border-radius:8px;padding:8px 12px;max-width:48em;overflow-wrap:anywhere"
    return (
        f'<div style="{box}"><b>{escape(name)}</b> <b style="color:{colour}">{SIGNS.get(status, "")} {escape(status)}'
        f"</b>{bar}{shown}</div>"
    )


def keep_showing(name: str, look: Callable[[], Seen], show: Show) -> threading.Thread:
    """Show the card again and again, in a thread, until the run has ended or can't be asked any more."""

    def go_on() -> None:
        while True:
            try:
                seen = look()
            except CommandError:
                return
            show(card(name, seen))
            if seen.status != "RUNNING":
                return
            time.sleep(REFRESH_SECONDS)

    thread = threading.Thread(target=go_on, name="card", daemon=True)
    thread.start()
    return thread
