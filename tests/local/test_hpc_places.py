"""Commands that look at a run, wherever its batches were computed: children of both types, jobs, and a stack on AWS."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import job_commands
import pytest
from assemblies import EXPRESS, synthesized
from aws_commands import OnAws, stand_ins
from hpc_commands import call_with, result_of
from sfn_local.server import Connection, LocalServer
from workload_sources import SENSITIVE

from hpc.targets.local import overlay_environment
from hpc.targets.workload_file import WorkloadFile

BAD = (3, 17, 18)
GIVEN = ("--size", "20", "--batch-size", "5", "--params", json.dumps({"bad": BAD}))
BACK_ENDS = {"batch": "batch", "batch callback": "batch_callback"}
PLACES = ("standard children", "express children", *BACK_ENDS, "aws")
Call = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class Home:
    """A served home, and the workload's file that it has a copy of."""

    folder: Path
    connection: Connection
    workload: Path


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Home]]:
    """Serve one home with Express children, and one for everything else, when they are asked for."""
    served: dict[str, Home] = {}
    with ExitStack() as servers:

        def home_of(place: str) -> Home:
            kind = "express" if place == "express children" else "jobs"
            if kind not in served:
                folder = tmp_path_factory.mktemp(kind)
                (folder / "sensitive.py").write_text(SENSITIVE)
                overlay = WorkloadFile("sensitive", SENSITIVE.encode()).copy_to(folder)
                made = synthesized(EXPRESS) if kind == "express" else job_commands.assembly()
                connection = servers.enter_context(LocalServer(folder, made, environment=overlay_environment(overlay)))
                served[kind] = Home(folder, connection, folder / "sensitive.py")
            return served[kind]

        yield home_of


@dataclass(frozen=True)
class Place:
    """A place that commands ask; two runs were made there, one of which tolerated its failed items."""

    name: str
    call: Call
    home: Home
    partial: str
    failed: str

    @property
    def has_jobs(self) -> bool:
        return self.name in BACK_ENDS


@pytest.fixture(scope="module")
def made(homes: Callable[[str], Home]) -> dict[str, tuple[str, str]]:
    """Names of the two runs by place."""
    return {}


