"""`make destroy`: nothing is deleted under what runs; with --force it is stopped first, and waited for."""

from typing import Any

import pytest
from stubs import MACHINE, deployed_stack

from hpc.commands import destroy
from hpc.errors import LostRunError
from hpc.targets.client import Target

QUEUE = "arn:aws:batch:us-east-1:000000000000:job-queue/queue"


class Services:
    """Executions and jobs that end some looks after they were stopped."""

    def __init__(self, executions: int = 0, jobs: int = 0, looks: int = 2) -> None:
        self.running = [f"{MACHINE.replace('stateMachine', 'execution')}:run-{number}" for number in range(executions)]
        self.jobs = jobs
        self.looks = looks
        self.stopped: list[str] = []

    def get_paginator(self, name: str) -> Any:
        return {"list_executions": self, "list_jobs": Jobs(self)}[name]

    def paginate(self, *, stateMachineArn: str, statusFilter: str) -> Any:  # noqa: N803 - the API's own names
        assert (stateMachineArn, statusFilter) == (MACHINE, "RUNNING")
        if self.stopped:
            self.looks -= 1
            if self.looks < 0:
                self.running, self.jobs = [], 0
        return [
            {"executions": [{"executionArn": arn} for arn in self.running[:2]]},
            {"executions": [{"executionArn": arn} for arn in self.running[2:]]},
        ]

    def stop_execution(self, *, executionArn: str, cause: str) -> None:  # noqa: N803 - the API's own names
        self.stopped.append(executionArn)


class Jobs:
    def __init__(self, services: Services) -> None:
        self.services = services

    def paginate(self, *, jobQueue: str, jobStatus: str) -> Any:  # noqa: N803 - the API's own names
        assert jobQueue == QUEUE
        return [{"jobSummaryList": [{}] * (self.services.jobs if jobStatus == "RUNNING" else 0)}]


def stack(services: Services, *, has_jobs: bool = True) -> Target:
    target = deployed_stack(MACHINE)
    target.__dict__.update(stepfunctions=services, batch=services)
    object.__setattr__(target, "outputs", {"JobQueueArn": QUEUE} if has_jobs else {})
    return target


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(0, 1_000_000, 5))
    monkeypatch.setattr(destroy.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(destroy.time, "monotonic", lambda: float(next(moments)))


@pytest.mark.parametrize("has_jobs", [True, False])
@pytest.mark.parametrize("is_forced", [True, False])
def test_idle_stack_is_cleared_at_once(has_jobs: bool, is_forced: bool) -> None:
    assert destroy.clear(stack(Services(), has_jobs=has_jobs), is_forced=is_forced)


@pytest.mark.parametrize(("executions", "jobs"), [(1, 0), (0, 3), (8, 2)])
def test_what_runs_is_named_and_nothing_is_stopped(
    executions: int, jobs: int, capsys: pytest.CaptureFixture[str]
) -> None:
    services = Services(executions, jobs)
    assert not destroy.clear(stack(services), is_forced=False)
    said = capsys.readouterr().err
    assert f"not deleted: {executions} running execution{'' if executions == 1 else 's'}" in said
    assert f"; {jobs} active job{'' if jobs == 1 else 's'}\n" in said
    assert ("and 3 more" in said) == (executions == 8)
    assert "make destroy ARGS=--force" in said
    assert services.stopped == []


def test_force_stops_all_and_waits_for_jobs_too() -> None:
    services = Services(executions=3, jobs=4)
    everything = list(services.running)
    assert destroy.clear(stack(services), is_forced=True)
    assert services.stopped == everything
    assert (services.running, services.jobs) == ([], 0)


def test_force_does_not_wait_for_ever() -> None:
    with pytest.raises(LostRunError, match="3 executions and 1 job that did not end in 10 min"):
        destroy.clear(stack(Services(executions=3, jobs=1, looks=1_000_000)), is_forced=True)


def test_only_a_cleared_stack_is_handed_to_the_cli(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    calls: list[list[str]] = []

    class Done:
        returncode = 7

    def run(command: list[str], **_: Any) -> type[Done]:
        calls.append(command)
        return Done

    monkeypatch.setattr(destroy, "named_stack", lambda args, _home: asked.append(args.stack_name))
    monkeypatch.setattr(destroy.subprocess, "run", run)
    monkeypatch.setattr(destroy, "clear", lambda _target, *, is_forced: is_forced)
    assert destroy.main(["-c", "hpc:stack_name=Other"]) == 2
    assert calls == []
    assert destroy.main(["--force", "-c", "hpc:batch=true"]) == 7
    assert (asked, calls) == (["Other", None], [["cdk", "destroy", "--force", "-c", "hpc:batch=true"]])
