"""Laws of Distributed Maps: whatever the items, batches, failures and tolerances, every item ends in one file."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from state_machines import BUCKET, Home, open_home

_FAILURE = {"Type": "Fail", "Error": "Bad"}
_PASS = {"Type": "Pass", "End": True}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with open_home(tmp_path_factory.mktemp("home")) as opened:
        # the first JSONata expression raises the recursion limit, which hypothesis takes amiss in the midst of a test
        opened.run(_definition({}, 1, {}), [{"fail": False}])
        yield opened


def _definition(batcher: dict[str, int], concurrency: int, tolerance: dict[str, float]) -> dict[str, Any]:
    condition = "{% $exists($states.input.Items[fail]) %}" if batcher else "{% $states.input.fail %}"
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Judge",
        "States": {
            "Judge": {
                "Type": "Choice",
                "QueryLanguage": "JSONata",
                "Choices": [{"Condition": condition, "Next": "Refuse"}],
                "Default": "Accept",
            },
            "Refuse": _FAILURE,
            "Accept": _PASS,
        },
    }
    writer = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": BUCKET, "Prefix": "results"}}
    state = {
        "Type": "Map",
        "ItemProcessor": processor,
        "MaxConcurrency": concurrency,
        "ResultWriter": writer,
        "End": True,
        **tolerance,
        **({"ItemBatcher": batcher} if batcher else {}),
    }
    return {"StartAt": "Map", "States": {"Map": state}}


def _files(home: Home, map_run_arn: str) -> dict[str, list[list[dict[str, Any]]]]:
    """Return the items of every record, by the file's status."""
    folder = f"results/{map_run_arn.rsplit(':', 1)[-1]}"
    manifest = json.loads(home.read(f"{folder}/manifest.json"))
    return {
        status: [_items(record) for entry in entries for record in json.loads(home.read(entry["Key"]))]
        for status, entries in manifest["ResultFiles"].items()
    }


def _items(record: dict[str, Any]) -> list[dict[str, Any]]:
    given = json.loads(record["Input"])
    items: list[dict[str, Any]] = given.get("Items", [given])
    return items


_BATCHERS = st.one_of(
    st.just({}),
    st.fixed_dictionaries({}, optional={"MaxItemsPerBatch": st.integers(1, 5), "MaxInputBytesPerBatch": st.just(90)}),
)
_TOLERANCES = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"ToleratedFailureCount": st.integers(1, 6)}),
    st.fixed_dictionaries({"ToleratedFailurePercentage": st.integers(1, 100)}),
)


def _is_exceeded(failed: int, total: int, tolerance: dict[str, float]) -> bool:
    if "ToleratedFailureCount" in tolerance:
        return failed > tolerance["ToleratedFailureCount"]
    return failed * 100 > tolerance.get("ToleratedFailurePercentage", 0) * total


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fails=st.lists(st.booleans(), max_size=14),
    batcher=_BATCHERS,
    concurrency=st.integers(1, 6),
    tolerance=_TOLERANCES,
)
def test_every_item_of_a_map_run_stands_in_one_result_file_and_is_counted_there(
    home: Home, fails: list[bool], batcher: dict[str, int], concurrency: int, tolerance: dict[str, float]
) -> None:
    items = [{"index": index, "fail": fail} for index, fail in enumerate(fails)]
    row = home.run(_definition(batcher, concurrency, tolerance), items)
    map_run = home.map_run(row.arn)
    files = _files(home, map_run["mapRunArn"])

    written = [item["index"] for batches in files.values() for batch in batches for item in batch]
    assert sorted(written) == list(range(len(items)))
    assert all(any(item["fail"] for item in batch) for batch in files["FAILED"])
    assert not any(item["fail"] for batch in files["SUCCEEDED"] for item in batch)

    failed = sum(map(len, files["FAILED"]))
    assert (row.status == "FAILED") == _is_exceeded(failed, len(items), tolerance)
    assert map_run["status"] == row.status
    assert not (row.status == "SUCCEEDED" and files["PENDING"])
    for counts, of in ((map_run["itemCounts"], len), (map_run["executionCounts"], lambda _batch: 1)):
        sizes = Counter({status: sum(map(of, batches)) for status, batches in files.items()})
        assert (counts["succeeded"], counts["failed"], counts["pending"]) == (
            sizes["SUCCEEDED"],
            sizes["FAILED"],
            sizes["PENDING"],
        )
        assert counts["total"] == sum(sizes.values())
        assert counts["running"] == 0


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=st.lists(st.text(max_size=30), max_size=20), most=st.integers(1, 6), size=st.integers(60, 400))
def test_batches_keep_the_order_of_items_and_both_limits(home: Home, items: list[str], most: int, size: int) -> None:
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
        "StartAt": "Accept",
        "States": {"Accept": _PASS},
    }
    batcher = {"MaxItemsPerBatch": most, "MaxInputBytesPerBatch": size, "BatchInput": {"tag": "t"}}
    state = {"Type": "Map", "ItemProcessor": processor, "ItemBatcher": batcher, "End": True}
    row = home.run({"StartAt": "Map", "States": {"Map": state}}, items)
    batches = json.loads(row.output)
    assert [item for batch in batches for item in batch["Items"]] == items
    for batch in batches:
        assert 1 <= len(batch["Items"]) <= most
        assert (
            len(batch["Items"]) == 1
            or len(json.dumps(batch, ensure_ascii=False, separators=(",", ":")).encode()) <= size
        )
