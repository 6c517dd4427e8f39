"""Start: what it accepts, what it refuses and how, what it writes."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from lambdas import errors, object_writer, start

CONTEXT: Any = None


def start_error(execution_input: Any, name: Any = "a-run") -> Exception:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - which one is what the caller asserts
        start.handler({"input": execution_input, "name": name}, CONTEXT)
    return raised.value


BAD_INPUTS = {
    "not-an-object": ([1024], "must be a JSON object", "[1024]"),
    "text": ("1024", "must be a JSON object", '"1024"'),
    "null": (None, "must be a JSON object", "null"),
    "empty": ({}, "exactly one of size, items, source", "none of them"),
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
    "workload-unknown": ({"size": 4, "workload": "cubes"}, "workload must be one of squares, utf8_keys", '"cubes"'),
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
        "batch_count": 512,
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
    assert settings == {
        "name": run.name,
        "workload": "squares",
        "params": {"a": [1]},
        "item_count": 3,
        "batch_count": 3,
        "tolerated_failure_percentage": 2.5,
        "back_end": "lambda",
        "array_size": 0,
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


def items_by_batch(run: Any) -> list[list[Any]]:
    """What the offsets in batches.jsonl point to."""
    data = run.text("items.jsonl").encode()
    return [
        [json.loads(line) for line in data[batch["offset"] : batch["offset"] + batch["bytes"]].splitlines()]
        for batch in run.batches()
    ]


def test_start_places_inline_items_by_offset(pipeline: Any) -> None:
    items = [1, "ü", {"a": [None, 1.5]}, [], 10**30]
    run = pipeline(items=items, workload="squares", batch_size=2)
    run.start()
    assert items_by_batch(run) == [items[0:2], items[2:4], items[4:]]


def test_start_reads_items_of_a_json_lines_file(pipeline: Any, upload: Any) -> None:
    uri = upload("items.jsonl", '\ufeff{"a": 1}\r\n [2, 3] \n"ü"'.encode())
    run = pipeline(items=uri, workload="squares", batch_size=3)
    run.start()
    assert items_by_batch(run) == [[{"a": 1}, [2, 3], "ü"]]


def test_start_reads_rows_of_a_csv_file_as_objects_of_text(pipeline: Any, upload: Any) -> None:
    uri = upload("items.csv", '\ufeffid,text\r\n1,"two\r\nlines, ""quoted"""\r\n2,\r\n'.encode())
    run = pipeline(items=uri, workload="squares", batch_size=9)
    run.start()
    assert items_by_batch(run) == [[{"id": "1", "text": 'two\r\nlines, "quoted"'}, {"id": "2", "text": ""}]]


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("a.jsonl", b'1\n{"a": \n', "line 2 of .* must be one JSON value, got .*: Expecting value at character 5"),
        ("a.jsonl", b"1\n\n2\n", "line 2 of .* must be one JSON value"),
        ("a.jsonl", b"1 2\n", "line 1 of .* must be one JSON value"),
        ("a.jsonl", b"NaN\n", "NaN is not JSON"),
        ("a.jsonl", b"\xff\xfe\n", "is not UTF-8"),
        ("a.jsonl", b"[" * 100_000, "nested too deeply"),
        ("a.jsonl", b'"' + b"x" * 1_048_576 + b'"', "line of more than 1048576 bytes|may have 1048576 bytes"),
        ("a.csv", b"", "first row .* must name the columns"),
        ("a.csv", b"a,a\n1,2\n", "first row .* each once"),
        ("a.csv", b"a,\n1,2\n", "first row .* each once"),
        ("a.csv", b"a,b\n1,2\n1\n", "row 3 of .* must have 2 fields, got 1"),
        ("a.csv", b"a,b\n1,2,3\n", "row 2 of .* must have 2 fields, got 3"),
        ("a.csv", b"a,b\n\n", "row 2 of .* must have 2 fields, got 0"),
        ("a.csv", b'a,b\n1,"2\n', "line 2 of .* is not CSV"),
        ("a.csv", b'a,b\n1,"2" x\n', "line 2 of .* is not CSV"),
    ],
)
def test_start_names_the_line_of_a_broken_items_file(
    s3: Any, pipeline: Any, upload: Any, name: str, body: bytes, message: str
) -> None:
    run = pipeline(items=upload(name, body), workload="squares")
    with pytest.raises(errors.InvalidInputError, match=message):
        run.start()
    assert "Contents" not in s3.list_objects_v2(Bucket=run.BUCKET, Prefix=f"runs/{run.name}/")


