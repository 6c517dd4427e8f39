"""Commands against AWS through a network that throttles, fails, is lost, or finds credentials expired, for a while."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import botocore.endpoint
import pytest
from assemblies import copied
from aws_commands import OnAws, deployed
from hpc_commands import result_of
from unsteady_network import TIMES, Network, between
from workload_sources import REHEARSAL

from hpc.targets import retries

FAILING = ("--size", "4", "--workload", "rehearsal", "--params", '{"raise": [2]}', "--batch-size", "2")
FAULTS = ("throttled", "failed", "expired", "lost")


class Clock:
    """Time that only passes when somebody sleeps, and then at once."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Disturbed:
    """Runs commands whose every operation is disturbed first."""

    def __init__(self, on_aws: OnAws, network: Network, clock: Clock, capture: pytest.CaptureFixture[str]) -> None:
        self._on_aws = on_aws
        self.network = network
        self.clock = clock
        self._capture = capture

    def __call__(self, fault: str, *arguments: str) -> CompletedProcess[str]:
        self.network.fault = fault
        self.network.counts.clear()
        try:
            return self._on_aws.call(self._capture, *arguments)
        finally:
            self.network.fault = "none"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OnAws, Network]]:
    folder = tmp_path_factory.mktemp("deployed")
    with ExitStack() as resources:
        assembly = copied(folder, workloads={"rehearsal.py": REHEARSAL})
        on_aws = resources.enter_context(deployed(folder, assembly))
        endpoint, network = resources.enter_context(between(on_aws.served.endpoint_url))
        others, _ = resources.enter_context(between(on_aws.stand_in, network))
        yield replace(on_aws, endpoint_url=endpoint, stand_in_between=others), network


@pytest.fixture
def disturbed(
    stack: tuple[OnAws, Network], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Disturbed:
    clock = Clock()
    monkeypatch.setattr(retries, "time", clock)
    monkeypatch.setattr(botocore.endpoint, "time", clock)
    return Disturbed(*stack, clock, capsys)


@pytest.fixture
def failed_run(disturbed: Disturbed) -> str:
    done = disturbed("none", "run", *FAILING, "--output", "json")
    return str(result_of(done)["execution_arn"]).rpartition(":")[2]


@pytest.mark.parametrize("fault", FAULTS)
def test_run_is_started_and_followed(disturbed: Disturbed, fault: str) -> None:
    done = disturbed(fault, "run", "--size", "10", "--workload", "squares", "--output", "json")
    assert (done.returncode, result_of(done)["output"]["total_sum"]) == (0, "285"), done.stderr
    assert disturbed.network.counts["StartExecution"] == TIMES
    assert "asking again for 5 min" in done.stderr


@pytest.mark.parametrize("fault", FAULTS)
def test_commands_that_look_tell_what_they_tell_in_peace(
    disturbed: Disturbed, failed_run: str, fault: str, tmp_path: Path
) -> None:
    workload = tmp_path / "rehearsal.py"
    workload.write_text(REHEARSAL)
    commands = (
        ("result", failed_run, "--output", "json"),
        ("status", failed_run),
        ("failures", failed_run, "--output", "csv"),
        ("runs", "--output", "json"),
        ("replay", failed_run, "1", "--workload", str(workload)),
        ("logs", failed_run),
        ("logs", failed_run, "1", "--raw"),
        ("logs", failed_run, "--follow"),
    )
    for command in commands:
        calm, done = disturbed("none", *command), disturbed(fault, *command)
        assert calm.returncode == (1 if command[0] == "result" else 0), (command, calm.stderr)
        assert (done.returncode, done.stdout) == (calm.returncode, calm.stdout), (command, done.stderr)
        assert disturbed.network.counts


@pytest.mark.parametrize("fault", FAULTS)
def test_run_is_redriven_and_stopped(disturbed: Disturbed, failed_run: str, fault: str) -> None:
    done = disturbed(fault, "redrive", failed_run, "--output", "json")
    assert (done.returncode, result_of(done)["status"]) == (1, "FAILED"), done.stderr
    assert f"redriven {failed_run} (redrive 1)" in done.stderr
    assert disturbed.network.counts["RedriveExecution"] == TIMES
    long = ("--size", "4", "--workload", "rehearsal", "--params", '{"seconds": 600}', "--detach", "--output", "json")
    name = json.loads(disturbed("none", "run", *long).stdout)["execution_arn"].rpartition(":")[2]
    assert f"stopped {name}" in disturbed(fault, "stop", name).stderr
    assert disturbed.network.counts["StopExecution"] == TIMES


@pytest.mark.parametrize("fault", FAULTS)
def test_service_that_stays_away_is_told_of_after_minutes(
    disturbed: Disturbed, failed_run: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Network, "disturbs", lambda network, _: network.fault != "none")
    done = disturbed(fault, "status", failed_run)
    assert (done.returncode, done.stdout) == (2, "")
    assert "looking for the run" in done.stderr
    assert 240 < disturbed.clock.now <= 300


def test_stack_is_not_waited_for(disturbed: Disturbed, tmp_path: Path) -> None:
    done = disturbed("none", "status", "--stack-name", "Nowhere")
    assert done.returncode == 2
    assert disturbed.clock.now == 0
