"""`hpc.commands.render`, `hpc.commands.progress` and error texts: what a person and a script read."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.commands.progress import Meter, PlainView
from hpc.commands.render import LONG_NUMBER_DIGITS, render_failure, render_json, render_text, shorten_number
from hpc.runs.failures import error_line, name_batch
from hpc.runs.history import error_text
from hpc.runs.watch import Counts, Ended
from hpc.targets.client import AWS_PACE, LOCAL_PACE, Pace
from hpc.terminal.durations import duration

ITEM_COUNTS = {
    "pending": 0,
    "running": 0,
    "succeeded": 9,
    "failed": 1,
    "timedOut": 0,
    "aborted": 0,
    "total": 10,
    "resultsWritten": 10,
}


def ended(status: str = "SUCCEEDED", **fields: Any) -> Ended:
    start = datetime(2026, 11, 22, tzinfo=UTC)
    execution = {
        "executionArn": "arn:aws:states:us-east-1:000000000000:execution:MapReduce:run-1",
        "name": "run-1",
        "status": status,
        "startDate": start,
        "stopDate": start + timedelta(seconds=1.25),
        **fields,
    }
    return Ended(execution, {"itemCounts": ITEM_COUNTS})


@given(st.integers())
def test_shorten_number_keeps_first_and_last_digits(number: int) -> None:
    shown = shorten_number(str(number))
    if len(str(abs(number))) <= LONG_NUMBER_DIGITS:
        assert shown == str(number)
    else:
        first, _, rest = shown.partition("...")
        assert str(number).startswith(first)
        assert str(number).endswith(rest.split()[0])
        assert f"({len(str(abs(number))):,} digits)" in rest


def test_shorten_number_counts_digits_without_the_sign() -> None:
    digits = "1234567890" * 10
    assert shorten_number(f"-{digits}") == "-12345678901234567890...12345678901234567890 (100 digits)"


def test_render_json_is_one_line_with_the_documented_fields() -> None:
    total = "7" * 3000
    line = render_json(ended(output=json.dumps({"total_sum": total})), "/results")
    assert "\n" not in line
    assert json.loads(line) == {
        "status": "SUCCEEDED",
        "execution_arn": "arn:aws:states:us-east-1:000000000000:execution:MapReduce:run-1",
        "output": {"total_sum": total},
        "seconds": 1.25,
        "map_run": ITEM_COUNTS,
        "results": "/results",
    }


def test_render_json_names_error_and_cause_when_the_run_failed() -> None:
    document = json.loads(render_json(ended("FAILED", error="InvalidInputError", cause="size"), "/results"))
    assert (document["output"], document["error"], document["cause"]) == (None, "InvalidInputError", "size")


def test_render_json_has_no_map_run_when_there_was_none() -> None:
    only_execution = Ended(ended("ABORTED").execution, None)
    document = json.loads(render_json(only_execution, "/results"))
    assert (document["map_run"], document["error"], document["cause"]) == (None, None, None)


def text_of(output: Any) -> list[str]:
    lines = render_text(
        ended(output=json.dumps(output)), "/home/runs/run-1", lambda uri: uri.replace("s3://", "/home/")
    )
    assert lines[-3:] == ["batches       9 of 10 succeeded", "seconds       1.25", "results       /home/runs/run-1"]
    return lines[:-3]


def test_render_text_shows_every_field_of_the_output() -> None:
    output = {
        "result": "55",
        "total_sum": "55",
        "complete": True,
        "count": 1024,
        "failed": 0,
        "duplicates": 1,
        "result_file": "s3://bucket/runs/run-1/result.json",
        "another": [3, 9],
    }
    assert text_of(output) == [
        "total         55",
        "items         1,024 computed, 0 failed, 1 duplicates",
        "another       [3, 9]",
    ]


def test_render_text_names_the_file_with_the_full_value_when_it_is_shortened() -> None:
    output = {"result": "1" * 100, "total_sum": "1" * 100, "result_file": "s3://bucket/runs/run-1/result.json"}
    assert text_of(output) == [
        f"total         {'1' * 20}...{'1' * 20} (100 digits)",
        "in full       /home/bucket/runs/run-1/result.json",
    ]


def test_render_text_names_the_file_when_the_result_is_too_long_for_a_state() -> None:
    assert text_of({"result_file": "s3://bucket/runs/run-1/result.json"}) == [
        "result        too long to be shown, or not JSON",
        "in full       /home/bucket/runs/run-1/result.json",
    ]


def test_render_text_says_that_a_result_is_bytes_and_where_they_are() -> None:
    assert text_of({"result_file": "s3://bucket/runs/run-1/result.bin", "complete": False}) == [
        "partial result bytes: /home/bucket/runs/run-1/result.bin",
    ]


def test_render_text_says_that_a_result_is_an_array_and_where_it_is() -> None:
    output = {"result": "[4,8,12]", "array": "int64, shape (3,)", "result_file": "s3://bucket/runs/run-1/result.npy"}
    assert text_of(output) == [
        "result        [4,8,12]",
        "array         int64, shape (3,): /home/bucket/runs/run-1/result.npy",
    ]
    del output["result"]
    assert text_of(output) == [
        "result        array of int64, shape (3,)",
        "in full       /home/bucket/runs/run-1/result.npy",
    ]


def test_render_text_never_calls_a_partial_total_the_total() -> None:
    output = {
        "total_sum": "55",
        "result": "55",
        "complete": False,
        "count": 1000,
        "failed": 24,
        "duplicates": 0,
        "failed_items": {"first": [3, 9], "file": "s3://bucket/runs/run-1/failed.jsonl"},
    }
    assert text_of(output) == [
        "partial total 55",
        "items         1,000 computed, 24 failed, 0 duplicates",
        "failed        3, 9, ...",
        "errors        /home/bucket/runs/run-1/failed.jsonl",
    ]


def test_render_text_shows_a_result_that_is_no_integer() -> None:
    output = {"result": "[1, 2.5]", "count": 2, "results_file": "s3://bucket/runs/run-1/results.jsonl"}
    assert text_of(output) == [
        "result        [1, 2.5]",
        "each item     /home/bucket/runs/run-1/results.jsonl",
        "items         2 computed",
    ]


def test_render_text_shows_the_output_of_another_machine() -> None:
    assert text_of([1, 2]) == ["output        [1, 2]"]


@pytest.mark.parametrize(
    ("error", "cause", "shown"),
    [
        ("States.Timeout", None, "States.Timeout"),
        ("E", "what happened", "E: what happened"),
        (None, "aborted by the Map Run", "aborted by the Map Run"),
        ("E", '{"errorType": "InvalidInputError", "errorMessage": "size"}', "InvalidInputError: size"),
        ("E", '{"errorMessage": "size", "stackTrace": []}', "E: size"),
        ("E", '{"other": 1}', 'E: {"other": 1}'),
        ("E", "[1]", "E: [1]"),
        (None, None, "no error was given"),
    ],
)
def test_describe_error_reads_what_lambda_reports(error: str | None, cause: str | None, shown: str) -> None:
    assert error_line(error, cause) == shown


def started_execution(**fields: Any) -> str:
    """Return the cause of the task that waited for an execution."""
    return json.dumps({**fields, "ExecutionArn": "arn:aws:states:r:1:execution:M:inner", "Name": "inner"})


RAISED = json.dumps({"errorMessage": "size", "errorType": "InvalidInputError", "stackTrace": ["  File sum.py\n"]})


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"Status": "FAILED", "Error": "E", "Cause": "why"}, "E: why"),
        ({"Status": "FAILED", "Error": "InvalidInputError", "Cause": RAISED}, "InvalidInputError: size"),
        (
            {"Status": "FAILED", "Error": "States.TaskFailed", "Cause": '{"JobId": "7", "Status": "FAILED"}'},
            "States.TaskFailed: job 7 FAILED: no reason given",
        ),
        ({"Status": "ABORTED", "Cause": "no longer wanted"}, "States.TaskFailed: no longer wanted"),
        ({"Status": "FAILED", "Error": "E"}, "E"),
        ({"Status": "TIMED_OUT"}, "States.TaskFailed: execution inner TIMED_OUT"),
        ({"Status": "FAILED", "Error": 1, "Cause": {}}, "1: {}"),
    ],
)
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_describe_error_follows_the_executions_that_were_waited_for(
    fields: dict[str, Any], shown: str, depth: int
) -> None:
    cause = started_execution(**fields)
    for _ in range(depth - 1):
        cause = started_execution(Status="FAILED", Error="States.TaskFailed", Cause=cause)
    assert error_line("States.TaskFailed", cause) == shown


def test_describe_error_follows_no_more_executions_than_a_person_would() -> None:
    cause = "why"
    for _ in range(12):
        cause = started_execution(Status="FAILED", Error="E", Cause=cause)
    assert error_line("States.TaskFailed", cause) == "E: execution inner FAILED"


def test_error_text_has_the_trace_of_the_execution_that_was_waited_for() -> None:
    cause = started_execution(Status="FAILED", Error="InvalidInputError", Cause=RAISED)
    assert error_text("States.TaskFailed", cause) == "InvalidInputError: size\n  File sum.py"


def test_render_failure_is_one_line() -> None:
    failed = ended("FAILED", error="E", cause='{"errorType": "InvalidInputError", "errorMessage": "size is -1"}')
    assert render_failure(failed) == "run-1 FAILED after 1.2 s: InvalidInputError: size is -1"


def test_cause_that_is_nested_too_deeply_to_be_read_is_shown_as_it_is() -> None:
    cause = "[" * 20_000
    assert error_line("Error", cause) == f"Error: {cause}"
    assert error_text("Error", cause).startswith("Error: [[[")


@pytest.mark.parametrize(
    ("batch", "shown"),
    [
        ({"batch": 3, "first": 24, "count": 8}, "batch 3 (items 24 to 31)"),
        ({"batch": 0, "first": 5, "count": 1}, "batch 0 (item 5)"),
        ({"batch": 7}, "batch 7"),
        (None, "a batch that its record does not name"),
    ],
)
def test_name_batch_names_its_items(batch: dict[str, Any] | None, shown: str) -> None:
    assert name_batch(batch) == shown


def test_meter_measures_the_rate_from_the_first_counts() -> None:
    meter = Meter()
    assert meter.line(Counts(100, 20, 0, 5), 10) == "20/100 batches done, 0 failed"
    assert meter.line(Counts(100, 58, 2, 5), 12) == "60/100 batches done, 2 failed, 20/s, 2.0 s left"


def test_meter_shows_slow_rates_with_two_digits() -> None:
    meter = Meter()
    meter.line(Counts(10, 0, 0, 1), 0)
    assert meter.line(Counts(10, 1, 0, 1), 80) == "1/10 batches done, 0 failed, 0.013/s, 12 min 0 s left"


def test_plain_view_writes_a_line_only_every_few_seconds_and_after_a_change(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainView()
    for second in range(11):
        view.show(Counts(100, min(second, 7), 0, 1), second)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["5/100", "7/100"]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (7_500, "2 h 5 min")]
)
def test_duration_is_readable(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@given(st.floats(0, 1e6), st.sampled_from([LOCAL_PACE, AWS_PACE]))
def test_pace_stays_within_its_bounds(age: float, pace: Pace) -> None:
    assert pace.shortest_seconds <= pace.delay(age) <= pace.longest_seconds


def test_aws_pace_asks_less_than_the_service_allows() -> None:
    # Source: docs:step-functions/latest/dg/service-quotas, refill of DescribeMapRun a second.
    assert 1 / AWS_PACE.shortest_seconds <= 1
