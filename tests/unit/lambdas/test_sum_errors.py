"""Sum: broken, missing and foreign results are named, and give no total."""

import json
from typing import Any

import pytest

from lambdas import sum as sum_
from lambdas.run_files import checksums, errors, runs

PLAIN = "def compute(item): return item\n"
ADDITION = "def combine(a, b): return a + b\n"


def object_keys(run: Any) -> set[str]:
    listing = run.s3.list_objects_v2(Bucket=run.BUCKET, Prefix=f"runs/{run.name}/")
    return {entry["Key"].removeprefix(f"runs/{run.name}/") for entry in listing["Contents"]}


def resealed(output: dict[str, Any]) -> dict[str, Any]:
    return checksums.with_checksum({name: value for name, value in output.items() if name != checksums.FIELD})


def mapped(pipeline: Any, **execution_input: Any) -> Any:
    run = pipeline(**({"size": 6, "workload": "squares", "batch_size": 2} | execution_input))
    run.start()
    run.map()
    return run


def test_sum_names_the_gap(pipeline: Any) -> None:
    run = mapped(pipeline)
    del run.children[1:]
    run.write_results()
    with pytest.raises(errors.MissingResultsError, match=r"^2 of 3 batches .* first of them items 2 to 3$"):
        run.sum()


def test_sum_names_the_one_item_of_a_gap(pipeline: Any) -> None:
    run = mapped(pipeline, batch_size=1)
    del run.children[3]
    run.write_results()
    with pytest.raises(errors.MissingResultsError, match=r"^1 of 6 batches .* first of them item 3$"):
        run.sum()


def test_sum_refuses_a_gap_under_any_tolerance(pipeline: Any) -> None:
    run = mapped(pipeline, tolerated_failure_percentage=100)
    del run.children[2]
    run.write_results()
    with pytest.raises(errors.MissingResultsError, match="1 of 3 batches"):
        run.sum()


@pytest.mark.parametrize(("first", "count"), [(0, 1), (1, 1), (0, 3), (1, 2), (6, 2), (2**60, 1)])
def test_sum_names_a_result_that_is_no_batch(pipeline: Any, first: int, count: int) -> None:
    run = mapped(pipeline)
    stray = run.children[0].output | {"first": first, "count": count}
    stray["parts"] = [{"first": first, "count": count, "result": "1"}]
    run.add_file("SUCCEEDED", [resealed(stray)])
    run.write_results()
    named = f"item {first}" if count == 1 else f"items {first} to {first + count - 1}"
    message = f"covers {named}, which are no batch of this run"
    with pytest.raises(errors.OverlappingResultsError, match=message):
        run.sum()


def test_sum_names_a_manifest_without_files(pipeline: Any) -> None:
    run = mapped(pipeline)
    run.write_manifest()
    with pytest.raises(errors.MissingResultsError, match=f"manifest lists no result files, run {run.name} has 6 items"):
        run.sum()


def test_sum_names_what_is_missing_in_the_bucket(pipeline: Any) -> None:
    for file in ("manifest.json", "SUCCEEDED_0.json"):
        run = mapped(pipeline)
        run.write_results()
        run.s3.delete_object(Bucket=run.BUCKET, Key=f"{run.prefix}/{file}")
        with pytest.raises(errors.StorageAccessError, match=f"{file} is missing"):
            run.sum()


@pytest.mark.parametrize("body", [b"", b"[", b"[{}]", b"not json", b"[[1]]", b'{"a":1}', b"[null]"])
def test_sum_names_a_broken_result_file_and_gives_no_total(pipeline: Any, body: bytes) -> None:
    run = mapped(pipeline)
    run.add_file("SUCCEEDED", [], body=body)
    run.write_results()
    with pytest.raises(errors.ResultFileError, match=r"SUCCEEDED|record"):
        run.sum()
    assert "result.json" not in object_keys(run)


def test_sum_names_a_file_that_is_shorter_than_the_manifest_says(pipeline: Any) -> None:
    run = mapped(pipeline)
    run.write_results()
    run.files["SUCCEEDED"][0]["Size"] += 1
    run.write_manifest()
    with pytest.raises(errors.ResultFileError, match=r"SUCCEEDED_0\.json has \d+ bytes, its manifest says \d+"):
        run.sum()


