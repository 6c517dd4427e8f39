"""Start of a run on the failed items of another: what it refuses before anything is computed."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from disturbed_runs import ONE_BY_ONE, Disturbed

from lambdas import workloads
from lambdas.results import chain
from lambdas.run_files import runs


@pytest.fixture
def disturbed(pipeline: Any, make_workload: Any, tmp_path: Path) -> Disturbed:
    return Disturbed(
        pipeline, tmp_path, size=9, workload=make_workload(ONE_BY_ONE), tolerated_failure_percentage=100, batch_size=3
    )


def error_of_start(disturbed: Disturbed, name: str) -> str:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - which one is what the caller asserts
        disturbed.pipeline(redrive_of=name).start()
    return f"{type(raised.value).__name__}: {raised.value}"


def test_complete_run_is_refused(disturbed: Disturbed) -> None:
    run = disturbed.first(set())
    message = f"InvalidInputError: redrive_of must be a run with failed items, {run.name} has none"
    assert re.match(message, error_of_start(disturbed, run.name))


def test_run_that_does_not_exist_is_refused(disturbed: Disturbed) -> None:
    assert re.match(
        "InvalidInputError: redrive_of .*got nobody: .*run.json is missing", error_of_start(disturbed, "nobody")
    )


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("map/{name}/manifest.json", "InvalidInputError: .*manifest.json is missing"),
        ("map/{name}/SUCCEEDED_0.json", "ResultFileError: 1 of 1 result files of run .* are gone, .*SUCCEEDED_0.json"),
        ("failed.jsonl", "StorageAccessError: .*failed.jsonl is missing"),
        ("run.json", "InvalidInputError: .*run.json is missing"),
        ("batches.jsonl", "StorageAccessError: .*batches.jsonl is missing"),
    ],
)
def test_run_whose_files_are_gone_is_refused_before_anything_is_computed(
    disturbed: Disturbed, file: str, message: str
) -> None:
    run = disturbed.first({4})
    runs.read_settings.cache_clear()
    run.s3.delete_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/{file.format(name=run.name)}")
    assert re.match(message, error_of_start(disturbed, run.name))


def test_first_run_of_a_chain_is_looked_for_as_well(disturbed: Disturbed) -> None:
    run = disturbed.first({4, 5})
    again = disturbed.next(run, {4})
    run.s3.delete_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/map/{run.name}/SUCCEEDED_0.json")
    assert f"result files of run {run.name} are gone" in error_of_start(disturbed, again.name)


def test_workload_that_changed_is_refused(disturbed: Disturbed, pipeline: Any, make_workload: Any) -> None:
    run = disturbed.first({4})
    loaded = workloads.load(run.execution_input["workload"])
    file = Path(sys.modules[f"lambdas.workloads.{loaded.name}"].__file__ or "")
    source = file.read_text()
    try:
        file.write_text(source + "# mended\n")
        workloads.load_unchanged.cache_clear()
        assert error_of_start(disturbed, run.name).startswith(
            f"WorkloadChangedError: workload {loaded.name} has changed"
        )
    finally:
        file.write_text(source)
        workloads.load_unchanged.cache_clear()


def test_chain_has_an_end(disturbed: Disturbed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "MAX_RUNS", 2)
    again = disturbed.next(disturbed.first({4}), {4})
    message = f"InvalidInputError: run {again.name} is the last of 2 runs that complete each other: start a new one"
    assert error_of_start(disturbed, again.name) == message


@pytest.mark.parametrize(
    ("indexes", "message"),
    [
        ([7, 2], "line 2 of .*failed.jsonl is broken: .*an index must be an integer over 7"),
        ([2, 2], "line 2 of .*failed.jsonl is broken: .*an index must be an integer over 2"),
        ([2, True], "line 2 of .*failed.jsonl is broken: .*an index must be an integer"),
        ([2, "7"], "line 2 of .*failed.jsonl is broken: .*an index must be an integer"),
        ([2, 9], "item 9 failed in run .*, and is no item of it"),
        ([], "redrive_of must be a run with failed items, .* has none"),
    ],
)
def test_list_of_failed_items_that_can_not_be_true_is_named(
    disturbed: Disturbed, indexes: list[Any], message: str
) -> None:
    run = disturbed.first({2, 7})
    lines = "".join(json.dumps({"index": index}) + "\n" for index in indexes)
    run.s3.put_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/failed.jsonl", Body=lines.encode())
    assert re.search(message, error_of_start(disturbed, run.name))
