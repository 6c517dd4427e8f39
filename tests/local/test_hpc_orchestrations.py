"""Executions of ComplexOrchestrator by name and ARN: shown by what looks at executions, refused by what needs items."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import job_commands
import pytest
from aws_commands import OnAws, stand_ins
from hpc_commands import call_with, result_of
from sfn_local.server import Connection, LocalServer

from hpc.targets.local import target_of

ENTRIES = json.dumps([{"name": "one", "workload": "squares", "size": 4}])
Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def served(home: Path) -> Iterator[Connection]:
    with LocalServer(home, job_commands.assembly()) as connection:
        yield connection


@pytest.fixture
def call(served: Connection, home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.setenv("HPC_HOME", str(home))
    return lambda *arguments: call_with(capfd, *arguments)


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """Keep the one orchestration of this module."""
    return {}


@pytest.fixture
def printed(call: Call, served: Connection, made: dict[str, Any]) -> dict[str, Any]:
    """Return what `hpc orchestrate` printed."""
    if not made:
        options = ("--assembly", served.assembly, "--output", "json")
        made.update(result_of(call("orchestrate", "--entries", ENTRIES, *options)))
    return made


@pytest.mark.parametrize("form", ["name", "arn"])
def test_orchestration_is_found_by_what_looks_at_executions(
    call: Call, printed: dict[str, Any], form: str, tmp_path: Path
) -> None:
    arn = printed["execution_arn"]
    named = arn if form == "arn" else arn.rpartition(":")[2]
    assert arn in call("runs", "--output", "json").stdout
    assert result_of(call("result", named, "--output", "json")) == printed
    assert "one: agree, 4 items" in call("result", named).stdout
    assert result_of(call("status", named, "--output", "json"))["execution_arn"] == arn
    assert call("report", named, "-o", str(tmp_path / "report.html")).returncode == 0
    assert call("stop", named).stderr.endswith("has already ended: SUCCEEDED\n")


def test_latest_run_is_the_orchestration_and_not_what_it_started(call: Call, printed: dict[str, Any]) -> None:
    assert result_of(call("status", "--output", "json"))["execution_arn"] == printed["execution_arn"]
    assert result_of(call("result", "--output", "json")) == printed


def test_execution_that_an_orchestration_started_is_found_by_its_arn(
    call: Call, served: Connection, home: Path, printed: dict[str, Any]
) -> None:
    states = target_of(served, home).stepfunctions
    machines = states.list_state_machines()["stateMachines"]
    [nested] = [each["stateMachineArn"] for each in machines if "SyncNested" in each["name"]]
    [execution] = states.list_executions(stateMachineArn=nested)["executions"]
    found = result_of(call("status", execution["executionArn"], "--output", "json"))
    assert (found["name"], found["status"]) == (execution["name"], "SUCCEEDED")


@pytest.mark.parametrize("command", ["failures", "logs", "redrive", "replay"])
def test_orchestration_is_refused_by_name_by_what_needs_items(
    call: Call, served: Connection, printed: dict[str, Any], command: str
) -> None:
    name = printed["execution_arn"].rpartition(":")[2]
    given = {
        "failures": [name],
        "logs": ["--run", name],
        "redrive": [name, "--assembly", served.assembly],
        "replay": [name, "0"],
    }
    done = call(command, *given[command])
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{name} is an execution of HpcStack-OrchestratorComplexOrchestrator" in done.stderr
    assert "has no items of its own" in done.stderr


def test_orchestration_that_failed_is_shown_with_its_error(call: Call, served: Connection) -> None:
    entries = json.dumps([{"name": "bad", "fail": "no more paper"}])
    options = ("--assembly", served.assembly, "--output", "json")
    done = call("orchestrate", "--entries", entries, *options)
    name = result_of(done)["execution_arn"].rpartition(":")[2]
    again = call("result", name, "--output", "json")
    assert (again.returncode, result_of(again)) == (1, result_of(done))
    assert "entry bad failed: no more paper" in again.stderr


def test_orchestration_on_aws_is_found_and_shown_again(
    call: Call, served: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stand_ins(dict(served.outputs)) as stand_in:
        OnAws(served, stand_in, tmp_path).set_up(monkeypatch)
        done = call("orchestrate", "--entries", ENTRIES, "--output", "json", "--aws")
        result = result_of(done)
        assert (done.returncode, result["entries"][0]["totals"]["lambda"]) == (0, {"total": "14"})
        name = result["execution_arn"].rpartition(":")[2]
        assert result_of(call("result", name, "--output", "json", "--aws")) == result
