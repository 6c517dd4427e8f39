"""`hpc redrive --back-end` and `--batch-size`: what has no result is computed elsewhere, what has one is kept."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from aws_commands import deployed
from hpc_commands import call_with, result_of
from job_commands import assembly
from redriven_runs import Runs, name_of


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Runs:
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "home"))
    return Runs(tmp_path, capfd)


def rows(done: subprocess.CompletedProcess[str]) -> list[list[Any]]:
    """Return what the items came to, of a run that has all of them."""
    output = result_of(done)["output"]
    assert (output["complete"], output["failed"], output["duplicates"]) == (True, 0, 0), output
    found: list[list[Any]] = json.loads(output["result"])
    return found


# How a run of 12 items in batches of 2 ends before its Sum, by the back end: item 7 is to blame.
ENDS: dict[str, dict[str, Any]] = {"lambda": {}, "batch": {"kill": [7]}, "batch_callback": {"kill": [7]}}


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("lambda", "batch"),
        ("lambda", "batch_callback"),
        ("batch", "lambda"),
        ("batch", "batch_callback"),
        ("batch_callback", "lambda"),
    ],
)
def test_run_that_ended_before_its_sum_goes_on_on_another_back_end(runs: Runs, first: str, then: str) -> None:
    runs.bad()
    expected = rows(runs.run("--size", "12"))
    runs.bad(*([7] if first == "lambda" else []))
    options = ("--size", "12", "--batch-size", "2", "--max-concurrency", "1", "--back-end", first)
    failed = runs.run(*options, **ENDS[first])
    assert failed.returncode == 1
    before = set(runs.computed())
    runs.forget()
    done = runs.redrive("--back-end", then)
    assert f"on the items without a result of {name_of(result_of(failed))}" in done.stderr
    # Params tell the killed run apart, and the seed is made of them: what is compared is what each item was.
    assert [(row[0], row[2]) for row in rows(done)] == [(row[0], row[2]) for row in expected]
    kept = set(range(12)) - set(runs.computed())
    # Of a job with a task token nothing counts that Step Functions has not accepted.
    assert kept <= before
    assert 7 not in kept
    assert bool(kept) == (first != "batch_callback")


def test_run_that_failed_in_its_map_goes_on_with_another_batch_size(runs: Runs) -> None:
    runs.bad(7)
    failed = runs.run("--size", "12", "--batch-size", "4", "--max-concurrency", "1")
    assert failed.returncode == 1
    runs.forget()
    done = runs.redrive("--batch-size", "1")
    assert [row[0] for row in rows(done)] == list(range(12))
    # The last batch may have succeeded before the run ended.
    assert runs.computed() in ([4, 5, 6, 7], [4, 5, 6, 7, 8, 9, 10, 11])
    assert result_of(done)["map_run"]["total"] == len(runs.computed())


def test_failed_items_that_were_tolerated_are_computed_on_another_back_end_in_other_batches(runs: Runs) -> None:
    runs.bad(3, 7, 8)
    options = ("--size", "12", "--batch-size", "12", "--tolerated-failure-percentage", "50")
    assert result_of(runs.run(*options))["output"]["failed"] == 3
    runs.forget()
    assert [row[0] for row in rows(runs.redrive("--back-end", "batch", "--batch-size", "2"))] == list(range(12))
    assert runs.computed() == [3, 7, 8]


def test_items_of_a_file_keep_their_values_and_a_run_that_fails_again_goes_on_too(runs: Runs) -> None:
    (runs.folder / "items.csv").write_text("n\n" + "".join(f"{index * index}\n" for index in range(10)))
    runs.bad(4, 6)
    given = ("--items", str(runs.folder / "items.csv"), "--batch-size", "1", "--max-concurrency", "1")
    assert runs.run(*given).returncode == 1
    runs.bad(6)
    assert runs.redrive("--batch-size", "2").returncode == 1
    runs.forget()
    done = runs.redrive("--back-end", "batch")
    assert [(row[0], row[2]) for row in rows(done)] == [(index, {"n": str(index * index)}) for index in range(10)]
    assert 0 not in runs.computed()


def test_run_that_was_redriven_and_failed_again_keeps_what_both_attempts_computed(runs: Runs) -> None:
    runs.bad(2, 5)
    assert runs.run("--size", "6", "--batch-size", "1", "--max-concurrency", "1").returncode == 1
    runs.bad(5)
    assert "(redrive 1)" in runs.redrive().stderr
    runs.forget()
    assert [row[0] for row in rows(runs.redrive("--back-end", "batch"))] == list(range(6))
    assert runs.computed() == [5]


def test_what_compute_says_of_an_item_that_is_too_long_leads_to_a_command_that_works(runs: Runs) -> None:
    runs.assembly = runs.folder / "short"
    shutil.copytree(assembly(), runs.assembly)
    template = runs.assembly / "HpcStack.template.json"
    resources = json.loads(template.read_text())
    for each in resources["Resources"].values():
        if each.get("Properties", {}).get("Handler") == "lambdas.compute.handler":
            each["Properties"]["Timeout"] = 2
    template.write_text(json.dumps(resources))
    runs.bad()
    failed = runs.run("--size", "4", "--batch-size", "2", "--max-concurrency", "1", seconds={"2": 4})
    name = name_of(result_of(failed))
    command = f"hpc redrive {name} --back-end batch"
    assert f"items this long belong on AWS Batch ({command})" in failed.stderr
    assert failed.stderr.splitlines()[-1].endswith(f"| {command}")
    runs.forget()
    assert [row[0] for row in rows(runs.redrive(*command.split()[2:]))] == [0, 1, 2, 3]
    assert runs.computed() == [2, 3]


def test_run_that_has_nothing_to_compute_elsewhere_is_refused(runs: Runs) -> None:
    runs.bad()
    runs.workload.write_text(runs.workload.read_text() + "\ndef finish(results, params):\n    raise ValueError\n")
    assert runs.run("--size", "4").returncode == 1
    refused = runs.redrive("--back-end", "batch")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "ended in Sum, when its items were computed: leave out --back-end and --batch-size" in refused.stderr
    given = ("--input", '{"size": 4, "batch_size": 0}', "--output", "json", "--assembly", str(runs.assembly))
    started = name_of(result_of(call_with(runs.capture, "run", *given)))
    refused = runs.redrive("--batch-size", "2")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"{started} ended in Start, and has no items yet: start a new run with these options" in refused.stderr
    refused = runs.redrive("--only-finish", "--batch-size", "2")
    assert (refused.returncode, refused.stdout) == (2, "")


def test_run_on_aws_that_failed_in_its_map_goes_on_on_aws_batch(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "items.jsonl").write_text('1\n2\n"three"\n4\n')
    with deployed(tmp_path, assembly()) as on_aws:
        options = ("--items", str(tmp_path / "items.jsonl"), "--workload", "squares", "--batch-size", "1")
        failed = on_aws.call(capfd, "run", *options, "--output", "json")
        assert failed.returncode == 1
        name = name_of(result_of(failed))
        done = on_aws.call(capfd, "redrive", name, "--back-end", "batch", "--output", "json")
    assert f"on the items without a result of {name}" in done.stderr
    # The item is as bad there: what is seen is that it is the only one.
    assert "FailureToleranceExceededError: 1 of 4 items failed" in done.stderr
