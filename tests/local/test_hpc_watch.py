"""Commands that look at runs: one run that succeeded with failed items, one that failed, on a home without a server."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import draw, needs_chromium, opened
from hpc_commands import call, hpc
from sfn_local.server import LocalServer
from workload_sources import SENSITIVE

PARAMS = ["--params", '{"bad": [3, 17, 18]}', "--batch-size", "5"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Serve a home with three runs: items of a range tolerated, the same not tolerated, items of a file tolerated."""
    folder = tmp_path_factory.mktemp("watched")
    (folder / "flaky.py").write_text(SENSITIVE)
    (folder / "items.jsonl").write_text("".join(f'{{"value": {value}}}\n' for value in range(20)))
    workload = ["--workload", str(folder / "flaky.py")]
    tolerant = ["--tolerated-failure-percentage", "20"]
    for given, code in (
        (["--size", "20", *tolerant], 0),
        (["--size", "20"], 1),
        (["--items", str(folder / "items.jsonl"), *tolerant], 0),
    ):
        done = hpc(folder, "run", *given, *workload, *PARAMS)
        assert done.returncode == code, done.stderr
    # Once without a server; the tests have one, because a command that hosts its own takes a second longer.
    alone = hpc(folder, "runs", "--output", "json")
    assert len(alone.stdout.splitlines()) == 3, alone.stderr
    with LocalServer(folder, Path((folder / "last-assembly").read_text())):
        yield folder


