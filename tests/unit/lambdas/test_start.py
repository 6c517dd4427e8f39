"""Start: what it accepts, what it refuses and how, what it writes."""

import json
from typing import Any

import pytest
from conftest import lambda_context

from lambdas import start, workloads
from lambdas.run_files import checksums, errors

CONTEXT: Any = lambda_context()


def start_error(execution_input: Any, name: Any = "a-run") -> Exception:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - which one is what the caller asserts
        start.handler({"input": execution_input, "name": name}, CONTEXT)
    return raised.value


BAD_INPUTS = {
    "not-an-object": ([1024], "must be a JSON object", "[1024]"),
    "text": ("1024", "must be a JSON object", '"1024"'),
    "null": (None, "must be a JSON object", "null"),
    "empty": ({}, "exactly one of size, items, source, redrive_of", "none of them"),
    "size-and-items": ({"size": 1, "items": []}, "exactly one of", "size and items"),
    "size-and-source": ({"size": 1, "source": "s3://source-bucket/x"}, "exactly one of", "size and source"),
    "all-three": ({"size": 1, "items": [], "source": "x"}, "exactly one of", "size and items and source"),
    "unknown-key": ({"size": 1, "sise": 2}, '"sise"', "allowed are size, items, source"),
    "unknown-empty-key": ({"size": 1, "": 2}, '""', "allowed are"),
    "size-text": ({"size": "1024"}, "size must be an integer from 0", '"1024"'),
    "size-float": ({"size": 1024.0}, "size must be an integer from 0", "1024.0"),
    "size-bool": ({"size": True}, "size must be an integer from 0", "true"),
    "size-null": ({"size": None}, "size must be an integer from 0", "null"),
    "size-list": ({"size": [1]}, "size must be an integer from 0", "[1]"),
    "size-negative": ({"size": -1}, "size must be an integer from 0", "-1"),
    "size-huge": ({"size": 2**53 + 1}, "size must be an integer from 0 to 9007199254740992", "9007199254740993"),
    "size-10000-digits": ({"size": 10**10_000}, "size must be an integer", "an integer of 33220 bits"),
    "size-infinite": ({"size": float("inf")}, "size must be an integer", "Infinity"),
    "batch-size-zero": ({"size": 4, "batch_size": 0}, "batch_size must be an integer from 1", "got 0"),
    "batch-size-text": ({"size": 4, "batch_size": "2"}, "batch_size must be an integer from 1", '"2"'),
    "batch-size-null": ({"size": 4, "batch_size": None}, "batch_size must be an integer from 1", "null"),
    "batch-size-too-small": (
        {"size": 20_001, "batch_size": 2},
        "batch_size must be 3 or more for 20001 items",
        "got 2",
    ),
    "tolerance-text": ({"size": 4, "tolerated_failure_percentage": "5"}, "number from 0 to 100", '"5"'),
    "tolerance-negative": ({"size": 4, "tolerated_failure_percentage": -0.1}, "number from 0 to 100", "-0.1"),
    "tolerance-over-100": ({"size": 4, "tolerated_failure_percentage": 100.5}, "number from 0 to 100", "100.5"),
    "tolerance-nan": ({"size": 4, "tolerated_failure_percentage": float("nan")}, "number from 0 to 100", "NaN"),
    "tolerance-bool": ({"size": 4, "tolerated_failure_percentage": True}, "number from 0 to 100", "true"),
    "concurrency-zero": ({"size": 4, "max_concurrency": 0}, "max_concurrency must be an integer from 1 to 10000", "0"),
    "concurrency-over": ({"size": 4, "max_concurrency": 10_001}, "from 1 to 10000", "10001"),
    "concurrency-float": ({"size": 4, "max_concurrency": 1.5}, "from 1 to 10000", "1.5"),
    "params-list": ({"size": 4, "params": []}, "params must be a JSON object", "[]"),
    "params-text": ({"size": 4, "params": "{}"}, "params must be a JSON object", '"{}"'),
    "params-null": ({"size": 4, "params": None}, "params must be a JSON object", "null"),
    "workload-number": ({"size": 4, "workload": 7}, "workload must be text", "7"),
    "workload-unknown": ({"size": 4, "workload": "cubes"}, "workload must be one of mandelbrot, n_queens, ", '"cubes"'),
    "workload-empty": ({"size": 4, "workload": ""}, "workload must be one of", '""'),
    "workload-path": ({"size": 4, "workload": "../sum"}, "workload must be one of", '"../sum"'),
    "workload-dotted": ({"size": 4, "workload": "squares.compute"}, "workload must be one of", "squares.compute"),
    "workload-absolute": ({"size": 4, "workload": "/etc/passwd"}, "workload must be one of", "/etc/passwd"),
    "workload-line-end": ({"size": 4, "workload": "squares\n"}, "workload must be one of", "squares\\n"),
    "workload-upper-case": ({"size": 4, "workload": "Squares"}, "workload must be one of", "Squares"),
    "workload-package": ({"size": 4, "workload": "__init__"}, "workload must be one of", "__init__"),
    "items-number": ({"items": 4}, "items must be a list", "got 4"),
    "items-object": ({"items": {"a": 1}}, "items must be a list", '{"a": 1}'),
    "items-path": ({"items": "items.jsonl"}, 'items must be like "s3://bucket/key"', '"items.jsonl"'),
    "items-http": ({"items": "https://a/b.jsonl"}, 'items must be like "s3://bucket/key"', "https"),
    "items-parquet": ({"items": "s3://source-bucket/a.parquet"}, "ends in .jsonl or .csv", "a.parquet"),
    "items-foreign-bucket": ({"items": "s3://other-bucket/a.jsonl"}, "other-bucket", "source-bucket"),
    "items-of-a-run": ({"items": "s3://results-bucket/runs/a/items.jsonl"}, "under uploads/", "runs/a"),
    "source-list": ({"source": ["s3://source-bucket/a"]}, 'source must be like "s3://bucket/key"', "source-bucket"),
    "source-no-bucket": ({"source": "s3:///key"}, 'source must be like "s3://bucket/key"', "s3:///key"),
    "source-foreign-bucket": ({"source": "s3://other-bucket/a"}, "hpc:source_buckets", "other-bucket"),
    "source-results-bucket": ({"source": "s3://results-bucket/runs/"}, "under uploads/", "runs/"),
    "redrive-and-size": ({"size": 1, "redrive_of": "a"}, "exactly one of", "size and redrive_of"),
    "redrive-params": ({"redrive_of": "a", "params": {}}, "allowed are redrive_of, batch_size", '"params"'),
    "redrive-number": ({"redrive_of": 7}, "redrive_of must be the name of a run", "7"),
    "redrive-path": ({"redrive_of": "../a"}, "redrive_of must be the name of a run", "../a"),
    "redrive-nested": ({"redrive_of": "a/batch"}, "redrive_of must be the name of a run", "a/batch"),
    "redrive-unknown": ({"redrive_of": "nobody"}, "redrive_of must be a run whose files are there", "nobody"),
    "source-empty": ({"source": "s3://source-bucket/nothing-here/"}, "has no objects", "nothing-here"),
}


