"""`--faults` as a person types it: what is said of a rehearsal, and that nobody else gets into one unawares."""

import json
import subprocess
from pathlib import Path

import pytest
from fault_runs import SIZE, TOTAL
from hpc_commands import assembly, call, call_with, command, environment, hpc, result_of
from sfn_local.server import FaultInjector, FaultSpec, LocalServer

RUN = ("run", "--size", str(SIZE), "--workload", "squares", "--batch-size", "8")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HPC_HOME", str(tmp_path))
    return tmp_path


def test_run_under_faults_says_so_at_its_start_at_its_end_and_whenever_its_result_is_shown(
    capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    faults = "duplicate Compute item=2; crash Compute item=100; seed=3"
    done = call(capsys, *RUN, "--faults", faults)
    assert done.returncode == 0
    said = done.stderr.splitlines()
    assert said[1] == f"under faults, a rehearsal: {faults}"
    assert said[-2:] == ["faults that were made: 1 duplicate, 0 crash", "never applied: crash Compute item=100"]
    assert "rehearsed     with faults: 1 duplicate, 0 crash" in done.stdout
    again = result_of(call_with(capsys, "result", "--output", "json"))
    assert again["output"]["total_sum"] == TOTAL
    assert again["faults"]["injected"] == {"duplicate": 1, "crash": 0}
    (spec,) = again["faults"]["specs"]
    assert FaultSpec.from_json(spec) == FaultSpec.parse(faults)
    assert result_of(call_with(capsys, "status", "--output", "json"))["faults"] == again["faults"]
    assert "rehearsed     with faults: 1 duplicate, 0 crash" in call_with(capsys, "status").stdout
    assert call_with(capsys, "report", "-o", str(home / "report.html")).returncode == 0
    assert "rehearsed with faults: 1 duplicate, 0 crash" in (home / "report.html").read_text()


def test_run_without_faults_says_nothing_of_them(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    done = call(capsys, *RUN, "--output", "json")
    assert "faults" not in result_of(done)
    assert "faults" not in done.stderr


def test_run_that_failed_under_faults_is_redriven_under_others_and_without_any(
    capsys: pytest.CaptureFixture[str], home: Path, tmp_path: Path
) -> None:
    spec = tmp_path / "faults.json"
    spec.write_text(json.dumps({"rules": [{"kind": "crash", "state": "Compute", "item": 3}]}))
    failed = call(capsys, *RUN, "--output", "json", "--faults", f"@{spec}")
    assert failed.returncode == 1
    assert result_of(failed)["faults"]["injected"] == {"crash": 1}
    assert "batch 3 (items 24 to 31): Runtime.ExitError" in failed.stderr
    redrive = ("redrive", "--assembly", str(assembly()), "--output", "json")
    again = call_with(capsys, *redrive, "--faults", "timeout Compute item=3")
    assert again.returncode == 1
    assert "Sandbox.Timedout" in again.stderr
    done = call_with(capsys, *redrive)
    assert done.returncode == 0
    result = result_of(done)
    assert result["output"]["total_sum"] == TOTAL
    assert result["faults"]["injected"] == {"crash": 1, "timeout": 1}
    assert len(result["faults"]["specs"]) == 2


def test_runner_that_is_killed_is_a_rehearsal_too_and_the_redrive_goes_on(tmp_path: Path) -> None:
    killed = hpc(tmp_path, *RUN, "--faults", "kill_runner Compute item=5")
    assert killed.returncode == -9
    assert "under faults, a rehearsal: kill_runner Compute item=5; seed=0" in killed.stderr
    done = hpc(tmp_path, "redrive", "--assembly", str(assembly()), "--output", "json")
    assert done.returncode == 0
    result = result_of(done)
    assert (result["output"]["total_sum"], result["output"]["duplicates"]) == (TOTAL, 0)
    assert result["faults"]["injected"] == {"kill_runner": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--faults", "crash Foo item=1"), "--faults: rule 1, crash Foo item=1: there is no state Foo; faults are for"),
        (("--faults", "crash Sum item=1"), "Sum has no items for crash"),
        (("--faults", "explode Sum"), "--faults: rule 1: kind must be one of throttle, service_error"),
        (("--faults", ""), "--faults: rules must be a list of at least one rule"),
        (("--faults", "@/no/such/file"), "--faults @/no/such/file can't be read as a UTF-8 file"),
        (("--faults", "crash Sum", "--detach"), "--faults can't be given with --detach"),
    ],
)
def test_faults_that_cannot_be_rehearsed_are_refused_before_anything_starts(
    capsys: pytest.CaptureFixture[str], home: Path, options: tuple[str, ...], message: str
) -> None:
    done = call(capsys, *RUN, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "started" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [RUN, ("redrive", "run-1"), ("orchestrate", "--entries", "[]")], ids=lambda arguments: arguments[0]
)
def test_faults_are_refused_on_aws(capsys: pytest.CaptureFixture[str], home: Path, arguments: tuple[str, ...]) -> None:
    done = call_with(capsys, *arguments, "--aws", "--faults", "crash Sum")
    assert done.returncode == 2
    assert "--faults can't be given with --aws: only the server on this machine makes faults" in done.stderr


def test_server_of_another_command_is_not_made_to_fail(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    with LocalServer(home, assembly()):
        done = call(capsys, *RUN, "--faults", "crash Sum")
    assert done.returncode == 2
    assert (
        "--faults are for a server that this command hosts, another command hosts the one that runs now" in done.stderr
    )


@pytest.mark.parametrize("detach", [(), ("--detach",)])
def test_server_that_rehearses_faults_takes_no_run_of_another_command(
    capsys: pytest.CaptureFixture[str], home: Path, detach: tuple[str, ...]
) -> None:
    with LocalServer(home, assembly(), faults=FaultInjector(FaultSpec.parse("crash Sum"))):
        done = call(capsys, *RUN, *detach)
        seen = call_with(capsys, "runs")
    assert done.returncode == 2
    assert "the local server that runs now rehearses faults for another command" in done.stderr
    assert seen.returncode == 0


def test_workers_that_are_killed_leave_no_trace_in_the_logs_of_those_that_go_on(home: Path) -> None:
    rehearsed = subprocess.run(
        command(*RUN, "--faults", "crash Compute item=0,1,2,3 times=always; crash Compute item=4"),
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert rehearsed.returncode == 1
    assert "InvalidAccessKeyId" not in rehearsed.stderr
    logs = "".join(path.read_text() for path in (home / "logs").rglob("*.log"))
    assert "START RequestId" in logs
    assert "Traceback" not in logs
