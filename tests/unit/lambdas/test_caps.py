"""Limits of a run, and that a kept run is never overwritten."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from lambdas import start
from lambdas.items import caps
from lambdas.run_files import errors

CONTEXT: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)

FIRST, LATER = "2026-01-01T00:00:00.000Z", "2026-06-01T00:00:00.000Z"


@pytest.fixture
def limits(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MAX_CONCURRENCY": "20", "MAX_ITEMS": "100", "MAX_USD": "2.500000"}.items():
        monkeypatch.setenv(name, value)


def call_start(execution_input: dict[str, Any], name: str, started: str | None = FIRST) -> Any:
    event = {"input": execution_input, "name": name}
    return start.handler(event if started is None else {**event, "started": started}, CONTEXT)


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize(
    ("execution_input", "message"),
    [
        ({"size": 1, "max_concurrency": 21}, "max_concurrency must be 20 or less in this stack .*got 21"),
        ({"size": 101}, r"a run may have 100 items \(the setting hpc:max_items\), got 101"),
        ({"size": 2**53}, "a run may have 100 items"),
        ({"items": list(range(101)), "workload": "squares"}, "a run may have 100 items .*got more"),
        ({"size": 1, "expected_usd": 2.51}, "expected_usd must be 2.5 or less in this stack .*got 2.51"),
        ({"size": 1, "expected_usd": "1"}, 'expected_usd must be a number from 0, got "1"'),
        ({"size": 1, "expected_usd": -0.01}, "expected_usd must be a number from 0"),
        ({"size": 1, "expected_usd": float("nan")}, "expected_usd must be a number from 0"),
        ({"size": 1, "expected_usd": float("inf")}, "expected_usd must be a number from 0"),
        ({"size": 1, "expected_usd": True}, "expected_usd must be a number from 0"),
    ],
)
def test_start_refuses_what_is_over_a_limit(s3: Any, execution_input: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.InvalidInputError, match=message):
        call_start(execution_input, "over")
    assert s3.list_objects_v2(Bucket="results-bucket", Prefix="runs/over/")["KeyCount"] == 0


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize(
    "execution_input",
    [
        {"size": 100, "max_concurrency": 20, "expected_usd": 2.5, "workload": "squares"},
        {"items": list(range(100)), "workload": "squares", "expected_usd": 0},
        {"size": 3},
    ],
)
def test_start_takes_what_is_within_the_limits(execution_input: dict[str, Any]) -> None:
    assert call_start(execution_input, "within", None)["run"]["max_concurrency"] <= 20


def test_stack_without_a_limit_in_dollars_takes_any_estimate(s3: Any) -> None:
    assert call_start({"size": 1, "expected_usd": 1e300}, "dear")["run"]["item_count"] == 1


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize("text", ["1e3", "-1", "two", "٣", "1" * 10])
def test_start_refuses_a_broken_limit_by_name(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_USD", text)
    with pytest.raises(errors.ConfigurationError, match="MAX_USD must be a number of dollars"):
        call_start({"size": 1, "expected_usd": 1}, "broken")


def test_items_that_are_no_range_have_a_limit_of_their_own(s3: Any) -> None:
    assert caps.max_written_items() == 100_000_000
    assert "100000000 items that are not a range" in str(caps.too_many(caps.max_written_items(), "more"))


def test_start_never_overwrites_a_run_that_another_execution_left(s3: Any, pipeline: Callable[..., Any]) -> None:
    call_start({"size": 4, "workload": "squares"}, "kept")
    before = objects(s3, "runs/kept/")
    with pytest.raises(errors.InvalidInputError, match=f"name kept .* started at {FIRST}: give the execution another"):
        call_start({"size": 8, "workload": "squares"}, "kept", LATER)
    with pytest.raises(errors.InvalidInputError, match="another name"):
        call_start({"items": [1], "workload": "squares"}, "kept", LATER)
    assert objects(s3, "runs/kept/") == before


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"started": 7}'])
def test_start_takes_a_run_that_it_cannot_read_for_that_of_another(s3: Any, body: bytes) -> None:
    s3.put_object(Bucket="results-bucket", Key="runs/unreadable/run.json", Body=body)
    with pytest.raises(errors.InvalidInputError, match="another name"):
        call_start({"size": 4}, "unreadable", LATER)


def test_redrive_of_the_same_execution_starts_again(s3: Any) -> None:
    first = call_start({"size": 4, "workload": "squares"}, "again")
    assert call_start({"size": 4, "workload": "squares"}, "again") == first
    assert json.loads(objects(s3, "runs/again/")["runs/again/run.json"])["started"] == FIRST


def objects(s3: Any, prefix: str) -> dict[str, bytes]:
    listed = s3.list_objects_v2(Bucket="results-bucket", Prefix=prefix)["Contents"]
    return {each["Key"]: s3.get_object(Bucket="results-bucket", Key=each["Key"])["Body"].read() for each in listed}
