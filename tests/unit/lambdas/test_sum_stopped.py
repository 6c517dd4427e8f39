"""A run on what is left of one that ended before its Sum: its result is the whole result."""

import json
from pathlib import Path
from typing import Any

import pytest
from disturbed_runs import ONE_BY_ONE, SOURCES, Disturbed, whole
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdas.run_files import errors


@pytest.fixture(scope="module")
def workload(make_workload: Any) -> dict[str, str]:
    return {name: make_workload(source) for name, source in SOURCES.items()}


@settings(max_examples=25, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    source=st.sampled_from(sorted(SOURCES)),
    is_range=st.booleans(),
    count=st.integers(1, 14),
    batch_sizes=st.lists(st.integers(1, 5), min_size=3, max_size=3),
    tolerance=st.sampled_from([0, 50, 100]),
    bad=st.sets(st.integers(0, 13)),
    lost=st.sets(st.integers(0, 3)),
    never_begun=st.sets(st.integers(0, 6)),
    still_bad=st.sets(st.integers(0, 13)),
)
def test_result_is_that_of_a_run_that_came_to_its_end(
    pipeline: Any,
    workload: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    source: str,
    is_range: bool,
    count: int,
    batch_sizes: list[int],
    tolerance: int,
    bad: set[int],
    lost: set[int],
    never_begun: set[int],
    still_bad: set[int],
) -> None:
    items = {"size": count} if is_range else {"items": [{"n": str(index)} for index in range(count)]}
    disturbed = Disturbed(
        pipeline,
        tmp_path_factory.getbasetemp(),
        workload=workload[source],
        tolerated_failure_percentage=tolerance,
        **items,
    )
    expected = disturbed.first(set(), batch_size=batch_sizes[0])
    run = disturbed.stopped(bad, lost, never_begun, batch_size=batch_sizes[0])
    succeeded = [child.output for child in run.children if not child.error]
    computed = {
        index
        for output in succeeded
        for index in range(output["first"], output["first"] + output["count"])
        if tolerance == 0 or index not in bad
    }
    left = sorted(set(range(count)) - computed)
    if not left:
        with pytest.raises(errors.InvalidInputError, match="has none"):
            disturbed.next(run, set())
        return
    again = disturbed.stopped(still_bad, of=run, batch_size=batch_sizes[1])
    assert [json.loads(line)["index"] for line in again.text("items.jsonl").splitlines()] == left
    if any(child.error or any("failed" in part for part in child.output["parts"]) for child in again.children):
        again = disturbed.next(again, set(), batch_size=batch_sizes[2])
        assert whole(again) == whole(expected)
        return
    again.output = again.sum()
    assert whole(again) == whole(expected)


@pytest.fixture
def disturbed(pipeline: Any, make_workload: Any, tmp_path: Path) -> Disturbed:
    return Disturbed(pipeline, tmp_path, size=9, workload=make_workload(ONE_BY_ONE), batch_size=3)


def error_of(disturbed: Disturbed, **execution_input: Any) -> str:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - which one is what the caller asserts
        disturbed.pipeline(**execution_input).start()
    return f"{type(raised.value).__name__}: {raised.value}"


def test_manifest_of_the_last_redrive_is_what_counts(disturbed: Disturbed) -> None:
    expected = disturbed.first(set())
    run = disturbed.stopped({1, 7})
    folder = f"runs/{run.name}/map/{run.name}"
    before = run.text(f"map/{run.name}/manifest.json").encode()
    # The redrives compute the last batch, and then again not the first.
    disturbed.bad.write_text("[1]")
    run.children, run.files = run.map()[-1:], json.loads(before)["ResultFiles"]
    run.write_results()
    last = run.text(f"map/{run.name}/manifest.json").encode()
    for key, body in (("Redrive-9/", before), ("Redrive-10/", last), ("", before), ("Redrive-x/", b"{}")):
        run.s3.put_object(Bucket=run.BUCKET, Key=f"{folder}/{key}manifest.json", Body=body)
    done = disturbed.next(run, set())
    assert [json.loads(line)["index"] for line in done.text("items.jsonl").splitlines()] == [0, 1, 2]
    assert whole(done) == whole(expected)


def test_run_that_left_no_manifest_is_refused_because_it_may_go_on(disturbed: Disturbed) -> None:
    run = disturbed.stopped({1})
    run.s3.delete_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/map/{run.name}/manifest.json")
    assert error_of(disturbed, redrive_of=run.name).startswith(
        f"InvalidInputError: redrive_of must be a run that came to Sum, or whose Map Run has ended, got {run.name}: "
    )


def test_manifest_that_is_none_is_named(disturbed: Disturbed) -> None:
    run = disturbed.stopped({1})
    run.s3.put_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/map/{run.name}/manifest.json", Body=b"[]")
    message = error_of(disturbed, redrive_of=run.name)
    assert message.startswith("ResultFileError: manifest s3://")
    assert "does not have the shape of a manifest" in message


def test_only_finish_of_a_run_that_did_not_come_to_sum_is_refused(disturbed: Disturbed) -> None:
    run = disturbed.stopped({1})
    message = f"InvalidInputError: only_finish needs a run that came to Sum, {run.name} ended before"
    assert error_of(disturbed, redrive_of=run.name, only_finish=True) == message


def test_run_that_was_redriven_meanwhile_does_not_change_what_the_new_run_counts_on(disturbed: Disturbed) -> None:
    expected = disturbed.first(set())
    run = disturbed.stopped({1})
    again = disturbed.stopped(set(), of=run)
    # The first run is redriven: there are records of its own Sum now, and another manifest.
    for file in ("records.json", f"map/{run.name}/Redrive-1/manifest.json"):
        run.s3.put_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/{file}", Body=b"{}")
    again.output = again.sum()
    assert whole(again) == whole(expected)


def test_result_files_that_say_less_than_before_are_no_gap_that_goes_unseen(disturbed: Disturbed) -> None:
    run = disturbed.stopped({1})
    again = disturbed.stopped(set(), of=run)
    run.files["SUCCEEDED"] = []
    run.write_manifest()
    with pytest.raises(errors.MissingResultsError, match=f"item 3 failed in run {run.name}, and run"):
        again.sum()
