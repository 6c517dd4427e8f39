"""`hpc redrive` of a run that came to its end with failed items: a run on those, whose result is that of all items."""

import json
import os
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from aws_commands import deployed
from hpc_commands import call_with, result_of
from job_commands import assembly
from redriven_runs import Runs, name_of

from hpc.commands import redrive
from hpc.commands.starting import open_target
from hpc.targets.client import Target
from hpc.targets.synthesis import PIPELINE, WITH_JOBS, Variant


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Runs:
    for name in [name for name in os.environ if name.startswith(("AWS_", "HPC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "home"))
    return Runs(tmp_path, capfd)


def test_failed_items_are_computed_in_runs_whose_last_result_is_the_whole_one(runs: Runs) -> None:
    runs.bad()
    expected = result_of(runs.run("--size", "12"))["output"]["result"]
    runs.bad(3, 7, 8)
    options = ("--size", "12", "--batch-size", "2", "--tolerated-failure-percentage", "50")
    first = result_of(runs.run(*options))
    assert first["output"]["failed"] == 3
    runs.bad(8)
    done = runs.redrive()
    second = result_of(done)
    assert f"started {name_of(second)} on the 3 failed items of {name_of(first)}" in done.stderr
    assert (runs.computed(), second["map_run"]["total"]) == ([3, 7, 8], 2)
    assert (second["output"]["complete"], second["output"]["failed_items"]["first"]) == (False, [8])
    shown = call_with(runs.capture, "failures", "--output", "json")
    [failure] = [json.loads(line) for line in shown.stdout.splitlines()]
    assert (failure["index"], failure["input"], failure["cause"]) == (8, 8, "8 is bad (partly.py:15 in compute)")
    runs.bad()
    third = result_of(runs.redrive(name_of(second)))
    assert runs.computed() == [8]
    assert (third["output"]["complete"], third["output"]["count"]) == (True, 12)
    assert third["output"]["result"] == expected
    replayed = call_with(runs.capture, "replay", name_of(third), "8")
    assert json.loads(replayed.stdout) == json.loads(expected)[8]
    refused = call_with(runs.capture, "replay", name_of(third), "3")
    assert (refused.returncode, "INDEX must be an item of" in refused.stderr) == (2, True)
    done = runs.redrive()
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{name_of(third)} SUCCEEDED and is complete: there is nothing to redrive" in done.stderr


def test_run_of_which_too_many_items_failed_is_completed_from_its_file(runs: Runs) -> None:
    items = runs.folder / "items.csv"
    items.write_text("name,size\n" + "".join(f"item {index},{index}\n" for index in range(9)))
    runs.bad(2, 3)
    # one batch dies with all its items
    first = runs.run(*("--items", str(items), "--batch-size", "3", "--tolerated-failure-percentage", "50"), exit=[7])
    assert first.returncode == 1
    assert "FailureToleranceExceededError: 5 of 9 items failed, 50 % are tolerated" in first.stderr
    runs.bad()
    runs.mended.touch()
    done = runs.redrive()
    output = result_of(done)["output"]
    assert "on the failed items of" in done.stderr
    assert runs.computed() == [2, 3, 6, 7, 8]
    assert (output["complete"], output["count"], output["failed"]) == (True, 9, 0)
    rows = json.loads(output["result"])
    assert [(row[0], row[2]) for row in rows] == [
        (index, {"name": f"item {index}", "size": str(index)}) for index in range(9)
    ]


@pytest.mark.parametrize("back_end", ["batch", "batch_callback"])
def test_run_on_aws_batch_is_completed_there(runs: Runs, back_end: str) -> None:
    runs.bad(1, 4)
    first = runs.run("--size", "6", "--batch-size", "2", "--back-end", back_end)
    assert "FailureToleranceExceededError: 2 of 6 items failed, 0 % are tolerated" in first.stderr
    runs.bad()
    output = result_of(runs.redrive())["output"]
    assert runs.computed() == [1, 4]
    assert [row[0] for row in json.loads(output["result"])] == list(range(6))


def test_run_on_what_failed_that_was_killed_in_start_goes_on(runs: Runs) -> None:
    runs.bad(1)
    first = result_of(runs.run("--size", "4", "--tolerated-failure-percentage", "50"))
    assert first["output"]["failed"] == 1
    runs.bad()
    runs.killed("redrive")
    done = runs.redrive()
    assert "(redrive 1)" in done.stderr
    output = result_of(done)["output"]
    assert (output["complete"], output["count"], runs.computed()) == (True, 4, [1])


def test_run_on_aws_batch_that_was_killed_in_start_goes_on_with_jobs(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    variants = []

    def opened(*given: Any, variant: Variant = PIPELINE, **options: Any) -> AbstractContextManager[Target]:
        variants.append(variant)
        return open_target(*given, variant=variant, **options)

    runs.killed("run", "--back-end", "batch", "--workload", "squares", "--size", "4")
    monkeypatch.setattr(redrive, "open_target", opened)
    assert result_of(runs.redrive())["output"]["result"] == "14"
    assert variants == [PIPELINE, WITH_JOBS]


def test_run_whose_files_are_gone_is_refused(runs: Runs) -> None:
    runs.bad(1)
    first = result_of(runs.run("--size", "4", "--batch-size", "1", "--tolerated-failure-percentage", "50"))
    [part] = Path(first["results"]).glob("map/*/SUCCEEDED_0.jsonl")
    part.unlink()
    done = runs.redrive(name_of(first))
    assert done.returncode == 1
    assert "SUCCEEDED_0.jsonl" in done.stderr
    assert runs.computed() == [0, 1, 2, 3]
    shutil.rmtree(first["results"])
    done = runs.redrive(name_of(first))
    assert done.returncode == 2
    assert f"{name_of(first)} can't be redriven: its files are gone from" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("back_end", ["lambda", "batch"])
@pytest.mark.parametrize("asked", [("failures",), ("logs", "1"), ("replay", "{run}", "1")], ids=lambda asked: asked[0])
def test_run_whose_files_are_gone_is_not_taken_for_one_without_items(
    runs: Runs, asked: tuple[str, ...], back_end: str
) -> None:
    runs.bad(1)
    failed = result_of(runs.run("--size", "4", "--back-end", back_end))
    shutil.rmtree(failed["results"])
    done = call_with(runs.capture, *(word.format(run=name_of(failed)) for word in asked))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"the files of {name_of(failed)} are gone: there is no s3://" in done.stderr


def test_report_of_a_run_whose_files_are_gone_does_not_say_that_no_item_failed(runs: Runs) -> None:
    runs.bad(1)
    shutil.rmtree(result_of(runs.run("--size", "4"))["results"])
    page = runs.folder / "report.html"
    assert call_with(runs.capture, "report", "-o", str(page)).returncode == 0
    assert "which items failed is not known" in page.read_text(encoding="utf-8")


def test_run_of_which_start_failed_has_no_failed_item(runs: Runs) -> None:
    runs.bad()
    name = name_of(result_of(runs.run("--size", "200000000")))
    done = call_with(runs.capture, "failures")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "0 items failed")
    done = call_with(runs.capture, "logs", "1")
    assert (done.returncode, done.stderr) == (2, f"hpc logs: {name} has no items: Start did not form its batches\n")


def test_run_whose_file_of_failed_items_was_emptied_is_refused_before_another_is_started(runs: Runs) -> None:
    runs.bad(1)
    first = result_of(runs.run("--size", "4", "--tolerated-failure-percentage", "50"))
    (Path(first["results"]) / "failed.jsonl").write_text("")
    done = runs.redrive()
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{name_of(first)} can't be redriven: its failed.jsonl is empty" in done.stderr
    listed = call_with(runs.capture, "runs", "--output", "json").stdout.splitlines()
    assert [json.loads(line)["name"] for line in listed] == [name_of(first)]


def test_run_on_aws_is_completed_by_another(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "items.jsonl").write_text('1\n2\n"three"\n4\n')
    with deployed(tmp_path, assembly()) as on_aws:
        options = ("--items", str(tmp_path / "items.jsonl"), "--workload", "squares", "--batch-size", "2")
        tolerant = ("--tolerated-failure-percentage", "50", "--output", "json")
        first = result_of(on_aws.call(capfd, "run", *options, *tolerant))
        done = on_aws.call(capfd, "redrive", name_of(first), "--output", "json")
    again = result_of(done)
    assert f"started {name_of(again)} on the 1 failed item of {name_of(first)}" in done.stderr
    assert (again["status"], again["map_run"]["total"]) == ("SUCCEEDED", 1)
    assert (again["output"]["result"], again["output"]["failed_items"]["first"]) == ("21", [2])