@pytest.fixture
def runs(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> list[str]:
    """Return the names of the runs, the latest first."""
    monkeypatch.setenv("HPC_HOME", str(home))
    done = call(capfd, "runs", "--output", "json")
    return [json.loads(line)["name"] for line in done.stdout.splitlines()]


def test_runs_are_listed_the_latest_first(runs: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    listed = call(capfd, "runs").stdout.splitlines()
    assert [line.split()[:2] for line in listed] == [
        [runs[0], "PARTIAL"],
        [runs[1], "FAILED"],
        [runs[2], "PARTIAL"],
    ]
    assert len(call(capfd, "runs", "--limit", "1").stdout.splitlines()) == 1
    assert call(capfd, "runs", "--status", "FAILED").stdout.split()[0] == runs[1]


def test_result_of_the_latest_run_and_of_one_by_name_or_arn(runs: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    latest = json.loads(call(capfd, "result", "--output", "json").stdout)
    assert latest["execution_arn"].endswith(runs[0])
    assert latest["output"]["total_sum"] == str(sum(range(20)) - 38)
    named = call(capfd, "result", runs[2])
    assert "partial total 152" in named.stdout
    assert call(capfd, "result", latest["execution_arn"]).returncode == 0


def test_runs_are_told_apart(runs: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    lines = call(capfd, "runs").stdout.splitlines()
    assert lines[0].endswith(f"flaky  20 items  {sum(range(20)) - 38}")
    assert "flaky  20 items  States.ExceedToleratedFailureThreshold" in lines[1]
    latest = json.loads(call(capfd, "runs", "--limit", "1", "--output", "json").stdout)
    expected = {"workload": "flaky", "items": 20, "outcome": "152", "is_partial": True, "note": None}
    assert expected.items() <= latest.items()


@pytest.mark.parametrize(
    "command", [["status"], ["result"], ["failures"], ["logs"], ["replay"], ["stop"]], ids=" ".join
)
def test_latest_and_the_end_of_a_name_are_names(
    runs: list[str], capfd: pytest.CaptureFixture[str], command: list[str]
) -> None:
    index = ["4"] if command == ["replay"] else []
    for named, run in (("latest", runs[0]), (runs[2][-6:], runs[2])):
        done = call(capfd, *command, named, *index)
        assert done.returncode == 0, done.stderr
        if command != ["failures"]:
            assert run in done.stdout + done.stderr
    assert call(capfd, *command, "nothing-ends-so", *index).returncode == 2


def test_failure_says_what_to_do_next(runs: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    lines = call(capfd, "result", runs[1]).stderr.splitlines()
    assert re.match(r"ValueError: (3|17|18) is bad \(", lines[0])
    index = lines[-1].split(" | ")[1].split()[-1]
    assert index in ("3", "17", "18")
    assert lines[-1] == f"next: hpc failures {runs[1]} | hpc replay {runs[1]} {index} | hpc redrive {runs[1]}"


def test_partial_run_is_never_shown_as_whole(
    runs: list[str], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert "PARTIAL" in call(capfd, "status", runs[0]).stdout
    call(capfd, "report", runs[0], "-o", str(tmp_path / "report.html"))
    assert '<span class="badge PARTIAL">' in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_logs_take_run_and_index_in_the_order_of_replay(runs: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    expected = call(capfd, "logs", "3", "--run", runs[2]).stdout
    assert call(capfd, "logs", runs[2], "3").stdout == expected
    assert call(capfd, "logs", "latest", "3").stdout == call(capfd, "logs", "3").stdout
    twice = call(capfd, "logs", runs[2], "3", "--run", runs[2])
    assert (twice.returncode, twice.stdout) == (2, "")


def test_result_is_saved_to_a_new_file(runs: list[str], capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    assert call(capfd, "result", runs[0], "--save", str(file)).returncode == 0
    assert json.loads(file.read_text())
    again = call(capfd, "result", runs[0], "--save", str(file))
    assert (again.returncode, again.stdout) == (2, "")
    assert call(capfd, "result", runs[1], "--save", str(tmp_path / "none")).returncode == 1
    assert not (tmp_path / "none").exists()


def test_result_of_a_failed_run_exits_with_1(runs: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    done = call(capfd, "result", runs[1])
    assert (done.returncode, done.stdout) == (1, "")
    assert f"hpc failures {runs[1]}" in done.stderr


def test_status_of_an_ended_run_has_its_counts(runs: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    status = json.loads(call(capfd, "status", "--output", "json").stdout)
    assert (status["name"], status["status"], status["slowest"]) == (runs[0], "SUCCEEDED", [])
    assert (status["map_run"]["succeeded"], status["map_run"]["total"]) == (4, 4)
    assert status["batches_per_second"] > 0
    assert (status["usd_so_far"] > 0, status["is_charged"]) == (True, False)
    assert "if it were on AWS; nothing here" in call(capfd, "status").stdout
    failed = call(capfd, "status", runs[1]).stdout
    assert "States.ExceedToleratedFailureThreshold" in failed


def test_failures_name_each_item_with_its_input(runs: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    done = call(capfd, "failures", "--output", "json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(
        (item["index"], item["input"]["value"], item["error"], item["cause"].partition(" (")[0]) for item in found
    ) == [(bad, bad, "ValueError", f"{bad} is bad") for bad in (3, 17, 18)]
    rows = list(csv.DictReader(io.StringIO(call(capfd, "failures", runs[2], "--output", "csv").stdout)))
    assert sorted(int(row["index"]) for row in rows) == [3, 17, 18]


def test_failures_of_a_failed_run_count_what_was_not_computed(
    runs: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    done = call(capfd, "failures", runs[1])
    assert re.search("ValueError: (3|17|18) is bad", done.stdout)
    assert "not computed: their batch ended before them" in done.stdout
    assert "the run FAILED: States.ExceedToleratedFailureThreshold" in done.stdout


@pytest.mark.parametrize(("index", "code"), [(3, 1), (4, 0), (19, 0)])
def test_replay_computes_one_item_of_either_kind_of_run(
    runs: list[str], capfd: pytest.CaptureFixture[str], index: int, code: int
) -> None:
    for run in (runs[0], runs[2]):
        done = call(capfd, "replay", run, str(index))
        assert done.returncode == code
        if code:
            assert f"ValueError: {index} is bad" in done.stderr
        else:
            assert done.stdout.splitlines()[-1] == str(index)


def test_replay_of_a_changed_workload_says_so(
    runs: list[str], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "flaky.py").write_text("def compute(item):\n    return 'mended'\n")
    done = call(capfd, "replay", runs[0], "3", "--workload", str(tmp_path / "flaky.py"))
    assert (done.returncode, done.stdout) == (0, '"mended"\n')
    assert "has changed since the run" in done.stderr


def replay(home: Path, run: str, *options: str, commands: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [Path(sys.executable).with_name("hpc"), "replay", run, "4", *options],
        input=commands,
        env={"HPC_HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_replay_ends_when_the_item_is_computed_whatever_the_workload_leaves_behind(
    runs: list[str], home: Path, tmp_path: Path
) -> None:
    (tmp_path / "flaky.py").write_text(
        "import threading, time\n"
        "def compute(item):\n"
        "    print('computing', end=' ')\n"
        "    threading.Thread(target=time.sleep, args=(120,)).start()\n"
        "    return item\n"
    )
    done = replay(home, runs[2], "--workload", str(tmp_path / "flaky.py"))
    assert (done.returncode, done.stdout) == (0, "computing 4\n")


def test_replay_under_the_debugger_stops_at_the_first_line(runs: list[str], home: Path) -> None:
    done = replay(home, runs[2], "--debug", commands="p item\nc\n")
    assert done.returncode == 0, done.stderr
    assert "(Pdb) 4" in done.stdout


@pytest.mark.parametrize("commands", ["q\n", ""])
def test_replay_ends_quietly_when_the_debugger_is_left(runs: list[str], home: Path, commands: str) -> None:
    done = replay(home, runs[2], "--debug", commands=commands)
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.parametrize("index", ["20", "-1"])
def test_replay_refuses_an_item_that_the_run_does_not_have(
    runs: list[str], capfd: pytest.CaptureFixture[str], index: str
) -> None:
    done = call(capfd, "replay", runs[0], "--", index)
    assert done.returncode == 2
    assert f"0 to 19, got {index}" in done.stderr


def test_logs_hold_what_start_and_sum_said_and_those_of_an_item_what_its_batch_printed(
    runs: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    lines = call(capfd, "logs").stdout.splitlines()
    assert any("run started" in line for line in lines)
    assert any("run summed" in line for line in lines)
    printed = call(capfd, "logs", "3", "--run", runs[2]).stdout.splitlines()
    assert [line for line in printed if line.startswith("computing")] == [f"computing {item}" for item in range(5)]


@pytest.mark.parametrize("command", [("result",), ("status",), ("failures",), ("logs", "--run"), ("report",)])
def test_run_that_does_not_exist_is_named(
    runs: list[str], capfd: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    for run in ("run-1", "arn:aws:states:us-east-1:000000000000:execution:Other:run-1"):
        done = call(capfd, *command, run)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr
        assert run in done.stderr


@pytest.mark.parametrize("command", ["runs", "result", "status", "failures", "logs", "report"])
def test_home_without_runs_is_named_and_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "none"))
    done = call(capfd, command)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"nothing ran in {tmp_path / 'none'} yet" in done.stderr
    assert not (tmp_path / "none").exists()


def test_report_is_one_file_and_its_path_is_printed(
    runs: list[str], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for run in runs:
        done = call(capfd, "report", run, "-o", str(tmp_path / "report.html"))
        assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'report.html'}\n")
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert run in page
        assert re.search("ValueError: (3|17|18) is bad", page)
        assert "hpc plan says" in page
    assert list(tmp_path.iterdir()) == [tmp_path / "report.html"]


def test_report_that_cannot_be_written_is_refused(
    runs: list[str], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    done = call(capfd, "report", "-o", str(tmp_path / "missing" / "report.html"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "--out must be a file that can be written" in done.stderr


def test_report_goes_to_where_a_link_leads_and_the_link_stays(
    runs: list[str], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    link, target = tmp_path / "link.html", tmp_path / "pages" / "report.html"
    target.parent.mkdir()
    link.symlink_to(target)
    for _ in range(2):  # at first it leads to nothing
        done = call(capfd, "report", "-o", str(link))
        assert (done.returncode, done.stdout) == (0, f"{link}\n")
        assert runs[0] in target.read_text(encoding="utf-8")
    assert link.readlink() == target
    assert list(target.parent.iterdir()) == [target]
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    done = call(capfd, "report", "-o", str(tmp_path / "loop"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "--out must be a file that can be written" in done.stderr
    assert (tmp_path / "loop").is_symlink()


def test_report_is_written_to_a_pipe_which_stays_one(
    runs: list[str], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
        done = call(capfd, "report", "-o", str(pipe))
        if not pipe.is_fifo():
            reader.terminate()  # it waits for a writer that will never come
        assert (done.returncode, pipe.is_fifo()) == (0, True)
        assert runs[0] in reader.communicate()[0]


@needs_chromium
def test_report_of_a_failed_run_is_drawn_by_a_browser_without_an_error_or_a_request(
    runs: list[str], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    assert call(capfd, "report", runs[1], "-o", str(page)).returncode == 0
    drawn = draw(page, tmp_path, width_pixels=500, scheme="light", picture=tmp_path / "report.png")
    assert drawn.complaints == []
    assert drawn.width_pixels <= 500
    assert '<details id="state-2" open' in opened(page, tmp_path, "state-2")


@needs_chromium
@pytest.mark.parametrize("bad", ["<script>nothing()</script>", '<img src="http://example.com/a.png">'])
def test_browser_complains_of_a_script_that_fails_and_of_a_request(tmp_path: Path, bad: str) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<html><title>page</title><body>{bad}</body></html>")
    assert draw(page, tmp_path, width_pixels=500, scheme="light", picture=tmp_path / "picture.png").complaints
