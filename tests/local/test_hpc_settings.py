"""The pipeline with other settings than the defaults: Express children, and a compute time-out that batches outlast."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from assemblies import EXPRESS, copied
from hpc_commands import call_with, result_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sfn_local.server import LocalServer
from workload_sources import REHEARSAL

from hpc.targets.synthesis import Variant

WORKLOADS = {"rehearsal.py": REHEARSAL}
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def express(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    home = tmp_path_factory.mktemp("express")
    made = copied(home, EXPRESS, workloads=WORKLOADS)
    with LocalServer(home, made):
        yield home, made


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    home = tmp_path_factory.mktemp("hasty")
    made = copied(home, Variant({"hpc:compute_timeout_seconds": 3}), workloads=WORKLOADS)
    with LocalServer(home, made):
        yield home, made


def runner(served: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    home, made = served
    monkeypatch.setenv("HPC_HOME", str(home))
    return lambda *options: call_with(capfd, "run", *options, "--assembly", str(made), "--output", "json")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(0, 40), batch_size=st.integers(1, 45), bad=st.sets(st.integers(0, 39), max_size=4))
def test_express_children_give_the_same_counts_and_totals_whatever_fails(
    express: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    size: int,
    batch_size: int,
    bad: set[int],
) -> None:
    run = runner(express, monkeypatch, capfd)
    params = json.dumps({"raise": sorted(bad)})
    done = run("--size", str(size), "--workload", "rehearsal", "--params", params, "--batch-size", str(batch_size),
               "--tolerated-failure-percentage", "100")  # fmt: skip
    output = result_of(done)["output"]
    failed = {item for item in bad if item < size}
    assert output["total_sum"] == str(sum(set(range(size)) - failed))
    assert (output["count"], output["failed"]) == (size - len(failed), len(failed))


def test_express_children_are_express(express: tuple[Path, Path]) -> None:
    template = json.loads((express[1] / "HpcStack.template.json").read_text())
    [machine] = [each for each in template["Resources"].values() if each["Type"].endswith("::StateMachine")]
    assert '\\"ExecutionType\\":\\"EXPRESS\\"' in json.dumps(machine)


def test_batch_longer_than_an_invocation_is_computed_in_several(
    hasty: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = runner(hasty, monkeypatch, capfd)
    done = run("--size", "10", "--workload", "rehearsal", "--params", '{"seconds": 1}', "--batch-size", "10")
    result = result_of(done)
    assert result["output"]["total_sum"] == "45"
    assert result["map_run"]["total"] == 1


def test_item_longer_than_an_invocation_is_an_error_that_names_it_and_aws_batch(
    hasty: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = runner(hasty, monkeypatch, capfd)
    done = run("--size", "2", "--workload", "rehearsal", "--params", '{"seconds": 12}', "--batch-size", "1")
    assert done.returncode == 1
    assert "ItemTooLongError" in done.stderr
    assert "AWS Batch" in done.stderr
    assert "total_sum" not in done.stdout
