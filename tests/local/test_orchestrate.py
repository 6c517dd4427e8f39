"""`hpc orchestrate` as a person types it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hpc_commands import digits, key_total, result_of
from job_commands import arguments

from hpc.cli.main import main

SEED = {"input": {"entries": [{"name": "invoke1"}, {"name": "invoke2"}]}}
BACK_ENDS = ("lambda", "batch", "batch_callback")


@pytest.fixture(autouse=True, scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HPC_HOME", str(tmp_path_factory.mktemp("home")))
        yield


def orchestrate(capture: pytest.CaptureFixture[str], entries: Any, *options: str) -> subprocess.CompletedProcess[str]:
    given = entries if isinstance(entries, str) else json.dumps(entries)
    code = main(arguments("orchestrate", "--entries", given, *options))
    shown = capture.readouterr()
    return subprocess.CompletedProcess([], code, shown.out, shown.err)


def test_sample_payload_of_the_seed_succeeds_with_three_totals_an_entry(capsys: pytest.CaptureFixture[str]) -> None:
    done = orchestrate(capsys, SEED, "--output", "json")
    result = result_of(done)
    assert done.returncode == 0
    assert result["status"] == "SUCCEEDED"
    expected = {back_end: {"total": digits(key_total(16))} for back_end in BACK_ENDS}
    assert [entry["name"] for entry in result["entries"]] == ["invoke1", "invoke2"]
    for entry in result["entries"]:
        assert (entry["agree"], entry["count"], entry["totals"]) == (True, 16, expected)


def test_entries_of_a_file_have_sizes_and_workloads_of_their_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    entries = [{"name": "none", "size": 0}, {"name": "one", "size": 1}, {"name": "s", "size": 9, "workload": "squares"}]
    (tmp_path / "entries.json").write_text(json.dumps(entries))
    done = orchestrate(capsys, f"@{tmp_path / 'entries.json'}")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line.startswith(" ")][:3] == [
        "none: agree, 0 items",
        "one: agree, 1 items",
        "s: agree, 9 items",
    ]
    shown = [line.split() for line in lines if line.startswith(" ")]
    assert shown == [[back_end, total] for total in ("0", "1", "204") for back_end in BACK_ENDS]


def test_long_total_is_named_by_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    done = orchestrate(capsys, [{"name": "long", "size": 5_000}], "--output", "json")
    assert done.returncode == 0
    ((entry),) = result_of(done)["entries"]
    assert {total["sha256"] for total in entry["totals"].values()} == {entry["totals"]["lambda"]["sha256"]}
    assert all(total["total_file"].startswith("s3://") for total in entry["totals"].values())


def test_entry_told_to_fail_shows_its_error_and_cause_at_the_top(capsys: pytest.CaptureFixture[str]) -> None:
    done = orchestrate(capsys, [{"name": "good"}, {"name": "bad", "fail": "no more paper"}], "--output", "json")
    assert done.returncode == 1
    result = result_of(done)
    assert (result["status"], result["error"]) == ("FAILED", "FailureRequestedError")
    assert result["cause"] == "entry bad failed: no more paper"
    failed = [line for line in done.stderr.splitlines() if "FAILED" in line]
    assert failed[0].endswith("FailureRequestedError: entry bad failed: no more paper")


def test_entry_whose_run_fails_shows_why_at_the_top(capsys: pytest.CaptureFixture[str]) -> None:
    done = orchestrate(capsys, [{"name": "bad", "workload": "nosuch"}])
    assert done.returncode == 1
    [failed] = [line for line in done.stderr.splitlines() if "FAILED" in line]
    assert ": InvalidInputError: workload must be one of " in failed
    assert failed.endswith(', got "nosuch"')
    last = done.stderr.splitlines()[-1]
    assert last.startswith("next: hpc status ")
    assert " | hpc report " in last
    assert " | hpc failures " in last


def test_no_entries_are_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    done = orchestrate(capsys, [])
    assert done.returncode == 0
    assert done.stdout.startswith("0 of 0 entries agree")


@pytest.mark.parametrize(
    "entries", ["{}", '{"input": {}}', '{"input": {"entries": [1]}}', "[[]]", "x", "@no-such-file"]
)
def test_entries_that_are_none_start_nothing(capsys: pytest.CaptureFixture[str], entries: str) -> None:
    done = orchestrate(capsys, entries)
    assert done.returncode == 2
    assert done.stderr.startswith("hpc orchestrate: --entries")


def test_entries_that_wait_for_their_turn_agree_each_with_its_own_total(capsys: pytest.CaptureFixture[str]) -> None:
    """Ten, where two at a time are computed."""
    done = orchestrate(capsys, [{"name": f"entry{size}", "size": size} for size in range(10)], "--output", "json")
    assert done.returncode == 0
    entries = result_of(done)["entries"]
    assert [entry["name"] for entry in entries] == [f"entry{size}" for size in range(10)]
    for size, entry in enumerate(entries):
        assert entry["totals"] == {back_end: {"total": digits(key_total(size))} for back_end in BACK_ENDS}
