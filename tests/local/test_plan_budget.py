"""`hpc run --aws --max-usd`, and `hpc plan --sample`, with the command, the handlers and the local server.

CloudFormation and Lambda's GetFunctionConfiguration are stand-ins that answer over HTTP the way the services do.
"""

import functools
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aws_commands import OnAws, deployed
from hpc_commands import assembly, call_with, result_of

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnAws]:
    with deployed(tmp_path_factory.mktemp("deployed"), assembly()) as stack:
        yield stack


@pytest.fixture
def on_aws(stack: OnAws, capfd: pytest.CaptureFixture[str]) -> Call:
    return functools.partial(stack.call, capfd)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Run a command over the tests' assembly, in a home of its own."""
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "home"))
    return lambda *arguments: call_with(capfd, *arguments, "--assembly", str(assembly()))


def test_run_is_refused_when_it_is_expected_to_cost_more(on_aws: Call) -> None:
    done = on_aws("run", "--size", "1000", "--workload", "squares", "--max-usd", "0.5", "--seconds", "100")
    assert (done.returncode, done.stdout) == (2, "")
    # 250 batches of 400 s at 10 GB: a million GB-s at $0.0000166667.
    assert "the run is expected to cost $16." in done.stderr
    assert "--max-usd is $0.5" in done.stderr
    assert "started" not in done.stderr


def test_run_is_refused_when_its_children_alone_cost_more(on_aws: Call) -> None:
    done = on_aws("run", "--size", "10000", "--batch-size", "1", "--workload", "squares", "--max-usd", "0.9")
    assert (done.returncode, done.stdout) == (2, "")
    # 40,003 transitions alone are a dollar.
    assert "the run costs at the least" in done.stderr


def test_run_over_a_file_of_items_is_estimated_by_its_items(on_aws: Call, tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text("1\n" * 100)
    options = ["--items", str(tmp_path / "items.jsonl"), "--workload", "squares", "--batch-size", "10"]
    done = on_aws("run", *options, "--max-usd", "0.001", "--seconds", "10")
    assert (done.returncode, done.stdout) == (2, "")
    assert "10 batches" in done.stderr
    assert "started" not in done.stderr


def test_run_of_a_number_of_items_that_only_start_knows_is_held_while_it_goes_on(on_aws: Call) -> None:
    done = on_aws("run", "--size", "6", "--workload", "n_queens", "--max-usd", "1", "--output", "json")
    assert done.returncode == 0
    assert "the number of items is not known before the start" in done.stderr
    assert result_of(done)["status"] == "SUCCEEDED"


def test_run_within_its_limit_gives_its_result(on_aws: Call) -> None:
    done = on_aws("run", "--size", "10", "--workload", "squares", "--max-usd", "1", "--output", "json")
    assert done.returncode == 0
    assert result_of(done)["output"]["total_sum"] == "285"
    assert "the run costs at the least" in done.stderr


def test_run_is_stopped_when_it_has_spent_its_limit(on_aws: Call) -> None:
    # The start alone costs about $0.0001; eight children that wait go on at $0.0013 a second.
    waiting = json.dumps({"size": 8, "workload": "rehearsal", "params": {"seconds": 100}, "batch_size": 1})
    done = on_aws("run", "--input", waiting, "--max-usd", "0.003")
    assert (done.returncode, done.stdout) == (1, "")
    assert "are spent, --max-usd is $0.003" in done.stderr
    assert "ABORTED" in done.stderr
    assert "Hpc.MaxUsdPassed" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-usd", "0"], "--max-usd must be over 0, got 0"),
        (["--max-usd", "1", "--detach"], "--max-usd can't be given with --detach"),
        (["--seconds", "1"], "--seconds needs --max-usd"),
        (["--max-usd", "1", "--back-end", "batch"], "--max-usd knows runs on AWS Lambda only, got the back end batch"),
    ],
)
def test_limit_that_would_not_hold_is_refused(on_aws: Call, options: list[str], message: str) -> None:
    done = on_aws("run", "--size", "3", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_plan_measures_a_sample_of_the_items(here: Call, tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text("".join(f"{number}\n" for number in range(500)))
    done = here(
        *("plan", "--items", str(tmp_path / "items.jsonl"), "--workload", "rehearsal", "--params", '{"seconds": 0.2}'),
        *("--sample", "4", "--output", "json"),
    )
    assert done.returncode == 0, done.stderr
    plan = result_of(done)
    seconds = plan["computation"]["seconds_per_item"]
    assert plan["computation"]["item_count"] == 500
    assert 0.2 <= seconds["expected"] < 2
    assert seconds["low"] < seconds["expected"] < seconds["high"]
    assert any(note.startswith("measured: 4 of 500 items") for note in plan["notes"])


def test_plan_tells_why_a_sample_failed(here: Call) -> None:
    done = here("plan", "--size", "3", "--workload", "rehearsal", "--params", '{"raise": [1]}', "--sample", "3")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the sample FAILED: " in done.stderr
    assert done.stderr.endswith("\n  item 1: ValueError: 1 is bad (rehearsal.py:10 in compute)\n")


def test_plan_samples_rows_of_a_file_with_a_workload_of_its_own(here: Call, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('a,b\n1,"two\nlines"\n\n2,3\n4,5\n')
    (tmp_path / "row_length.py").write_text("def compute(item):\n    return len(item['b'])\n")
    done = here(
        *("plan", "--items", str(tmp_path / "rows.csv"), "--workload", str(tmp_path / "row_length.py")),
        *("--sample", "10", "--output", "json"),
    )
    assert done.returncode == 0, done.stderr
    assert any(note.startswith("measured: 3 of 3 items") for note in result_of(done)["notes"])


@pytest.mark.parametrize("named", ["grid/", "grid/workload.py"])
def test_plan_samples_a_workload_with_a_module_beside_it(here: Call, tmp_path: Path, named: str) -> None:
    (tmp_path / "grid").mkdir()
    (tmp_path / "grid/workload.py").write_text("import beside\ndef compute(item): return beside.twice(item)\n")
    (tmp_path / "grid/beside.py").write_text("def twice(x): return 2 * x\n")
    done = here(
        *("plan", "--size", "100", "--workload", f"{tmp_path}/{named}"),
        *("--sample", "2", "--output", "json"),
    )
    assert done.returncode == 0, done.stderr
    assert any(note.startswith("measured: 2 of 100 items") for note in result_of(done)["notes"])


def test_plan_advises_the_memory_that_the_sample_used(here: Call, tmp_path: Path) -> None:
    (tmp_path / "holding.py").write_text("def compute(item):\n    return len(bytearray(1_200_000_000))\n")
    done = here(
        *("plan", "--size", "10", "--workload", str(tmp_path / "holding.py"), "--sample", "1", "--output", "json"),
    )
    assert done.returncode == 0, done.stderr
    plan = result_of(done)
    [note] = [note for note in plan["notes"] if note.startswith("measured: peak ")]
    peak = int(note.split()[2].replace(",", ""))
    assert 1_144 < peak < 1_400
    assert plan["recommended"]["design"]["memory_mib"] >= peak * 1.2