def test_start_names_the_items_file_that_is_missing(pipeline: Any) -> None:
    run = pipeline(items="s3://source-bucket/not-there.jsonl")
    with pytest.raises(errors.StorageAccessError, match=r"s3://source-bucket/not-there\.jsonl is missing"):
        run.start()


def test_start_makes_one_item_of_each_object(s3: Any, pipeline: Any) -> None:
    for key, size in {"in/b": 3, "in/a": 0, "in/folder/": 0, "in/folder/c": 1, "other": 1}.items():
        s3.put_object(Bucket=pipeline().SOURCE_BUCKET, Key=key, Body=b"x" * size)
    run = pipeline(source="s3://source-bucket/in/", workload="squares", batch_size=9)
    run.start()
    assert items_by_batch(run) == [
        [
            {"bucket": "source-bucket", "key": "in/a", "size_bytes": 0},
            {"bucket": "source-bucket", "key": "in/b", "size_bytes": 3},
            {"bucket": "source-bucket", "key": "in/folder/c", "size_bytes": 1},
        ]
    ]


def test_start_refuses_more_objects_than_the_limit(s3: Any, pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambdas.item_sources.MAX_SOURCE_OBJECTS", 2)
    for key in ("many/a", "many/b", "many/c"):
        s3.put_object(Bucket=pipeline().SOURCE_BUCKET, Key=key, Body=b"")
    with pytest.raises(errors.InvalidInputError, match="has more than 2 objects, the most allowed"):
        pipeline(source="s3://source-bucket/many/").start()


def test_start_streams_items_of_a_workload(pipeline: Any, make_workload: Any) -> None:
    name = make_workload(
        "def items(size, params):\n    for i in range(size):\n        yield {'i': i, 'step': params['step']}\n"
        "def compute(item):\n    return item\n"
    )
    run = pipeline(size=3, workload=name, params={"step": 5})
    run.start()
    assert items_by_batch(run) == [[{"i": i, "step": 5}] for i in range(3)]


def test_start_forms_batches_of_equal_weight(pipeline: Any, make_workload: Any) -> None:
    name = make_workload(
        "def items(size):\n    for i in range(size):\n        yield (1000 if i == 5000 else 1, i)\n"
        "def compute(item):\n    return item\n"
    )
    run = pipeline(size=9_001, workload=name)
    run.start()
    batches = run.batches()
    assert 850 <= len(batches) <= 1000
    weights = [sum(1000 if item == 5000 else 1 for item in items) for items in items_by_batch(run)]
    assert sum(weights) == 10_000
    assert sorted(weights)[-2] <= 12
    assert [item for items in items_by_batch(run) for item in items] == list(range(9_001))


@pytest.mark.parametrize(
    ("yielded", "message"),
    [
        ("(1, 'a'); yield 'b'", "a weight or none, item 1 is the first"),
        ("'a'; yield (1, 'b')", "a weight or none, item 1 is the first"),
        ("(1, 2, 3)", r"item 0 .* must be \(weight, item\), got 3 values"),
        ("(0, 'a')", "weight of item 0 .* over 0 and up to 1e.15, got 0"),
        ("('1', 'a')", 'over 0 and up to 1e.15, got "1"'),
        ("(float('nan'), 'a')", "over 0 and up to 1e.15, got NaN"),
        ("(float('inf'), 'a')", "over 0 and up to 1e.15, got Infinity"),
        ("{1, 2}", "item 0 .* is not JSON: .* got builtins.set"),
        ("float('nan')", "item 0 .* is not JSON: nan"),
        ("{1: 2}", "item 0 .* is not JSON: JSON keys are text, got the key 1 of type int"),
        ("1 // 0", "items of workload .* raised: ZeroDivisionError"),
    ],
)
def test_start_names_the_item_that_a_workload_may_not_yield(
    pipeline: Any, make_workload: Any, yielded: str, message: str
) -> None:
    name = make_workload(f"def items(size):\n    yield {yielded}\ndef compute(item): return item\n")
    with pytest.raises(errors.WorkloadError, match=message):
        pipeline(size=3, workload=name).start()


def test_start_refuses_items_of_a_workload_that_are_none(pipeline: Any, make_workload: Any) -> None:
    name = make_workload("def items(size): return None\ndef compute(item): return item\n")
    with pytest.raises(errors.WorkloadError, match="raised: TypeError"):
        pipeline(size=3, workload=name).start()


def test_start_uploads_long_items_in_parts(s3: Any, pipeline: Any, make_workload: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(object_writer, "PART_BYTES", 5 * 1024 * 1024)
    name = make_workload(
        "def items(size):\n    return ('x' * 999_997 for _ in range(size))\ndef compute(item): return 1\n"
    )
    run = pipeline(size=12, workload=name, batch_size=5)
    run.start()
    head = s3.head_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/items.jsonl")
    assert (head["ContentLength"], head["ETag"][-3:]) == (12_000_000, '-3"')
    assert [(batch["offset"], batch["bytes"]) for batch in run.batches()] == [
        (0, 5_000_000),
        (5_000_000, 5_000_000),
        (10_000_000, 2_000_000),
    ]


def test_start_leaves_no_upload_behind_when_items_fail(
    s3: Any, pipeline: Any, make_workload: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(object_writer, "PART_BYTES", 5 * 1024 * 1024)
    name = make_workload(
        "def items(size):\n    yield from ('x' * 999_997 for _ in range(size))\n    raise ValueError('late')\n"
        "def compute(item): return 1\n"
    )
    run = pipeline(size=12, workload=name)
    with pytest.raises(errors.WorkloadError, match="late"):
        run.start()
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=run.BUCKET)
    assert "Contents" not in s3.list_objects_v2(Bucket=run.BUCKET, Prefix=f"runs/{run.name}/")


def test_start_leaves_no_upload_behind_that_s3_does_not_complete(s3: Any, pipeline: Any, make_workload: Any) -> None:
    def refuse(**_: Any) -> Any:
        return SimpleNamespace(status_code=500, headers={}, content=b""), {
            "Error": {"Code": "InternalError", "Message": "We encountered an internal error"},
            "ResponseMetadata": {"HTTPStatusCode": 500, "HTTPHeaders": {}},
        }

    name = make_workload("def items(size): return ('x' * 999_997 for _ in range(size))\ndef compute(item): return 1\n")
    run = pipeline(size=9, workload=name)
    s3.meta.events.register("before-call.s3.CompleteMultipartUpload", refuse)
    try:
        with pytest.raises(errors.StorageUnavailableError, match=r"InternalError for s3://.*/items\.jsonl"):
            run.start()
    finally:
        s3.meta.events.unregister("before-call.s3.CompleteMultipartUpload", refuse)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=run.BUCKET)
    assert "Contents" not in s3.list_objects_v2(Bucket=run.BUCKET, Prefix=f"runs/{run.name}/")


def test_start_refuses_a_batch_size_too_small_for_streamed_items(pipeline: Any, make_workload: Any) -> None:
    name = make_workload("def items(size): return iter(range(size))\ndef compute(item): return 1\n")
    with pytest.raises(errors.InvalidInputError, match="batch_size must be 3 or more for 20001 items"):
        pipeline(size=20_001, workload=name, batch_size=2).start()
