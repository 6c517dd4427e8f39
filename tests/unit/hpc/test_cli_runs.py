"""`hpc runs`: which runs there are, and which of them were rehearsals."""

import json
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber
from stubs import deployed_stack

from hpc.commands import runs
from hpc.runs.faults import LOG
from hpc.targets.client import Target

ACCOUNT = "us-east-1:000000000000"
MACHINE = f"arn:aws:states:{ACCOUNT}:stateMachine:Machine"
BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
SPEC = {"seed": 1, "rules": [{"kind": "throttle", "state": "Compute", "percentage": 5}]}


def arn(name: str) -> str:
    return f"arn:aws:states:{ACCOUNT}:execution:Machine:{name}"


def execution(name: str) -> dict[str, Any]:
    return {
        "executionArn": arn(name),
        "stateMachineArn": MACHINE,
        "name": name,
        "status": "SUCCEEDED",
        "startDate": BEGIN,
        "stopDate": BEGIN + timedelta(seconds=2),
    }


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HPC_HOME", str(tmp_path))
    entries: list[dict[str, Any]] = [{"spec": SPEC}, {"kind": "throttle"}, {"kind": "throttle"}]
    (tmp_path / LOG).parent.mkdir()
    (tmp_path / LOG).write_text(
        "".join(json.dumps({"run": arn("second"), "within": arn("second"), **entry}) + "\n" for entry in entries)
    )
    return tmp_path


def list_runs(monkeypatch: pytest.MonkeyPatch, *, output: str, is_local: bool = True) -> None:
    target = replace(deployed_stack(MACHINE), is_local=is_local)

    @contextmanager
    def opened(_args: Namespace) -> Iterator[Target]:
        yield target

    monkeypatch.setattr(runs, "open_stack", opened)
    with Stubber(target.stepfunctions) as stub:
        stub.add_response("list_executions", {"executions": [execution("second"), execution("first")]})
        assert runs.runs(Namespace(limit=20, status=None, output=output, aws=not is_local, stack_name=None)) == 0


@pytest.mark.usefixtures("home")
def test_runs_that_were_rehearsed_are_marked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    list_runs(monkeypatch, output="text")
    second, first = capsys.readouterr().out.splitlines()
    assert second.endswith("2.0 s  rehearsed with faults: 2 throttle")
    assert first.endswith("2.0 s")


@pytest.mark.usefixtures("home")
def test_json_has_the_faults_of_each_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    list_runs(monkeypatch, output="json")
    second, first = map(json.loads, capsys.readouterr().out.splitlines())
    assert second["faults"] == {"specs": [SPEC], "injected": {"throttle": 2}}
    assert first["faults"] is None


@pytest.mark.usefixtures("home")
def test_runs_on_aws_have_no_faults_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    list_runs(monkeypatch, output="json", is_local=False)
    assert [json.loads(line)["faults"] for line in capsys.readouterr().out.splitlines()] == [None, None]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("cost", "shown"), [(0.0126, "$0.0126"), (None, "cost unknown")])
def test_cost_of_each_run_is_shown_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cost: float | None, shown: str
) -> None:
    monkeypatch.setattr(runs, "cost_of", lambda _target, _run: cost)
    monkeypatch.setattr(runs, "vars", lambda args: {**args.__dict__, "cost": True}, raising=False)
    list_runs(monkeypatch, output="text")
    assert all(shown in line for line in capsys.readouterr().out.splitlines())
