"""`hpc run` as a process of its own, on this machine: answers, output, failures, other settings of AWS around it."""

import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from assemblies import PROJECT, synthesized
from hpc_commands import (
    HPC,
    assembly,
    call,
    command,
    digits,
    environment,
    hpc,
    key_total,
    result_of,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sfn_local.server import LocalServer

Run = Callable[..., subprocess.CompletedProcess[str]]
GOLDEN = Path(os.environ.get("HPC_GOLDEN_DIR", PROJECT.parent / "shared/golden")) / "total_1024.txt"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Host one server for the commands that this process runs."""
    folder = tmp_path_factory.mktemp("home")
    with LocalServer(folder, assembly()):
        yield folder


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("HPC_HOME", str(home))
    return lambda *options: call(capfd, "run", *options)


@pytest.mark.skipif(not GOLDEN.is_file(), reason=f"the published answer is not at {GOLDEN}: set HPC_GOLDEN_DIR")
def test_run_gives_the_published_answer(run: Run) -> None:
    output = result_of(run("--size", "1024", "--output", "json"))["output"]
    assert output["total_sum"] == "".join(GOLDEN.read_text().split())


@pytest.mark.parametrize("size", [0, 1, 2, 777, 2100])
def test_run_is_exact(run: Run, size: int) -> None:
    done = run("--size", str(size), "--batch-size", "64", "--output", "json")
    result = result_of(done)
    total = digits(key_total(size))
    assert done.returncode == 0
    assert result["status"] == "SUCCEEDED"
    assert (result["output"]["total_sum"], result["output"]["result"]) == (total, total)
    assert (result["output"]["count"], result["output"]["failed"]) == (size, 0)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 64, 100])
def test_total_is_the_same_for_every_batch_size(run: Run, batch_size: int) -> None:
    result = result_of(run("--size", "100", "--batch-size", str(batch_size), "--output", "json"))
    assert result["output"]["total_sum"] == digits(key_total(100))
    assert result["map_run"]["total"] == -(-100 // batch_size)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(0, 60), batch_size=st.integers(1, 70), bad=st.sets(st.integers(0, 59), max_size=5))
def test_counts_and_partial_totals_are_exact_whatever_fails(
    run: Run, size: int, batch_size: int, bad: set[int]
) -> None:
    options = [
        "--workload",
        "rehearsal",
        "--params",
        json.dumps({"raise": sorted(bad)}),
        "--batch-size",
        str(batch_size),
    ]
    done = run("--size", str(size), *options, *("--tolerated-failure-percentage", "100", "--output", "json"))
    output = result_of(done)["output"]
    failed = {item for item in bad if item < size}
    assert output["total_sum"] == str(sum(set(range(size)) - failed))
    assert (output["count"], output["failed"]) == (size - len(failed), len(failed))
    assert output["complete"] is (not failed)


def test_run_prints_one_json_object_that_says_where_everything_is(run: Run, home: Path) -> None:
    done = run("--size", "100", "--workload", "squares", "--batch-size", "7", "--output", "json")
    result = result_of(done)
    assert done.stdout.count("\n") == 1
    assert set(result) == {"status", "execution_arn", "output", "seconds", "map_run", "results"}
    assert result["output"]["total_sum"] == str(sum(k * k for k in range(100)))
    assert {name: result["map_run"][name] for name in ("total", "succeeded", "failed", "resultsWritten")} == {
        "total": 15,
        "succeeded": 15,
        "failed": 0,
        "resultsWritten": 15,
    }
    assert result["seconds"] > 0
    name = result["execution_arn"].rpartition(":")[2]
    folder = Path(result["results"])
    assert folder.name == name
    assert folder.is_relative_to(home / "s3")
    assert json.loads((folder / "result.json").read_text())["total_sum"] == result["output"]["total_sum"]
    assert f"started {name}" in done.stderr


def test_run_prints_text_that_shortens_long_numbers_and_names_the_file(run: Run) -> None:
    done = run("--size", "1024")
    total = digits(key_total(1024))
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if not line.startswith("in full"))
    assert lines["total"] == f"{total[:20]}...{total[-20:]} ({len(total):,} digits)"
    assert lines["items"] == "1,024 computed, 0 failed, 0 duplicates"
    [full] = [line.split(maxsplit=2)[2] for line in done.stdout.splitlines() if line.startswith("in full")]
    assert json.loads(Path(full).read_text())["total_sum"] == total


def test_run_takes_the_whole_input_from_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "input.json").write_text('{"size": 9, "workload": "squares", "batch_size": 2}')
    result = result_of(run("--input", f"@{tmp_path / 'input.json'}", "--output", "json"))
    assert result["output"]["total_sum"] == "204"
    assert result["map_run"]["total"] == 5


@pytest.mark.parametrize(("name", "content"), [("a.jsonl", "3\n4\n"), ("b.jsonl", "3\n4")])
def test_run_computes_the_items_of_a_file(run: Run, tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    done = run("--items", str(tmp_path / name), "--workload", "squares", "--output", "json")
    assert result_of(done)["output"]["total_sum"] == "25"


def test_run_computes_the_rows_of_a_csv_file_and_the_files_of_a_folder(run: Run, tmp_path: Path) -> None:
    (tmp_path / "grid.csv").write_text("width,height\n2,3\n4,5\n")
    options = ["--workload", "echo", "--output", "json"]
    output = result_of(run("--items", str(tmp_path / "grid.csv"), *options))["output"]
    assert json.loads(output["result"]) == [{"width": "2", "height": "3"}, {"width": "4", "height": "5"}]
    (tmp_path / "in/b").mkdir(parents=True)
    (tmp_path / "in/b/2.txt").write_text("two")
    (tmp_path / "in/1.txt").write_text("one")
    output = result_of(run("--source", str(tmp_path / "in"), *options))["output"]
    keys = [item["key"].partition("/source/")[2] for item in json.loads(output["result"])]
    assert keys == ["1.txt", "b/2.txt"]


def test_failed_item_is_named_and_the_exit_code_is_1(run: Run) -> None:
    options = ["--workload", "rehearsal", "--params", '{"raise": [13]}', "--batch-size", "4", "--output", "json"]
    done = run("--size", "40", *options)
    result = result_of(done)
    assert done.returncode == 1
    assert (result["status"], result["output"]) == ("FAILED", None)
    assert result["error"] == "States.ExceedToleratedFailureThreshold"
    assert result["map_run"]["failed"] == 1
    assert "batch 3 (items 12 to 15): ItemFailedError: item 13" in done.stderr
    assert "13 is bad" in done.stderr


def test_failed_run_prints_nothing_on_stdout_in_text(run: Run) -> None:
    done = run("--size", "40", "--workload", "rehearsal", "--params", '{"raise": [13]}')
    assert (done.returncode, done.stdout) == (1, "")
    assert "FAILED after" in done.stderr
    assert "results so far: " in done.stderr


def test_tolerated_failures_are_named_and_the_total_is_called_partial(run: Run) -> None:
    options = ["--workload", "rehearsal", "--params", '{"raise": [3, 5]}', "--tolerated-failure-percentage", "10"]
    done = run("--size", "20", *options)
    assert done.returncode == 0
    assert done.stdout.splitlines()[0].split() == ["partial", "total", str(sum(range(20)) - 8)]
    assert "18 computed, 2 failed, 0 duplicates" in done.stdout
    assert "\nfailed        3, 5\n" in done.stdout


def test_crash_of_a_worker_is_named(run: Run) -> None:
    options = ["--workload", "rehearsal", "--params", '{"exit": [1]}', "--batch-size", "1"]
    done = run("--size", "3", *options)
    assert done.returncode == 1
    assert "batch 1 (item 1): Runtime.ExitError" in done.stderr


def test_run_reads_nothing_of_the_users_aws_settings(tmp_path: Path) -> None:
    poison = tmp_path / "poison"
    poison.write_text("this is [not a config file")
    done = hpc(
        tmp_path / "home",
        *("run", "--size", "10", "--workload", "squares", "--output", "json"),
        HOME=str(tmp_path),
        AWS_PROFILE="no-such-profile",
        AWS_CONFIG_FILE=str(poison),
        AWS_SHARED_CREDENTIALS_FILE=str(poison),
        AWS_ACCESS_KEY_ID="AKIAREALKEY",
        AWS_SECRET_ACCESS_KEY="real",
        AWS_REGION="eu-west-1",
        AWS_ENDPOINT_URL="http://192.0.2.1",
        HTTP_PROXY="http://192.0.2.1:3128",
        http_proxy="http://192.0.2.1:3128",
    )
    assert result_of(done)["output"]["total_sum"] == "285"
    assert ":us-east-1:000000000000:" in result_of(done)["execution_arn"]


def test_run_whose_reader_has_gone_ends_without_a_word(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command("run", "--size", "10"),
        env=environment(tmp_path),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 141
    assert re.fullmatch(r"started run-\S+\n", done.stderr)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_run_whose_caller_closed_streams_goes_to_its_end(tmp_path: Path, closed: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" "$@" {closed}', *command("run", "--size", "10")],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert list(tmp_path.glob("s3/*/runs/*/result.json")), done.stderr
    has_stdout, has_stderr = (stream not in closed.split() for stream in (">&-", "2>&-"))
    assert done.returncode == (0 if has_stdout else 1), done.stderr
    assert ("total" in done.stdout) is has_stdout
    assert (f"can't be written to stdout ([Errno 9] Bad file descriptor); it is in {tmp_path}" in done.stderr) is (
        has_stderr and not has_stdout
    )
    assert "Traceback" not in done.stderr


def test_progress_is_live_on_a_terminal_and_plain_elsewhere(tmp_path: Path) -> None:
    options = ["run", "--size", "20", "--workload", "rehearsal", "--params", '{"seconds": 0.05}', "--batch-size", "1"]
    terminal, stderr = pty.openpty()
    process = subprocess.Popen(
        command(*options), env=environment(tmp_path, TERM="xterm"), stdout=subprocess.PIPE, stderr=stderr, text=True
    )
    os.close(stderr)
    shown = b""
    with contextlib.suppress(OSError):  # how Linux says that the other end of a terminal is closed
        while chunk := os.read(terminal, 65_536):
            shown += chunk
    os.close(terminal)
    assert "total         190" in process.communicate()[0], shown
    assert b"/20 batches done, 0 failed" in shown
    assert b"\x1b[" in shown
    plain = hpc(tmp_path, *options)
    assert re.fullmatch(r"started run-\S+\n", plain.stderr)


def test_warm_run_starts_no_node(tmp_path: Path) -> None:
    """With the assembly cached, a run works where node can't be started."""
    shutil.copytree(synthesized(), tmp_path / "cdk.out" / synthesized().name)
    done = subprocess.run(
        [HPC, "run", "--size", "3", "--output", "json"],
        env=environment(tmp_path, JSII_NODE="/no/such/node", PATH="/no/such/folder"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result_of(done)["output"]["total_sum"] == "18376"
    assert "synthesizing" not in done.stderr


def test_run_fails_when_home_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = hpc(tmp_path / "file", "run", "--size", "3")
    assert (done.returncode, done.stdout) == (2, "")
    assert "HPC_HOME must be a folder that can be written to" in done.stderr


def test_assembly_to_look_with_is_kept_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HPC_HOME", str(tmp_path))
    kept, before = tmp_path / "last-assembly", tmp_path / "before"
    kept.write_text("of before")
    before.hardlink_to(kept)
    assert call(capfd, "run", "--size", "1").returncode == 0
    assert Path(kept.read_text()) == assembly().resolve()
    assert before.read_text() == "of before"  # it was not written over, which a full disk would have cut off


def test_home_whose_store_is_broken_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HPC_HOME", str(tmp_path))
    (tmp_path / "executions.sqlite").write_text("no database " * 1_000)
    done = call(capfd, "run", "--size", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"the local server of {tmp_path} can't run {assembly()}: " in done.stderr
    assert "file is not a database" in done.stderr


def test_assembly_of_the_tests_has_the_rehearsal_workload() -> None:
    assert list(assembly().glob("asset.*/lambdas/workloads/rehearsal.py"))


def test_run_has_its_name_and_note_and_an_end_of_two_names_is_refused(tmp_path: Path) -> None:
    small = ["run", "--size", "1", "--workload", "squares"]
    assert hpc(tmp_path, *small, "--name", "first-twin", "--note", "a = 1\x1b[2J").returncode == 0
    assert hpc(tmp_path, *small, "--name", "other-twin").returncode == 0
    taken = hpc(tmp_path, *small, "--name", "first-twin")
    assert (taken.returncode, taken.stdout) == (2, "")
    assert "--name first-twin is the name of a run that there is" in taken.stderr
    assert hpc(tmp_path, *small, "--name", "latest").returncode == 2
    lines = hpc(tmp_path, "runs").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["other-twin", "first-twin"]
    assert lines[1].endswith("(a = 1\\u001b[2J)")
    both = hpc(tmp_path, "status", "twin")
    assert (both.returncode, both.stdout) == (2, "")
    assert "2 end in twin: other-twin, first-twin" in both.stderr
    assert "first-twin" in hpc(tmp_path, "status", "t-twin").stdout


def test_samples_of_a_plan_are_not_the_latest_run(tmp_path: Path) -> None:
    assert hpc(tmp_path, "run", "--size", "1", "--workload", "squares", "--name", "mine").returncode == 0
    sample = ["--size", "1", "--sample", "1", "--workload", "squares", "--assembly", str(assembly())]
    assert hpc(tmp_path, "plan", *sample).returncode == 0
    assert json.loads(hpc(tmp_path, "status", "--output", "json").stdout)["name"] == "mine"