def test_sum_names_a_record_of_another_run(pipeline: Any) -> None:
    other, run = mapped(pipeline), mapped(pipeline)
    run.children[0] = other.children[0]
    run.write_results()
    with pytest.raises(errors.ResultFileError, match=f"belongs to the run .{other.name}., not to {run.name}"):
        run.sum()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (None, "is missing"),
        (b"{", "is not a part: "),
        (b"[]", "is not a part: "),
        (b'{"first":0,"count":1}', "is not a part: .*1 items, 0 of them failed, has no result"),
        (b'{"first":1,"count":1,"result":"5"}', "is another part than its record says"),
        (b'{"first":0,"count":2,"result":"5"}', "is another part than its record says"),
        (
            b'{"first":0,"count":1,"failed":[{"index":0,"error_type":"e","message":"m","traceback":""}]}',
            "is another part than its record says",
        ),
    ],
)
@pytest.mark.parametrize("source", [ADDITION, ""])
def test_sum_names_a_part_that_is_not_the_one_of_its_record(
    pipeline: Any, make_workload: Any, body: bytes | None, message: str, source: str
) -> None:
    name = make_workload("def compute(item): return 'x' * item\n" + source)
    run = pipeline(items=[300_000, 1], workload=name, batch_size=1)
    run.start()
    run.map()
    key = f"runs/{run.name}/parts/0-0-1.json"
    run.s3.delete_object(Bucket=run.BUCKET, Key=key)
    if body is not None:
        run.s3.put_object(Bucket=run.BUCKET, Key=key, Body=body)
        run.children[0].output["parts"][0]["sha256"] = checksums.sha256(body)
    run.write_results()
    with pytest.raises((errors.ResultFileError, errors.StorageAccessError), match=message):
        run.sum()


def test_sum_names_a_part_of_another_run(pipeline: Any) -> None:
    run = mapped(pipeline)
    run.children[0].output["parts"] = [
        {"first": 0, "count": 2, "failed_count": 0, "key": "runs/b/parts/0-0-2.json", "sha256": ""}
    ]
    run.write_results()
    with pytest.raises(errors.ResultFileError, match=f"must be under runs/{run.name}/parts/, got .runs/b/parts"):
        run.sum()


@pytest.mark.parametrize(
    ("result", "source", "message"),
    [
        ("[0]", PLAIN, r"items 0 and on must list 2 results as JSON text, got .\[0\]"),
        ("[0,1,2]", PLAIN, r"items 0 and on must list 2 results as JSON text, got .\[0,1,2\]"),
        ("5", PLAIN, "items 0 and on must list 2 results as JSON text, got .5"),
        ("[0,", PLAIN, r"items 0 and on must list 2 results as JSON text, got .\[0,"),
        ("{", PLAIN + ADDITION, "result of items 0 and on is not JSON text: Expecting property name"),
        (7, PLAIN + ADDITION, "result of items 0 and on is not JSON text"),
    ],
)
def test_sum_names_a_part_without_the_results_it_claims(
    pipeline: Any, make_workload: Any, result: Any, source: str, message: str
) -> None:
    run = mapped(pipeline, workload=make_workload(source))
    run.children[0].output["parts"][0]["result"] = result
    run.write_results()
    with pytest.raises(errors.ResultFileError, match=message):
        run.sum()


@pytest.mark.parametrize(
    ("file", "body", "message"),
    [
        ("run.json", b"{", "is not JSON"),
        ("run.json", b"[]", "does not have the fields of a run"),
        ("run.json", b'{"name":"a"}', r"run\.json is broken: it has changed: .*its own says None"),
        ("run.json", json.dumps(checksums.with_checksum({"name": "a"})).encode(), "does not have the fields of a run"),
        ("batches.jsonl", b"", "is broken"),
        ("batches.jsonl", b"{}\n", "is broken: a batch is"),
        ("batches.jsonl", b'{"batch":0,"first":1,"count":1}\n', "batch 0 begins at item 1, expected 0"),
        ("batches.jsonl", b'{"batch":0,"first":0,"count":6}\n', "has 1 batches of 6 items, run.json says 3 of 6"),
    ],
)
def test_sum_names_a_broken_file_of_the_run(pipeline: Any, file: str, body: bytes, message: str) -> None:
    run = pipeline(size=6, workload="squares", batch_size=2)
    run.start()
    run.map()
    run.write_results()
    run.s3.put_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/{file}", Body=body)
    runs.read_settings.cache_clear()
    with pytest.raises(errors.ResultFileError, match=message):
        run.sum()


@pytest.mark.parametrize("event", [None, [], {}, {"run": {}}, {"run": {"name": "../a"}}, {"run": {"name": 5}}])
def test_sum_refuses_events_that_the_state_machine_does_not_send(event: Any) -> None:
    with pytest.raises(errors.InvalidEventError, match="Sum takes"):
        sum_.handler(event, None)