@pytest.mark.parametrize(("execution_input", "allowed", "given"), BAD_INPUTS.values(), ids=BAD_INPUTS)
def test_start_names_what_was_given_and_what_is_allowed(
    s3: Any, execution_input: Any, allowed: str, given: str
) -> None:
    error = start_error(execution_input)
    assert isinstance(error, errors.InvalidInputError)
    assert allowed in str(error)
    assert given in str(error)
    assert len(str(error)) < 400


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../a", "a" * 81, "ü", "a\n", 7, None])
def test_start_refuses_execution_names_that_are_no_key(s3: Any, name: Any) -> None:
    error = start_error({"size": 1}, name)
    assert isinstance(error, errors.InvalidInputError)
    assert "1 to 80 characters of 0-9 A-Z a-z _ -" in str(error)


@pytest.mark.parametrize("event", [None, [], {}, {"input": {"size": 1}}, {"input": {}, "name": "a", "more": 1}])
def test_start_refuses_events_that_the_state_machine_does_not_send(event: Any) -> None:
    with pytest.raises(errors.InvalidEventError, match="Start takes"):
        start.handler(event, CONTEXT)


@pytest.mark.parametrize("variable", ["RESULTS_BUCKET", "MAX_CONCURRENCY"])
def test_start_names_the_variable_that_is_not_set(s3: Any, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.delenv(variable)
    error = start_error({"size": 1})
    assert isinstance(error, errors.ConfigurationError)
    assert variable in str(error)


def test_start_names_the_bucket_that_is_missing(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESULTS_BUCKET", "no-such-bucket")
    error = start_error({"size": 1})
    assert isinstance(error, errors.StorageAccessError)
    assert "s3://no-such-bucket/runs/a-run" in str(error)


def test_start_returns_the_run_and_nothing_that_grows(pipeline: Any) -> None:
    run = pipeline(size=1024, params={"text": "x" * 100_000})
    assert run.start() == {
        "name": run.name,
        "item_count": 1024,
        "batch_count": 256,
        "batches_key": f"runs/{run.name}/batches.jsonl",
        "map_prefix": f"runs/{run.name}/map",
        "max_concurrency": 500,
        "tolerated_failure_count": 0,
        "back_end": "lambda",
    }
    assert len(json.dumps(run.state)) < 1000


def test_start_writes_settings_for_the_other_handlers(pipeline: Any) -> None:
    run = pipeline(size=3, workload="squares", params={"a": [1]}, tolerated_failure_percentage=2.5)
    run.start()
    settings = json.loads(run.text("run.json"))
    assert len(settings.pop("workload_sha256")) == 64
    settings = checksums.without_checksum(settings | {"workload_sha256": workloads.load("squares").sha256})
    del settings["workload_sha256"]
    assert settings == {
        "name": run.name,
        "workload": "squares",
        "params": {"a": [1]},
        "item_count": 3,
        "batch_count": 3,
        "tolerated_failure_percentage": 2.5,
        "back_end": "lambda",
        "array_size": 0,
        "redrive_of": None,
        "earlier_sha256s": [],
        "is_uploaded": False,
        "combines": True,
        "earlier_records": {},
        "started": "",
    }


def test_start_writes_the_same_when_it_is_called_again(pipeline: Any) -> None:
    run = pipeline(items=[3, 1, 2], workload="squares", batch_size=2)
    files = ("run.json", "batches.jsonl", "items.jsonl")
    first = (run.start(), [run.text(file) for file in files])
    assert (run.start(), [run.text(file) for file in files]) == first


def test_start_ignores_who_started_the_execution(pipeline: Any) -> None:
    run = pipeline(size=2, AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID="arn:aws:states:::execution:a:b")
    assert run.start()["item_count"] == 2


def test_start_makes_1024_batches_of_one_item(pipeline: Any) -> None:
    run = pipeline(size=1024, batch_size=1, max_concurrency=7)
    assert (run.start()["batch_count"], run.state["run"]["max_concurrency"]) == (1024, 7)
    assert [batch["first"] for batch in run.batches()] == list(range(1024))


def test_start_makes_one_empty_batch_of_no_items(pipeline: Any) -> None:
    for execution_input in ({"size": 0}, {"items": [], "workload": "squares"}):
        run = pipeline(**execution_input)
        assert run.start()["item_count"] == 0
        assert [(batch["first"], batch["count"]) for batch in run.batches()] == [(0, 0)]
