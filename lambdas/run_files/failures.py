"""An exception of a workload as data: its type, its message with the line of the workload, and its traceback."""

import json
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from lambdas.contract.limits import (
    MAX_ERROR_MESSAGE_CHARACTERS,
    MAX_ERROR_TRACEBACK_CHARACTERS,
    MAX_ERROR_TYPE_CHARACTERS,
)
from lambdas.run_files import json_text

# The names by which a failure is told in parts, in failed.jsonl and in the errors of handlers.
FIELDS = ("error_type", "message", "traceback")
LEFT_OUT = "\n  [...]\n"


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of a workload, or of what ran it; ``traceback`` is empty where no line of a workload was involved."""

    error_type: str
    message: str
    traceback: str = ""

    def __str__(self) -> str:
        return f"{self.error_type}: {self.message}" if self.message else self.error_type

    def to_json(self) -> dict[str, str]:
        return {"error_type": self.error_type, "message": self.message, "traceback": self.traceback}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Failure":
        """Read what ``to_json`` returned, perhaps with other fields beside it.

        Raises
        ------
        KeyError, TypeError
            If it is no failure.
        """
        fields = [value[name] for name in FIELDS]
        if not all(isinstance(field, str) for field in fields):
            raise TypeError(f"a failure has the texts {', '.join(FIELDS)}, got {json_text.shown(value)}")
        return cls(*fields)


def failure_of(error: BaseException, workload_file: str) -> Failure:
    """Return an error as data.

    Parameters
    ----------
    workload_file
        Path of the workload: the frames before the first one of it are the pipeline's, and say nothing.
    """
    own = _own_frames(error.__traceback__, workload_file)
    told = traceback.TracebackException(type(error), error, own)
    _shorten_paths(told, workload_file)
    frames = [frame for frame in told.stack if frame.filename == Path(workload_file).name]
    place = f"{frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
    message = _message(error, told)
    if place:
        message = f"{json_text.shortened(message, MAX_ERROR_MESSAGE_CHARACTERS - len(place) - 3)} ({place})".lstrip()
    return Failure(
        json_text.shortened(_encodable(type(error).__name__), MAX_ERROR_TYPE_CHARACTERS),
        json_text.shortened(_encodable(message), MAX_ERROR_MESSAGE_CHARACTERS),
        _without_middle(_encodable("".join(told.format()))) if own is not None else "",
    )


def _own_frames(trace: TracebackType | None, workload_file: str) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename != workload_file:
        trace = trace.tb_next
    return trace


def _shorten_paths(told: traceback.TracebackException, workload_file: str) -> None:
    """Name the workload's file as the person does, not by where the copy of it happens to be."""
    seen: set[int] = set()
    waiting = [told]
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        for frame in each.stack:
            if frame.filename == workload_file:
                frame.filename = Path(workload_file).name
        waiting += [linked for linked in (each.__cause__, each.__context__) if linked is not None]
        waiting += each.exceptions or []


def _message(error: BaseException, told: traceback.TracebackException) -> str:
    try:
        message = str(error)
    except Exception as own:
        return f"its message can't be read: {type(own).__name__}"
    if not message and isinstance(error, AssertionError) and told.stack:
        # The statement says what the bare assert does not.
        return told.stack[-1].line or ""
    return message


def _encodable(text: str) -> str:
    # Half of a surrogate pair would end the worker that sends it, and with it the batch.
    return text.encode(errors="backslashreplace").decode()


def _without_middle(text: str) -> str:
    """Return a traceback that is not too long: how it began, and how it ended."""
    text = text.rstrip("\n")
    if len(text) <= MAX_ERROR_TRACEBACK_CHARACTERS:
        return text
    half = (MAX_ERROR_TRACEBACK_CHARACTERS - len(LEFT_OUT)) // 2
    return f"{text[:half]}{LEFT_OUT}{text[-half:]}"


def with_details(sentence: str, details: dict[str, Any]) -> str:
    """Return the text of an error that a handler raises: a sentence, then a line of JSON for programs."""
    return f"{sentence}\n{json.dumps(details)}"
