"""Whatever a workload answers, fails with, or prints: every command shows it, and no terminal obeys it."""

import csv
import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hpc_commands import HPC, call_with, environment, hpc
from sfn_local.server import LocalServer

FORGED = "hpc: total 42"
STEERING = "a\x1b]0;title\x07\x1b[2J\x9b2J\rb\u202ec\u2066d\u200b\u2028\x85" + f"\n{FORGED}\n"
WORKLOAD = f"""\
STEERING = {STEERING!r}


def compute(item, params):
    print("printed", STEERING)
    if item in params.get("bad", ()):
        error = ValueError(STEERING)
        error.add_note(STEERING)
        raise error from type(STEERING.encode().hex()[:3] + "Error", (Exception,), {{}})(STEERING)
    return {{"text": STEERING, "item": item}}


def combine(a, b):
    return {{"text": STEERING, "item": a["item"] + b["item"]}}


def finish(result, params):
    if params.get("fails"):
        raise RuntimeError(STEERING)
    return result
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Serve a home with runs that succeeded, succeeded in part, failed at an item and failed in finish."""
    folder = tmp_path_factory.mktemp("printing")
    (folder / "steering.py").write_text(WORKLOAD)
    workload = ["run", "--size", "6", "--workload", str(folder / "steering.py"), "--params"]
    tolerant = ["--tolerated-failure-percentage", "50"]
    for given, code in (
        (["{}"], 0),
        (['{"bad": [2]}', *tolerant], 0),
        (['{"bad": [2]}'], 1),
        (['{"fails": true}'], 1),
    ):
        done = hpc(folder, *workload, *given)
        assert done.returncode == code, done.stderr
        check(done)
    with LocalServer(folder, Path((folder / "last-assembly").read_text())):
        yield folder


@pytest.fixture(scope="module")
def names(home: Path) -> list[str]:
    """Return the names of the runs in the order in which they were started."""
    listed = hpc(home, "runs", "--output", "json").stdout.splitlines()
    return [json.loads(line)["name"] for line in reversed(listed)]


@pytest.fixture
def here(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> pytest.CaptureFixture[str]:
    """Return what captures the commands that this process calls, which look at the home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HPC_HOME", str(home))
    return capsys


def check(done: "subprocess.CompletedProcess[str]") -> None:
    for shown in (done.stdout, done.stderr):
        for line in shown.split("\n"):
            assert line.isprintable(), ascii(line)
            assert not line.strip().startswith(FORGED)


@pytest.mark.parametrize(
    "command",
    [["status"], ["result"], ["failures"], ["report"], ["runs"], ["status", "--output", "json"], ["redrive"]],
    ids=" ".join,
)
def test_every_command_shows_lines_that_steer_nothing(
    names: list[str], command: list[str], here: pytest.CaptureFixture[str]
) -> None:
    for name in names if command != ["runs"] else [None]:
        check(call_with(here, command[0], *([name] if name else []), *command[1:]))


def test_logs_are_lines_that_steer_nothing(names: list[str], here: pytest.CaptureFixture[str]) -> None:
    for name in names:
        for index in ([], ["2"]):
            done = call_with(here, "logs", *index, "--run", name)
            for line in done.stdout.split("\n"):
                assert line.isprintable(), ascii(line)


def test_replay_shows_result_and_error_in_lines_that_steer_nothing(home: Path, names: list[str]) -> None:
    computed, failed = hpc(home, "replay", names[0], "1"), hpc(home, "replay", names[2], "2")
    assert json.loads(computed.stdout.splitlines()[-1])["text"] == STEERING
    assert "ValueError: a\\u001b]0;title" in failed.stderr
    for line in failed.stderr.split("\n"):
        assert line.isprintable()
        assert not line.strip().startswith(FORGED)


def test_csv_has_the_error_in_one_cell(home: Path, names: list[str]) -> None:
    for options, expected in (([], None), (["--raw"], STEERING)):
        line = [HPC, "failures", names[2], "--output", "csv", *options]
        done = subprocess.run(line, env=environment(home), capture_output=True, check=True)
        [row] = csv.DictReader(io.StringIO(done.stdout.decode(), newline=""))
        assert (row["index"], row["error"]) == ("2", "ValueError")
        assert row["cause"].endswith(" (steering.py:9 in compute)")
        assert row["cause"].startswith(expected or "")
        assert expected or all(line.isprintable() for line in row["cause"].split("\n"))


def test_report_has_no_character_that_steers(
    names: list[str], here: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in names:
        assert call_with(here, "report", name, "-o", str(tmp_path / "report.html")).returncode == 0
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert all(line.isprintable() for line in page.split("\n"))


@pytest.mark.parametrize(
    "command", [["runs"], ["status"], ["result"], ["failures"], ["logs"], ["failures", "--output", "csv"], ["report"]]
)
def test_reader_that_has_gone_is_no_error(home: Path, command: list[str], tmp_path: Path) -> None:
    with subprocess.Popen(
        [HPC, *command], env=environment(home), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read().decode()
    assert process.returncode in (0, 1, 141), said
    assert "stdout" not in said
    assert "Error" not in said or command == ["result"]
