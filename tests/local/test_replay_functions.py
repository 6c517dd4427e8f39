"""`hpc replay RUN combine` and `hpc replay RUN finish`: what raised is called again, plainly or under the debugger."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hpc_commands import call_with, environment, result_of
from job_commands import assembly

SOURCE = """
def compute(item):
    return {"n": item}


def combine(a, b):
    n = a["n"] + b["n"]
    if n in BAD:
        raise ValueError(f"n is {n}")
    return {"n": n}


def finish(result, params):
    share = result["n"] / params["count"]
    return [share]
"""
HPC = Path(sys.executable).with_name("hpc")


class Replays:
    """Runs of a workload whose ``combine`` raises at some sums, and whose ``finish`` raises without a count."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capture = capture

    def run(self, *options: str, bad: tuple[int, ...] = (), count: int = 1, source: str = SOURCE) -> str:
        """Return the standard error of a run."""
        workload = self.folder / "adding.py"
        workload.write_text(f"BAD = {bad}\n{source}")
        given = ("--workload", str(workload), "--params", json.dumps({"count": count}), "--assembly", str(assembly()))
        return call_with(self.capture, "run", *given, *options).stderr

    def replay(self, function: str, *options: str) -> subprocess.CompletedProcess[str]:
        return call_with(self.capture, "replay", "latest", function, *options)

    def debug(self, function: str, commands: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [HPC, "replay", "latest", function, "--debug"],
            env=environment(self.folder / "home"),
            input=commands,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def files(self) -> dict[str, bytes]:
        place = self.folder / "home" / "s3"
        return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


@pytest.fixture
def replays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Replays:
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "home"))
    return Replays(tmp_path, capfd)


def test_finish_that_raised_is_named_and_called_once_more(replays: Replays) -> None:
    shown = replays.run("--size", "10", "--batch-size", "3", count=0)
    assert "ZeroDivisionError: division by zero (adding.py:15 in finish)" in shown
    assert " finish | hpc redrive " in shown.splitlines()[-1]
    before = replays.files()
    done = replays.replay("finish")
    assert (done.returncode, done.stdout) == (1, "")
    assert "line 15, in finish" in done.stderr
    assert done.stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"
    assert replays.replay("combine").stdout == '{"n":45}\n'
    assert replays.files() == before


def test_finish_that_was_mended_is_tried_before_it_is_redriven(replays: Replays) -> None:
    replays.run("--size", "10", count=0)
    mended = replays.folder / "mended" / "adding.py"
    mended.parent.mkdir()
    mended.write_text("BAD = ()\n" + SOURCE.replace('params["count"]', "10"))
    done = replays.replay("finish", "--workload", str(mended))
    assert (done.returncode, done.stdout) == (0, "[4.5]\n")
    assert "WorkloadChangedError: workload adding has changed since the run was started" in done.stderr


def test_finish_without_combine_gets_all_results_in_order(replays: Replays) -> None:
    source = "def compute(item): return item * item\ndef finish(results): return list(results)[::-1]\n"
    replays.run("--size", "5", "--batch-size", "2", source=source)
    assert replays.replay("finish").stdout == "[16,9,4,1,0]\n"


@pytest.mark.parametrize("back_end", ["lambda", "batch", "batch_callback"])
def test_combine_that_raised_in_a_batch_is_called_with_the_same_items(replays: Replays, back_end: str) -> None:
    # 3 + 4 + 5 is the second batch of three items.
    shown = replays.run("--size", "9", "--batch-size", "3", "--back-end", back_end, bad=(12,))
    assert "combine raised at item 5: ValueError: n is 12 (adding.py:10 in combine)" in shown
    assert " combine | hpc redrive " in shown.splitlines()[-1]
    before = replays.files()
    done = replays.replay("combine")
    assert (done.returncode, done.stdout) == (1, "")
    assert "line 10, in combine" in done.stderr
    assert done.stderr.splitlines()[-1] == "ValueError: n is 12"
    assert replays.files() == before
    if back_end == "lambda":
        done = replays.replay("finish")
        assert (done.returncode, done.stdout) == (2, "")
        assert "did not come to its finish: items have no result yet" in done.stderr


def test_combine_that_raised_in_sum_is_called_with_the_results_of_batches(replays: Replays) -> None:
    shown = replays.run("--size", "9", "--batch-size", "3", bad=(36,))
    assert "combine raised at items " in shown
    done = replays.replay("combine")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ValueError: n is 36"


def test_combine_that_does_not_commute_says_so_once_more(replays: Replays) -> None:
    source = "def compute(item): return item\ndef combine(a, b): return a - b\n"
    replays.run("--size", "4", source=source)
    done = replays.replay("combine")
    assert done.returncode == 1
    assert done.stderr.startswith("WorkloadError: combine(a, b) must be combine(b, a), ")


def test_debugger_stops_in_the_call_that_raises(replays: Replays) -> None:
    replays.run("--size", "9", "--batch-size", "9", bad=(15,))
    done = replays.debug("combine", 'p a["n"], b["n"]\nc\n')
    assert "(10, 5)" in done.stdout
    assert done.returncode == 1
    left = replays.debug("combine", "q\n")
    assert left.returncode == 130
    assert "Traceback" not in left.stderr


def test_debugger_stops_in_finish(replays: Replays) -> None:
    replays.run("--size", "4", count=0)
    done = replays.debug("finish", "p params\nc\n")
    assert "{'count': 0}" in done.stdout
    assert done.returncode == 1
    assert replays.debug("finish", "q\n").returncode == 130


def test_function_that_the_workload_has_not_is_named(replays: Replays) -> None:
    replays.run("--size", "4", source="def compute(item): return item\n")
    for function in ("combine", "finish"):
        done = replays.replay(function)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"workload adding has no {function}" in done.stderr
    assert replays.replay("compute").returncode == 2


def test_results_of_a_redrive_and_of_the_run_before_it_are_combined(replays: Replays) -> None:
    source = SOURCE.replace(
        'return {"n": item}', 'return {"n": item if params.get("count") != 2 or item != 4 else 1 // 0}'
    )
    source = source.replace("compute(item)", "compute(item, params)").replace('params["count"]', 'params["none"]')
    replays.run("--size", "6", "--batch-size", "2", "--tolerated-failure-percentage", "50", count=2, source=source)
    done = replays.replay("combine")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"n": 11})
    assert result_of(call_with(replays.capture, "result", "--output", "json"))["error"] == "WorkloadError"
