"""Sum: the same answer from every shape of result files, and never one that leaves items out in silence."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.batch import parts
from lambdas.results import batch_coverage as coverage
from lambdas.results import reduction
from lambdas.run_files import errors, storage

PLAIN = "def compute(item): return item\n"
ADDITION = "def combine(a, b): return a + b\n"


def object_keys(run: Any) -> set[str]:
    listing = run.s3.list_objects_v2(Bucket=run.BUCKET, Prefix=f"runs/{run.name}/")
    return {entry["Key"].removeprefix(f"runs/{run.name}/") for entry in listing["Contents"]}


@pytest.mark.parametrize("size", [0, 1, 2, 64, 777])
@pytest.mark.parametrize(("lines", "compact"), [(True, False), (False, False), (True, True), (False, True)])
def test_sum_adds_up_squares_from_every_shape_of_result_files(
    pipeline: Any, size: int, lines: bool, compact: bool
) -> None:
    run = pipeline(size=size, workload="squares", batch_size=max(1, size // 10))
    total = str((size - 1) * size * (2 * size - 1) // 6)
    output = run.run(lines=lines, compact=compact)
    assert output == {
        "result": total,
        "total_sum": total,
        "complete": True,
        "count": size,
        "failed": 0,
        "duplicates": 0,
        "result_file": f"s3://results-bucket/runs/{run.name}/result.json",
    }
    assert json.loads(run.text("result.json")) == output


@settings(max_examples=10)
@given(size=st.integers(0, 200), batch_size=st.sampled_from([1, 2, 7, 64, 200]))
def test_sum_is_the_same_for_every_batch_size(pipeline: Any, size: int, batch_size: int) -> None:
    output = pipeline(size=size, batch_size=batch_size).run()
    window, expected = [0, 0, 0, 1], 0
    for _ in range(size):
        expected += window[-1]
        window = [*window[1:], 128 * window[3] + 1863 * window[2] + 42451 * window[1] + 78341 * window[0]]
    assert output["total_sum"] == str(expected)


def test_sum_is_exact_past_4300_digits(pipeline: Any) -> None:
    output = pipeline(items=[2100, 2101]).run()
    assert len(output["total_sum"]) > 4500


@settings(max_examples=30)
@given(
    bad=st.sets(st.integers(0, 39), max_size=12),
    crashed=st.sets(st.integers(0, 5), max_size=2),
    batch_size=st.integers(1, 40),
    percentage=st.sampled_from([0.5, 10, 25, 50, 100]),
    combines=st.booleans(),
    lines=st.booleans(),
)
def test_sum_accounts_for_every_item_whatever_failed(
    pipeline: Any,
    make_workload: Any,
    bad: set[int],
    crashed: set[int],
    batch_size: int,
    percentage: float,
    combines: bool,
    lines: bool,
) -> None:
    source = f"def compute(item):\n    if item in {tuple(bad)}: raise ValueError('bad')\n    return item\n"
    name = make_workload(source + (ADDITION if combines else ""))
    run = pipeline(size=40, workload=name, batch_size=batch_size, tolerated_failure_percentage=percentage)
    run.start()
    lost = set(bad)
    for child in run.map():
        if child.input["batch"]["batch"] in crashed:
            child.error, child.output = "Runtime.ExitError", {"errorMessage": "exit status 1"}
            batch = child.input["batch"]
            lost |= set(range(batch["first"], batch["first"] + batch["count"]))
    run.write_results(lines=lines)
    if len(lost) > 40 * percentage / 100:
        with pytest.raises(errors.FailureToleranceExceededError, match=f"^{len(lost)} of 40 items failed"):
            run.sum()
        assert "result.json" not in object_keys(run)
    else:
        output = run.sum()
        kept = [index for index in range(40) if index not in lost]
        assert (output["count"], output["failed"], output["complete"]) == (len(kept), len(lost), not lost)
        assert output.get("failed_items", {}).get("first", []) == sorted(lost)[:10]
        if combines:
            assert json.loads(output["result"]) == (sum(kept) if kept else None)
        else:
            assert json.loads(output["result"]) == [index if index not in lost else None for index in range(40)]
    if lost:
        failed = [json.loads(line) for line in run.text("failed.jsonl").splitlines()]
        assert [line["index"] for line in failed] == sorted(lost)
        for line in failed:
            in_crashed = line["index"] // batch_size in crashed
            told = f"{line['error_type']}: {line['message']}"
            assert told.startswith("Runtime.ExitError: exit status 1" if in_crashed else "ValueError: bad (made_")


def test_sum_counts_items_that_never_started_as_failed(pipeline: Any) -> None:
    run = pipeline(size=4, workload="squares", batch_size=1, tolerated_failure_percentage=50)
    run.start()
    last = run.map().pop()
    child_input = json.dumps(last.input)
    run.add_file("PENDING", [{"Input": child_input, "InputDetails": {"Included": True}, "Status": "PENDING"}])
    run.write_results()
    output = run.sum()
    assert (output["total_sum"], output["complete"], output["failed"]) == ("5", False, 1)
    assert json.loads(run.text("failed.jsonl")) == {"index": 3, "error_type": "PENDING", "message": "", "traceback": ""}


def test_sum_counts_repeated_batches_once(pipeline: Any) -> None:
    run = pipeline(size=6, workload="squares", batch_size=2)
    run.start()
    run.map()
    run.children += run.children[:2] + run.children[:1]
    run.write_results()
    output = run.sum()
    assert (output["total_sum"], output["count"], output["duplicates"]) == ("55", 6, 3)


def test_sum_takes_the_success_of_a_batch_that_failed_before_its_redrive(pipeline: Any) -> None:
    run = pipeline(size=4, workload="squares", batch_size=2)
    run.start()
    run.map()
    child = run.children[0]
    run.add_file("FAILED", [{"Status": "FAILED", "Input": json.dumps(child.input), "Error": "States.Timeout"}])
    run.write_results()
    output = run.sum()
    assert (output["total_sum"], output["failed"], output["duplicates"]) == ("14", 0, 0)


def test_sum_reads_records_of_the_original_program(pipeline: Any, make_workload: Any) -> None:
    for workload, result in (("squares", "55"), (make_workload(PLAIN), "[0,1,4,9,16,25]")):
        run = pipeline(size=6, workload=workload, batch_size=1)
        run.start()
        payloads = [{"index": index, "size": 6, "result": index * index} for index in (3, 1, 0, 2, 5, 4)]
        records = [
            {"Status": "SUCCEEDED", "Input": "{}", "Output": json.dumps({"Payload": payload, "StatusCode": 200})}
            for payload in payloads
        ]
        run.add_file("SUCCEEDED", records)
        run.write_manifest()
        assert run.sum()["result"] == result


def test_sum_reads_a_file_a_child(pipeline: Any) -> None:
    run = pipeline(size=200, workload="squares", batch_size=1)
    run.start()
    for child in run.map():
        run.add_file("SUCCEEDED", [child.output])
    run.write_manifest()
    assert run.sum()["total_sum"] == str(199 * 200 * 399 // 6)


@pytest.mark.parametrize(("lines", "compact"), [(True, False), (False, True)])
def test_sum_collects_results_in_item_order_from_records_in_any(
    pipeline: Any, make_workload: Any, monkeypatch: Any, lines: bool, compact: bool
) -> None:
    monkeypatch.setattr(reduction, "BLOCK_BYTES", 50)
    monkeypatch.setattr(parts, "FLUSH_BYTES", 40)
    items = [{"text": "ü" * (index % 9)} for index in range(60)]
    run = pipeline(items=items, workload=make_workload(PLAIN), batch_size=7)
    run.start()
    run.map()
    run.children = run.children[::2] + run.children[1::2]
    run.write_results(lines=lines, compact=compact)
    output = run.sum()
    assert json.loads(output["result"]) == items
    assert run.results() == [{"index": index, "item": item, "result": item} for index, item in enumerate(items)]
    assert output["results_file"] == f"s3://results-bucket/runs/{run.name}/results.jsonl"


@pytest.mark.parametrize("combines", [True, False])
def test_sum_points_to_a_result_that_is_too_long_for_a_state(pipeline: Any, make_workload: Any, combines: bool) -> None:
    source = "def compute(item): return 'x' * 150_000\n" + (ADDITION if combines else "")
    run = pipeline(size=2, workload=make_workload(source), batch_size=1)
    output = run.run()
    assert "result" not in output
    if combines:
        assert output["result_file"].endswith("/result.json")
        assert json.loads(json.loads(run.text("result.json"))["result"]) == "x" * 300_000
    else:
        assert output["result_file"].endswith("/results.jsonl")
        assert [line["result"] for line in run.results()] == ["x" * 150_000] * 2


def test_sum_points_to_an_integer_that_is_too_long_for_a_state(pipeline: Any) -> None:
    run = pipeline(items=[10**60_000], workload="squares")
    output = run.run()
    assert not {"result", "total_sum"} & set(output)
    assert int(json.loads(run.text("result.json"))["total_sum"]) == 10**120_000


@pytest.mark.parametrize(
    ("source", "result"),
    [
        (PLAIN + ADDITION + "def finish(result): return {'sum': result}\n", '{"sum":10}'),
        (PLAIN + ADDITION + "def finish(result, params): return result * params['by']\n", "30"),
        (PLAIN + "def finish(results): return sum(results)\n", "10"),
        (PLAIN + "def finish(results): return next(results)\n", "0"),
        (PLAIN + "def finish(results): return None\n", "null"),
        (PLAIN + "def finish(results): return True\n", "true"),
    ],
)
def test_sum_finishes_once_with_the_value_or_the_stream(
    pipeline: Any, make_workload: Any, source: str, result: str
) -> None:
    run = pipeline(size=5, workload=make_workload(source), batch_size=2, params={"by": 3})
    output = run.run()
    assert output["result"] == result
    assert output.get("total_sum") == (result if result.isdigit() else None)
    if ADDITION not in source:
        lines = [f'{{"index":{index},"item":{index},"result":{index}}}\n' for index in range(5)]
        assert run.text("results.jsonl") == "".join(lines)


def test_sum_has_the_same_result_when_it_is_invoked_again_whatever_finish_changed(
    pipeline: Any, make_workload: Any
) -> None:
    finish = "def finish(result, params):\n    params['by'] += 1\n    return result * params['by']\n"
    run = pipeline(size=5, workload=make_workload(PLAIN + ADDITION + finish), params={"by": 2})
    assert run.run()["result"] == "30"
    assert run.sum()["result"] == "30"


def test_sum_stores_bytes_that_finish_returns(pipeline: Any, make_workload: Any) -> None:
    run = pipeline(size=5, workload=make_workload(PLAIN + "def finish(results): return bytes(results)\n"), batch_size=2)
    output = run.run()
    assert output["result_file"] == f"s3://results-bucket/runs/{run.name}/result.bin"
    body = run.s3.get_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/result.bin")["Body"].read()
    assert body == bytes(range(5))
    assert "result" not in output


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (PLAIN + "def combine(a, b): return a + str(b)\n", "combine raised at items .*: TypeError"),
        (PLAIN + ADDITION + "def finish(result): return 1 // 0\n", "finish of workload .* raised: ZeroDivisionError"),
        (PLAIN + "def finish(results): return next(results) // 0\n", "finish of workload .* raised: ZeroDivisionError"),
        (PLAIN + ADDITION + "def finish(result): return {1: 2}\n", "can't be kept: JSON keys are text"),
        (PLAIN + ADDITION + "def finish(result): return float('nan')\n", "can't be kept: nan is not JSON"),
        (PLAIN + "def finish(results): return results\n", "finish .* must yield bytes, or return .*it yielded int"),
        (PLAIN + "def finish(results): yield None\n", "finish .* must yield bytes, or return .*it yielded NoneType"),
        (PLAIN + "def finish(results): yield b'' % next(results)\n", "finish of workload .* raised: TypeError"),
        (PLAIN + ADDITION + "def finish(r):\n    r = []\n    r.append(r)\n    return r\n", "nested too deeply"),
    ],
)
def test_sum_names_how_a_workload_breaks_the_contract(
    pipeline: Any, make_workload: Any, source: str, message: str
) -> None:
    run = pipeline(size=5, workload=make_workload(source), batch_size=1)
    with pytest.raises(errors.WorkloadError, match=message):
        run.run()
    assert "result.json" not in object_keys(run)


def test_sum_gives_the_same_when_it_is_called_again(pipeline: Any) -> None:
    run = pipeline(size=6, workload="squares", batch_size=2)
    assert run.run() == run.sum()


def test_coverage_memory_does_not_grow_with_items() -> None:
    """A batch of 2**50 items takes what a batch of one item takes."""
    batches = iter([coverage.Batch(0, 0, 2**50), coverage.Batch(1, 2**50, 1)])
    covered = coverage.Coverage(batches)
    assert (covered.batch_count, covered.item_count) == (2, 2**50 + 1)


def test_sum_reads_blocks_not_whole_files(pipeline: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(storage, "BLOCK_BYTES", 100)
    run = pipeline(size=60, workload="squares", batch_size=3)
    assert run.run()["total_sum"] == str(59 * 60 * 119 // 6)