@pytest.fixture
def place(
    request: pytest.FixtureRequest,
    homes: Callable[[str], Home],
    made: dict[str, tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Place]:
    name = request.param
    home = homes(name)
    with ExitStack() as stack:
        monkeypatch.setenv("HPC_HOME", str(home.folder))
        options: tuple[str, ...] = ()
        if name == "aws":
            stand_in = stack.enter_context(stand_ins(dict(home.connection.outputs), home.folder / "logs"))
            OnAws(home.connection, stand_in, home.folder).set_up(monkeypatch)
            options = ("--aws",)

        def call(*arguments: str) -> subprocess.CompletedProcess[str]:
            return call_with(capfd, *arguments, *options)

        if name not in made:
            back_end = ("--back-end", BACK_ENDS[name]) if name in BACK_ENDS else ()
            # On AWS as if the file had been deployed.
            workload = ("--workload", "sensitive" if name == "aws" else str(home.workload))
            assembly = () if name == "aws" else ("--assembly", home.connection.assembly)
            runs = [
                result_of(call("run", *GIVEN, *workload, *back_end, *assembly, *tolerance, "--output", "json"))
                for tolerance in (("--tolerated-failure-percentage", "20"), ())
            ]
            assert [run["status"] for run in runs] == ["SUCCEEDED", "FAILED"]
            partial, failed = (run["execution_arn"].rpartition(":")[2] for run in runs)
            made[name] = partial, failed
        yield Place(name, call, home, *made[name])


everywhere = pytest.mark.parametrize("place", PLACES, indirect=True)


@everywhere
def test_runs_lists_both_the_latest_first(place: Place) -> None:
    listed = [json.loads(line) for line in place.call("runs", "--output", "json").stdout.splitlines()]
    own = [(run["name"], run["status"]) for run in listed if run["name"] in (place.partial, place.failed)]
    assert own == [(place.failed, "FAILED"), (place.partial, "SUCCEEDED")]


@everywhere
def test_status_tells_how_the_run_ended(place: Place) -> None:
    for run, status in ((place.partial, "SUCCEEDED"), (place.failed, "FAILED")):
        found = result_of(place.call("status", run, "--output", "json"))
        assert (found["name"], found["status"]) == (run, status)


@everywhere
def test_result_is_partial_or_names_the_way_to_the_failures(place: Place) -> None:
    done = place.call("result", place.partial)
    assert done.returncode == 0
    assert f"partial total {sum(range(20)) - sum(BAD)}" in done.stdout
    failed = place.call("result", place.failed)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert f"hpc failures {place.failed}" in failed.stderr


@everywhere
def test_failures_have_index_input_error_and_batch(place: Place) -> None:
    found = [json.loads(line) for line in place.call("failures", place.partial, "--output", "json").stdout.splitlines()]
    told = sorted((item["index"], item["input"], item["batch"], item["error"], item["cause"]) for item in found)
    line = "(sensitive.py:9 in compute)"
    assert told == [(bad, bad, bad // 5, "ValueError", f"{bad} is bad {line}") for bad in BAD]
    assert {item["attempts"] for item in found} == {None if place.has_jobs else 1}


@everywhere
def test_failures_of_a_run_that_failed_name_items_that_are_bad(place: Place) -> None:
    found = [json.loads(line) for line in place.call("failures", place.failed, "--output", "json").stdout.splitlines()]
    assert found
    for item in found:
        assert item["index"] in BAD
        assert (item["input"], item["batch"]) == (item["index"], item["index"] // 5)
        has_history = place.name in ("standard children", "aws")
        assert item["attempts"] == (1 if has_history else None)


@everywhere
def test_replay_computes_an_item_once_more(place: Place) -> None:
    done = place.call("replay", place.partial, "3", "--workload", str(place.home.workload))
    assert done.returncode == 1
    assert "computing 3" in done.stdout
    assert "ValueError: 3 is bad" in done.stderr


@everywhere
def test_logs_of_an_item_are_the_lines_of_its_batch_and_no_others(place: Place) -> None:
    done = place.call("logs", "17", "--run", place.partial)
    assert done.returncode == 0
    printed = [line for line in done.stdout.splitlines() if line.startswith("computing")]
    assert printed == [f"computing {item}" for item in range(15, 20)]
    whole = place.call("logs", "--run", place.partial).stdout.splitlines()
    assert {f"computing {item}" for item in range(20)} <= set(whole)


@pytest.mark.parametrize("place", ["standard children"], indirect=True)
@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (("--size", "0"), "INDEX must be an item of {run}, which has none, got 0"),
        (("--input", '{"size": -1}'), "{run} has no items: Start did not form its batches"),
    ],
)
@pytest.mark.parametrize("command", ["logs", "replay"])
def test_item_of_a_run_without_items_is_refused(
    place: Place, given: tuple[str, ...], reason: str, command: str
) -> None:
    made = place.call("run", *given, "--assembly", place.home.connection.assembly, "--output", "json")
    run = result_of(made)["execution_arn"].rpartition(":")[2]
    done = place.call(command, *(("0", "--run", run) if command == "logs" else (run, "0")))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"hpc {command}: {reason.format(run=run)}\n")


@everywhere
def test_report_names_the_run(place: Place, tmp_path: Path) -> None:
    done = place.call("report", place.failed, "-o", str(tmp_path / "report.html"))
    assert done.returncode == 0, done.stderr
    assert place.failed in (tmp_path / "report.html").read_text(encoding="utf-8")


@everywhere
def test_stop_says_that_a_run_has_ended(place: Place) -> None:
    done = place.call("stop", place.failed)
    assert (done.returncode, done.stderr) == (0, f"{place.failed} has already ended: FAILED\n")


@everywhere
def test_redrive_of_a_partial_run_computes_its_failed_items_once_more(place: Place) -> None:
    assembly = () if place.name == "aws" else ("--assembly", place.home.connection.assembly)
    done = place.call("redrive", place.partial, *assembly, "--output", "json")
    result = result_of(done)
    assert (done.returncode, result["status"]) == (0, "SUCCEEDED")
    assert (result["output"]["count"], result["output"]["failed_items"]["first"]) == (20 - len(BAD), list(BAD))
    again = result["execution_arn"].rpartition(":")[2]
    found = [json.loads(line) for line in place.call("failures", again, "--output", "json").stdout.splitlines()]
    assert sorted(item["index"] for item in found) == list(BAD)
