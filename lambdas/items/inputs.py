"""Checks the execution input and returns typed values, or raises an error that says what is allowed."""

import math
import re
from dataclasses import dataclass
from typing import Any

from lambdas.contract.back_ends import BACK_ENDS, DEFAULT_BACK_END
from lambdas.contract.keys import UPLOADS_PREFIX
from lambdas.contract.limits import MAX_CONCURRENCY, MAX_ITEMS
from lambdas.run_files import environment
from lambdas.run_files.errors import InvalidEventError, InvalidInputError
from lambdas.run_files.json_text import shown

DEFAULT_WORKLOAD = "utf8_keys"
DATA_KEYS = ("size", "items", "source", "redrive_of")
OTHER_KEYS = (
    *("workload", "params", "batch_size", "tolerated_failure_percentage", "max_concurrency", "back_end"),
    *("expected_usd", "uploaded_workload"),
)
# Whatever else there is, a redrive has from the run whose failed items it computes.
ONLY_REDRIVE_KEYS = ("only_finish", "changed_workload")
REDRIVE_KEYS = (
    *("redrive_of", "batch_size", "max_concurrency", "back_end", "expected_usd", "uploaded_workload"),
    *ONLY_REDRIVE_KEYS,
)
# Added to the input of an execution that another execution started.
IGNORED_KEY = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"
# An execution's name, narrower than the service's own rule, because it becomes part of S3 keys and of log names; then,
# where one execution has several runs, which of them.
RUN_NAME = re.compile(r"[0-9A-Za-z_-]{1,80}(?:/(?:batch|batch_callback))?")
PLAIN_RUN_NAME = re.compile(r"[0-9A-Za-z_-]{1,80}")
SHA256 = re.compile(r"[0-9a-f]{64}")
S3_URI = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<key>.*))?", re.DOTALL)


