"""Start and items: lists, files, prefixes and workloads become lines and batches, or an error that names the item."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from lambdas.run_files import errors, object_writer


def items_by_batch(run: Any) -> list[list[Any]]:
    """Return the items at the offsets in batches.jsonl."""
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


def test_start_reads_escapes_of_a_csv_file_as_step_functions_does(pipeline: Any, upload: Any) -> None:
    uri = upload("items.csv", b'a,b\rx\\,y,{""MyKey"":""MyValue""}\rC:\\\\Program Files,2\r')
    run = pipeline(items=uri, workload="squares", batch_size=9)
    run.start()
    rows = [{"a": "x,y", "b": '{"MyKey":"MyValue"}'}, {"a": "C:\\Program Files", "b": "2"}]
    assert items_by_batch(run) == [rows]


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("a.jsonl", b'1\n{"a": \n', "line 2 of .* must be one JSON value, got .*: Expecting value at character 5"),
        ("a.jsonl", b"1\n\n2\n", "line 2 of .* must be one JSON value"),
        ("a.jsonl", b"1 2\n", "line 1 of .* must be one JSON value"),
        ("a.jsonl", b"NaN\n", "NaN is not JSON"),
        ("a.jsonl", b"[Infinity]\n", "Infinity is not JSON"),
        ("a.jsonl", b"-Infinity\n", "-Infinity is not JSON"),
        ("a.jsonl", b'1\n{"x": [1e400]}\n', "line 2 of .*: 1e400 is too large a number"),
        ("a.jsonl", b"-1e400\n", "-1e400 is too large a number"),
        ("a.jsonl", b"1" + b"0" * 400 + b".0\n", "is too large a number"),
        ("a.jsonl", b'{"a": 1, "b": {"c": 1, "c": 2}}\n', 'line 1 of .*"c" stands twice in one object'),
        ("a.jsonl", b"\xff\xfe\n", "is not UTF-8"),
        ("a.jsonl", b"[" * 100_000, "nested too deeply"),
        ("a.jsonl", b'"' + b"x" * 1_048_576 + b'"', "line of more than 1048576 bytes|may have 1048576 bytes"),
        ("a.csv", b"", "first row .* must name the columns"),
        ("a.csv", b"a,a\n1,2\n", "first row .* each once"),
        ("a.csv", b"a,\n1,2\n", "first row .* each once"),
        ("a.csv", b"a,b\n1,2\n1\n", "row 3 of .* must have 2 fields, got 1"),
        ("a.csv", b"a,b\n1,2,3\n", "row 2 of .* must have 2 fields, got 3"),
        ("a.csv", b"a,b\n\n", "row 2 of .* must have 2 fields, got 0"),
        ("a.csv", b"a\n1,2\n", "row 2 of .* must have 1 field, got 2"),
        ("a.csv", b'a,b\n1,"2\n', "is not CSV: line 2 "),
        ("a.csv", b'a,b\n1,"2" x\n', "is not CSV: line 2 "),
        ("a.csv", b"a;b\n1;2\n", 'names one column, "a;b": commas separate columns here, not ";"'),
        ("a.csv", b"a\tb\n1\t2\n", r'commas separate columns here, not "\\t"'),
        ("a.csv", b"a|b\n1|2\n", r'commas separate columns here, not "\|"'),
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
    monkeypatch.setattr("lambdas.items.item_sources.MAX_SOURCE_OBJECTS", 2)
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


@pytest.mark.parametrize(
    ("items", "data"),
    [
        ("", {"size": 9_001}),
        ("", {"items": list(range(9_001))}),
        ("def items(size): return range(9_001)\n", {"size": 1}),
    ],
)
def test_start_forms_batches_of_equal_weight(
    pipeline: Any, make_workload: Any, items: str, data: dict[str, Any]
) -> None:
    weigh = "def weight(item): return 1000 if item == 5000 else 1\ndef compute(item): return item\n"
    run = pipeline(**data, workload=make_workload(items + weigh))
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
        ("'a'; yield (1, 'b')", r"item 1 .* is a tuple.*yield a list instead, list\(item\); .*function weight\(item\)"),
        ("from zip([1], [2])", "item 0 of workload .* is a tuple"),
        ("[(1, 2)]", "item 0 .* is not JSON: .* got builtins.tuple: make it a list"),
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


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ("0", r"weight of item 0 .* over 0 and up to 1e.15, got 0"),
        ("'1'", 'over 0 and up to 1e.15, got "1"'),
        ("True", "over 0 and up to 1e.15, got true"),
        ("float('nan')", "over 0 and up to 1e.15, got NaN"),
        ("float('inf')", "over 0 and up to 1e.15, got Infinity"),
        ("__import__('numpy').float32(-1)", "over 0 and up to 1e.15, got -1.0"),
        ("__import__('numpy').bool_(True)", "over 0 and up to 1e.15, got "),
        ("1 // 0", "weight of workload .* raised at item 0: ZeroDivisionError"),
        ("params.setdefault('x', 1)", "weight of workload .* changed its params"),
    ],
)
def test_start_names_the_item_whose_weight_is_none(
    pipeline: Any, make_workload: Any, weight: str, message: str
) -> None:
    name = make_workload(f"def weight(item, params): return {weight}\ndef compute(item): return item\n")
    with pytest.raises(errors.WorkloadError, match=message):
        pipeline(size=3, workload=name).start()


@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "uint8"])
def test_weights_may_be_numbers_of_numpy(pipeline: Any, make_workload: Any, kind: str) -> None:
    weigh = f"import numpy as np\ndef weight(item): return np.{kind}(3 if item == 0 else 1)\n"
    run = pipeline(size=6, workload=make_workload(weigh + "def compute(item): return item\n"), batch_size=3)
    run.start()
    assert sum(map(len, items_by_batch(run))) == 6


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
