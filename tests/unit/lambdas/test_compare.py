"""Compare: totals of three back ends that agree, or an error that names them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from lambdas import compare
from lambdas.run_files.errors import InvalidEventError, StorageAccessError, TotalsDisagreeError

BUCKET = "results-bucket"
BACK_ENDS = ("lambda", "batch", "batch_callback")


@pytest.fixture
def results(s3: Any) -> Callable[..., dict[str, Any]]:
    """Write a result a back end, and return what the state holds about it."""

    def write(*bodies: bytes, file: str = "result.json", count: int = 3) -> dict[str, Any]:
        selected = {}
        for back_end, body in zip(BACK_ENDS, bodies, strict=True):
            key = f"runs/compared/{back_end}/{file}"
            s3.put_object(Bucket=BUCKET, Key=key, Body=body)
            selected[back_end] = {"result_file": f"s3://{BUCKET}/{key}", "count": count, "failed": 0}
        return selected

    return write


def result_json(total: str) -> bytes:
    return json.dumps({"result": total, "total_sum": total, "complete": True}).encode()


def event(results: dict[str, Any], total_characters: int = 10_000) -> dict[str, Any]:
    return {"name": "invoke1", "total_characters": total_characters, "results": results}


def test_totals_that_agree_are_shown(results: Any) -> None:
    assert compare.handler(event(results(*[result_json("123")] * 3)), None) == {
        "name": "invoke1",
        "agree": True,
        "count": 3,
        "totals": {back_end: {"total": "123"} for back_end in BACK_ENDS},
    }


def test_totals_longer_than_a_state_should_hold_are_shown_by_place_and_digest(results: Any) -> None:
    output = compare.handler(event(results(*[result_json("9" * 50)] * 3), total_characters=49), None)
    assert set(output["totals"]["batch"]) == {"total_file", "sha256"}
    assert output["totals"]["batch"]["total_file"] == f"s3://{BUCKET}/runs/compared/batch/result.json"
    assert len({total["sha256"] for total in output["totals"].values()}) == 1


def test_results_that_are_no_json_text_are_compared_by_digest(results: Any) -> None:
    output = compare.handler(event(results(*[b"\x00\xff"] * 3, file="result.bin")), None)
    assert "sha256" in output["totals"]["lambda"]
    with pytest.raises(TotalsDisagreeError):
        compare.handler(event(results(b"a", b"a", b"b", file="results.jsonl")), None)


@pytest.mark.parametrize("different", range(3))
def test_totals_that_differ_are_an_error_that_names_each(results: Any, different: int) -> None:
    totals = [result_json("123")] * 3
    totals[different] = result_json("124")
    with pytest.raises(TotalsDisagreeError) as caught:
        compare.handler(event(results(*totals)), None)
    assert "entry invoke1 has different totals: lambda 3 items, sha256 " in str(caught.value)
    assert all(f"runs/compared/{back_end}/result.json" in str(caught.value) for back_end in BACK_ENDS)


def test_counts_that_differ_are_an_error(results: Any) -> None:
    given = results(*[result_json("123")] * 3)
    given["batch"]["count"] = 2
    with pytest.raises(TotalsDisagreeError, match="batch 2 items"):
        compare.handler(event(given), None)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {},
        {"name": "a", "total_characters": 1, "results": {"lambda": {}}},
        event({back_end: {"result_file": "s3://other/runs/x/result.json", "count": 1} for back_end in BACK_ENDS}),
        event({back_end: {"result_file": f"s3://{BUCKET}/uploads/result.json", "count": 1} for back_end in BACK_ENDS}),
        event({back_end: {"result_file": 5, "count": 1} for back_end in BACK_ENDS}),
    ],
)
def test_other_events_are_refused(s3: Any, wrong: Any) -> None:
    with pytest.raises(InvalidEventError, match=r"^(compare takes|a result must be in s3://results-bucket/runs/)"):
        compare.handler(wrong, None)


def test_result_that_is_not_there_is_named(results: Any, s3: Any) -> None:
    given = results(*[result_json("123")] * 3)
    s3.delete_object(Bucket=BUCKET, Key="runs/compared/batch/result.json")
    with pytest.raises(StorageAccessError, match=r"runs/compared/batch/result\.json is missing"):
        compare.handler(event(given), None)
