"""A run on the failed items of another: its result is the whole result, as if nothing had failed."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from disturbed_runs import FAILING, SOURCES, Disturbed, whole
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdas.batch import batch_items
from lambdas.contract.limits import MAX_ITEM_BYTES
from lambdas.results import chain, reduction
from lambdas.run_files import errors, indexed_items, runs


@pytest.fixture(scope="module")
def workload(make_workload: Any) -> dict[str, str]:
    return {name: make_workload(source) for name, source in SOURCES.items()}


def items_of(kind: str, count: int, upload: Callable[[str, bytes], str]) -> dict[str, Any]:
    items = [{"n": str(index)} for index in range(count)]
    match kind:
        case "range":
            return {"size": count}
        case "list":
            return {"items": items}
        case "jsonl":
            return {"items": upload("a.jsonl", b"".join(json.dumps(item).encode() + b"\n" for item in items))}
        case _:
            return {"items": upload("a.csv", b"n\n" + b"".join(b"%d\n" % index for index in range(count)))}


@settings(
    max_examples=25,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    source=st.sampled_from(sorted(SOURCES)),
    kind=st.sampled_from(["range", "list", "jsonl", "csv"]),
    count=st.integers(1, 14),
    batch_sizes=st.lists(st.integers(1, 5), min_size=3, max_size=3),
    tolerance=st.sampled_from([0.001, 50, 100]),
    bad=st.sets(st.integers(0, 13)),
    still_bad=st.sets(st.integers(0, 13)),
    lost=st.sets(st.integers(0, 3)),
    still_lost=st.sets(st.integers(0, 1)),
)
def test_result_after_redrives_is_that_of_a_run_without_failures(
    pipeline: Any,
    upload: Any,
    workload: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    source: str,
    kind: str,
    count: int,
    batch_sizes: list[int],
    tolerance: float,
    bad: set[int],
    still_bad: set[int],
    lost: set[int],
    still_lost: set[int],
) -> None:
    disturbed = Disturbed(
        pipeline,
        tmp_path_factory.getbasetemp(),
        workload=workload[source],
        tolerated_failure_percentage=tolerance,
        **items_of(kind, count, upload),
    )
    expected = disturbed.first(set(), batch_size=batch_sizes[0])
    run = disturbed.first(bad, lost, batch_size=batch_sizes[0])
    failed = {index for index in range(count) if index in bad or index // batch_sizes[0] in lost}
    if not failed:
        assert whole(run) == whole(expected)
        return
    assert (run.output is None) == (len(failed) > count * tolerance / 100)
    again = disturbed.next(run, still_bad, still_lost, batch_size=batch_sizes[1])
    listed = sorted(failed)
    computed = [set(listed[first : first + batch_sizes[1]]) for first in range(0, len(listed), batch_sizes[1])]
    left = {
        index for number, batch in enumerate(computed) for index in batch if index in still_bad or number in still_lost
    }
    assert [json.loads(line)["index"] for line in again.text("items.jsonl").splitlines()] == listed
    if left:
        assert [json.loads(line)["index"] for line in again.text("failed.jsonl").splitlines()] == sorted(left)
        again = disturbed.next(again, set(), batch_size=batch_sizes[2])
    assert whole(again) == whole(expected)


@pytest.fixture
def disturbed(pipeline: Any, workload: dict[str, str], tmp_path: Path) -> Disturbed:
    return Disturbed(
        pipeline, tmp_path, size=9, workload=workload["one by one"], tolerated_failure_percentage=100, batch_size=3
    )


def test_items_keep_their_index_and_seed(disturbed: Disturbed) -> None:
    expected = json.loads(disturbed.first(set()).output["result"])
    again = disturbed.next(disturbed.first({1, 2, 7}), set())
    assert [output["parts"][0]["result"] for output in (child.output for child in again.children)] == [
        json.dumps([expected[index]], separators=(",", ":")) for index in (1, 2, 7)
    ]


def test_error_of_an_item_names_its_index_in_the_first_run(disturbed: Disturbed) -> None:
    again = disturbed.next(disturbed.first({1, 2, 7}), {7})
    failed = json.loads(again.text("failed.jsonl"))
    assert (failed["index"], failed["error_type"]) == (7, "ValueError")
    assert failed["message"].startswith("7 is bad (made_")
    assert again.output["failed_items"]["first"] == [7]
    assert (again.output["complete"], again.output["count"], again.output["failed"]) == (False, 8, 1)


def test_percentage_is_of_all_items_of_the_first_run(disturbed: Disturbed) -> None:
    run = disturbed.first({1, 2, 7}, tolerated_failure_percentage=20)
    assert run.error.startswith("3 of 9 items failed, 20 % are tolerated")
    again = disturbed.next(run, {7})
    assert again.state["run"]["tolerated_failure_count"] == 1
    assert again.output["failed"] == 1
    assert disturbed.next(run, {1, 7}).error.startswith("2 of 9 items failed, 20 % are tolerated; first of them 1, 7")


def test_runs_that_complete_each_other_share_the_blocks_that_are_kept_in_memory(
    disturbed: Disturbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[reduction.Blocks] = []

    def make(bucket: str) -> reduction.Blocks:
        made.append(reduction.Blocks(bucket))
        return made[-1]

    expected = disturbed.first(set())
    run = disturbed.next(disturbed.first({1, 2, 7}), {2, 7})
    monkeypatch.setattr(reduction, "BLOCK_BYTES", 50)
    monkeypatch.setattr(reduction, "MAX_BLOCKS", 2)
    monkeypatch.setattr(chain, "Blocks", make)
    assert whole(disturbed.next(run, set())) == whole(expected)
    assert [blocks.read.cache_info().currsize for blocks in made] == [2]


def test_batches_that_take_several_windows_and_invocations_keep_their_indexes(
    disturbed: Disturbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_items, "WINDOW_BYTES", 40)
    bad = {0, 2, 3, 4, 8}
    run = disturbed.first(bad)
    again = disturbed.pipeline(redrive_of=run.name, batch_size=5)
    disturbed.bad.write_text("[]")
    again.start()
    [child] = again.map(seconds=0.001)
    assert child.invocations > 1
    again.write_results()
    again.output = again.sum()
    assert whole(again) == whole(disturbed.first(set()))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ([2, 7, 8], errors.OverlappingResultsError, "item 8 is computed by run .*, and has its result in run"),
        ([2, 4, 7], errors.OverlappingResultsError, "item 4 is computed by run .*, and has its result in run"),
        ([2, 8], errors.MissingResultsError, "item 7 failed in run .*, and run .* does not compute it"),
        ([7], errors.MissingResultsError, "item 2 failed in run .*, and run .* does not compute it"),
        ([2], errors.MissingResultsError, "item 7 failed in run .*, and run .* does not compute it"),
    ],
)
def test_sum_refuses_a_run_that_does_not_compute_just_what_had_failed(
    disturbed: Disturbed, change: list[int], error: type[Exception], message: str
) -> None:
    run = disturbed.first({2, 7})
    lines = "".join(
        json.dumps({"index": index, "error_type": "a lie", "message": "", "traceback": ""}) + "\n" for index in change
    )
    run.s3.put_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/failed.jsonl", Body=lines.encode())
    with pytest.raises(error, match=message):
        disturbed.next(run, set())


def test_sum_refuses_a_run_of_other_params(disturbed: Disturbed) -> None:
    run = disturbed.first({2, 7})
    again = disturbed.next(run, set())
    settings_ = runs.read_settings(again.BUCKET, again.name)
    replace(settings_, params={}).write(again.BUCKET)
    runs.read_settings.cache_clear()
    with pytest.raises(errors.ResultFileError, match=f"run {again.name} has another .* params than {run.name}"):
        again.sum()


@pytest.mark.parametrize(
    "line", [b"5", b"{}", b'{"index":"1"}', b'{"index":true}', b'{"index":1,"more":2}', b"{", b"\xff"]
)
def test_line_that_is_no_indexed_item_is_named(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - several kinds, all of them this one
        indexed_items.read_line(line)


def test_item_of_the_most_bytes_is_redriven(pipeline: Any, make_workload: Any, tmp_path: Path) -> None:
    name = make_workload(
        FAILING + "def compute(item, params, index):\n    check(index, params)\n    return len(item)\n"
    )
    item = "x" * (MAX_ITEM_BYTES - 3)
    disturbed = Disturbed(pipeline, tmp_path, items=[item], workload=name, tolerated_failure_percentage=100)
    assert disturbed.next(disturbed.first({0}), set()).output["result"] == f"[{len(item)}]"


def test_result_of_none_is_no_missing_result(pipeline: Any, workload: dict[str, str], tmp_path: Path) -> None:
    disturbed = Disturbed(
        pipeline, tmp_path, size=3, workload=workload["stored"], tolerated_failure_percentage=100, batch_size=3
    )
    again = disturbed.next(disturbed.first({1}), {1})
    assert json.loads(again.output["result"])[:2] == [None, None]
    assert (again.output["count"], again.output["failed"]) == (2, 1)