@dataclass(frozen=True)
class S3Place:
    """An object, or a prefix of objects."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, kw_only=True)
class RunInput:
    """A checked execution input; exactly one of ``size``, ``items``, ``source`` and ``redrive_of`` is not None."""

    name: str
    size: int | None
    items: list[Any] | S3Place | None
    source: S3Place | None
    redrive_of: str | None
    workload: str
    params: dict[str, Any]
    batch_size: int | None
    tolerated_failure_percentage: float
    max_concurrency: int
    back_end: str
    # The sender's estimate of the cost.
    expected_usd: float | None = None
    # When the execution was started, as the service says it; empty where the machine that calls Start doesn't tell.
    started: str = ""
    # False where a redrive has the back end of the run before it.
    is_back_end_given: bool = True
    # For a redrive: whether only ``finish`` runs, and whether the workload's file may have changed.
    only_finish: bool = False
    changed_workload: bool = False
    # SHA-256 of the package that has the workload; None of one that the stack has.
    uploaded_workload: str | None = None


def parse_event(event: Any) -> RunInput:
    r"""Check Start's event.

    Parameters
    ----------
    event
        ``{"input": <execution input>, "name": <execution name>, "started": <execution start>}``; the last may be
        absent.

    Raises
    ------
    InvalidEventError
        If that is not its shape.
    InvalidInputError
        If the execution input is not what is allowed.
    """
    if not isinstance(event, dict) or set(event) not in ({"input", "name"}, {"input", "name", "started"}):
        raise InvalidEventError(f'Start takes {{"input", "name", "started"}}, got {shown(event)}')
    name, value = event["name"], event["input"]
    if not isinstance(name, str) or not RUN_NAME.fullmatch(name):
        raise InvalidInputError(f"execution name must be 1 to 80 characters of 0-9 A-Z a-z _ -, got {shown(name)}")
    if not isinstance(value, dict):
        raise InvalidInputError(f'execution input must be a JSON object such as {{"size": 1024}}, got {shown(value)}')
    _check_keys(value)
    return RunInput(
        name=name,
        size=integer(value, "size", 0, MAX_ITEMS) if "size" in value else None,
        items=_items(value["items"]) if "items" in value else None,
        source=_readable_place(value["source"], "source") if "source" in value else None,
        redrive_of=_run_name(value["redrive_of"]) if "redrive_of" in value else None,
        workload=_text(value, "workload", DEFAULT_WORKLOAD),
        params=_params(value.get("params", {})),
        batch_size=integer(value, "batch_size", 1, MAX_ITEMS) if "batch_size" in value else None,
        tolerated_failure_percentage=_percentage(value.get("tolerated_failure_percentage", 0)),
        max_concurrency=(
            integer(value, "max_concurrency", 1, MAX_CONCURRENCY)
            if "max_concurrency" in value
            else environment.max_concurrency()
        ),
        expected_usd=_dollars(value["expected_usd"]) if "expected_usd" in value else None,
        started=_started(event.get("started", "")),
        back_end=checked_back_end(value.get("back_end", DEFAULT_BACK_END)),
        is_back_end_given="back_end" in value,
        only_finish=_flag(value, "only_finish"),
        changed_workload=_flag(value, "changed_workload"),
        uploaded_workload=_package(value["uploaded_workload"]) if "uploaded_workload" in value else None,
    )


def _check_keys(value: dict[str, Any]) -> None:
    allowed = (*DATA_KEYS, *OTHER_KEYS, *ONLY_REDRIVE_KEYS)
    unknown = [key for key in value if key not in (*allowed, IGNORED_KEY)]
    if unknown:
        raise InvalidInputError(f"input has the unknown key {shown(unknown[0])}: allowed are {', '.join(allowed)}")
    given = [key for key in DATA_KEYS if key in value]
    if len(given) != 1:
        raise InvalidInputError(
            f"input needs exactly one of {', '.join(DATA_KEYS)}, got {' and '.join(given) or 'none of them'}"
        )
    is_redrive = given == ["redrive_of"]
    misplaced = [key for key in ONLY_REDRIVE_KEYS if key in value and not is_redrive]
    if misplaced:
        raise InvalidInputError(f"{misplaced[0]} goes with redrive_of, got {given[0]}")
    others = [key for key in value if key not in (*REDRIVE_KEYS, IGNORED_KEY)] if is_redrive else []
    if others:
        raise InvalidInputError(
            f"input with redrive_of can't have {shown(others[0])}, which is that of the first run: "
            f"allowed are {', '.join(REDRIVE_KEYS)}"
        )


def integer(value: dict[str, Any], key: str, smallest: int, largest: int) -> int:
    """Return an integer that is in its range."""
    number = value[key]
    if not isinstance(number, int) or isinstance(number, bool) or not smallest <= number <= largest:
        raise InvalidInputError(f"{key} must be an integer from {smallest} to {largest}, got {shown(number)}")
    return number


def _percentage(number: Any) -> float:
    # NaN compares false with everything, so it is refused as well.
    if not isinstance(number, int | float) or isinstance(number, bool) or not 0 <= number <= 100:
        raise InvalidInputError(f"tolerated_failure_percentage must be a number from 0 to 100, got {shown(number)}")
    return number


def _dollars(number: Any) -> float:
    # Infinity and NaN are no JSON, but Python reads them.
    if not isinstance(number, int | float) or isinstance(number, bool) or not 0 <= number < math.inf:
        raise InvalidInputError(f"expected_usd must be a number from 0, got {shown(number)}")
    return number


def _started(moment: Any) -> str:
    if not isinstance(moment, str):
        raise InvalidEventError(f"started must be the text of a time, got {shown(moment)}")
    return moment


def _text(value: dict[str, Any], key: str, default: str) -> str:
    text = value.get(key, default)
    if not isinstance(text, str):
        raise InvalidInputError(f"{key} must be text, got {shown(text)}")
    return text


def _flag(value: dict[str, Any], key: str) -> bool:
    flag = value.get(key, False)
    if not isinstance(flag, bool):
        raise InvalidInputError(f"{key} must be true or false, got {shown(flag)}")
    return flag


def _package(sha256: Any) -> str:
    if not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
        raise InvalidInputError(
            f"uploaded_workload must be the SHA-256 of a package, 64 of 0-9 a-f, got {shown(sha256)}"
        )
    if not environment.takes_uploaded_workloads():
        raise InvalidInputError(
            "uploaded_workload is not taken by this stack, whose setting hpc:uploaded_workloads is false: "
            "it runs the workloads that were deployed"
        )
    return sha256


def _run_name(name: Any) -> str:
    if not isinstance(name, str) or not PLAIN_RUN_NAME.fullmatch(name):
        raise InvalidInputError(f"redrive_of must be the name of a run, got {shown(name)}")
    return name


def checked_back_end(back_end: Any) -> str:
    """Return a back end that the stack has."""
    if not isinstance(back_end, str) or back_end not in BACK_ENDS:
        raise InvalidInputError(f"back_end must be one of {', '.join(BACK_ENDS)}, got {shown(back_end)}")
    if back_end not in environment.back_ends():
        raise InvalidInputError(
            f"back_end {back_end} needs AWS Batch, which this stack does not have: the setting hpc:batch adds it; "
            f"it has {', '.join(environment.back_ends())}"
        )
    return back_end


def _params(params: Any) -> dict[str, Any]:
    if not isinstance(params, dict):
        raise InvalidInputError(f"params must be a JSON object, got {shown(params)}")
    return params


def _items(items: Any) -> list[Any] | S3Place:
    if isinstance(items, list):
        return items
    if not isinstance(items, str):
        raise InvalidInputError(
            f'items must be a list, or "s3://bucket/key" of a .jsonl or .csv file, got {shown(items)}'
        )
    place = _readable_place(items, "items")
    if not place.key.endswith((".jsonl", ".csv")):
        raise InvalidInputError(f"items must be a list, or a file that ends in .jsonl or .csv, got {shown(items)}")
    return place


def _readable_place(text: Any, key: str) -> S3Place:
    match = S3_URI.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise InvalidInputError(f'{key} must be like "s3://bucket/key", got {shown(text)}')
    place = S3Place(match["bucket"], match["key"] or "")
    if place.bucket == environment.results_bucket():
        if not place.key.startswith(UPLOADS_PREFIX):
            raise InvalidInputError(f"{key} in the results bucket must be under {UPLOADS_PREFIX}, got {shown(text)}")
    elif place.bucket not in environment.source_buckets():
        allowed = ", ".join(environment.source_buckets()) or "none is configured"
        raise InvalidInputError(
            f"{key} is in the bucket {place.bucket}, which this stack does not read: "
            f"the setting hpc:source_buckets names those it reads ({allowed})"
        )
    return place
