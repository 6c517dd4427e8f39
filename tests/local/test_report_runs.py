"""`hpc report` and `hpc status` on every kind of run: nested machines, jobs of AWS Batch, Express children, AWS."""

import io
import json
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from assemblies import EXPRESS, copied
from aws_commands import deployed
from browser import draw, needs_chromium
from hpc_commands import assembly, call_with, result_of
from job_commands import arguments
from job_commands import assembly as assembly_with_jobs
from sfn_local.server import LocalServer
from workload_sources import ENDING, REHEARSAL

from hpc.cli.main import main
from hpc.targets.local import overlay_environment
from hpc.targets.workload_file import WorkloadFile

GOOD = '[{"name": "good"}, {"name": "small", "size": 2}]'
BAD = '[{"name": "bad", "fail": "on purpose"}]'


@dataclass(frozen=True)
class Home:
    """A home that is served, with the names of its runs."""

    folder: Path
    orchestration: str
    failed_orchestration: str
    array: str
    callback: str
    killed: str


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Serve a home whose jobs ran on a server that has ended; the job of the callback has been forgotten."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "ending.py").write_text(ENDING)
    params = json.dumps({"folder": str(folder), "at": 5, "always": True})
    killed = ["--workload", str(folder / "ending.py"), "--params", params]
    overlay = WorkloadFile("ending", ENDING.encode()).copy_to(folder)
    with (
        pytest.MonkeyPatch.context() as patch,
        LocalServer(folder, assembly_with_jobs(), environment=overlay_environment(overlay)),
    ):
        patch.setenv("HPC_HOME", str(folder))
        names = [
            _start("orchestrate", "--entries", GOOD),
            _start("orchestrate", "--entries", BAD),
            _start("run", "--size", "40", "--batch-size", "2", "--back-end", "batch"),
            _start("run", "--size", "10", "--back-end", "batch_callback"),
            _start("run", "--size", "12", "--batch-size", "4", "--back-end", "batch", *killed),
        ]
    with closing(sqlite3.connect(folder / "executions.sqlite", isolation_level=None)) as connection:
        connection.execute("DELETE FROM jobs WHERE id IN (SELECT id FROM jobs ORDER BY stopped DESC LIMIT 1 OFFSET 2)")
    with LocalServer(folder, assembly_with_jobs()):
        yield Home(folder, *names)


def _start(*options: str) -> str:
    """Run a command to its end, and return the name of what it started."""
    said = io.StringIO()
    with redirect_stderr(said), redirect_stdout(io.StringIO()):
        main(arguments(*options))
    found = re.search(r"started (\S+?):?(?:\s|$)", said.getvalue())
    assert found is not None, said.getvalue()
    return found[1]


class Looks:
    """Output of `hpc` about the runs of a home that is served."""

    def __init__(self, capture: pytest.CaptureFixture[str], folder: Path) -> None:
        self._capture = capture
        self.report = folder / "report.html"

    def page(self, run: str) -> str:
        self._call("report", run, "-o", str(self.report))
        return self.report.read_text(encoding="utf-8")

    def read(self, run: str) -> str:
        """Return what a person reads of a report."""
        return plain(self.page(run))

    def status(self, *run: str) -> dict[str, Any]:
        return result_of(self._call("status", *run, "--output", "json"))

    def status_text(self, run: str) -> str:
        return self._call("status", run).stdout

    def _call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = call_with(self._capture, *arguments)
        assert done.returncode == 0, done.stderr
        return done


@pytest.fixture
def looks(home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Looks:
    monkeypatch.setenv("HPC_HOME", str(home.folder))
    return Looks(capsys, tmp_path)


def plain(page: str) -> str:
    """Return what a person reads of a page, cells apart."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.partition("</style>")[2]))


def test_report_of_an_orchestration_has_a_graph_for_each_machine(looks: Looks, home: Home) -> None:
    page = looks.page(home.orchestration)
    graphs = re.findall(r'<h2 id="machine-\d">States of (?:Orchestrator)?([A-Z]\w+)</h2>', page)
    assert graphs == ["ComplexOrchestrator", "SyncNested", "CallbackNotify", "MapReduce"]
    assert page.count('<svg class="graph"') == 4
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    read = plain(page)
    assert "OrchestratorSyncNestedStateMachine" in read
    assert "2 SUCCEEDED" in read
    assert "18 of 18" in read  # child executions of both entries
    assert "Jobs of AWS Batch" in read
    assert "on AWS it would cost" in read
    assert "task_token" not in page


def test_report_of_an_orchestration_that_failed_has_what_was_caught_and_tried_again(looks: Looks, home: Home) -> None:
    read = looks.read(home.failed_orchestration)
    assert "FailureRequestedError: entry bad failed: on purpose" in read
    assert "SyncNested ! CAUGHT" in read
    assert "4 FAILED" in read  # begun anew three times
    assert "retries: SyncNested 3" in read


def test_status_of_an_orchestration_counts_the_executions_of_each_machine(looks: Looks, home: Home) -> None:
    found = looks.status(home.orchestration)
    assert found["executions"]["OrchestratorComplexOrchestrator"] == {"SUCCEEDED": 1}
    assert found["executions"]["MapReduce"] == {"SUCCEEDED": 2}
    failed = looks.status_text(home.failed_orchestration)
    assert "OrchestratorSyncNested 4 of 4 done, 4 failed" in failed


def test_jobs_that_ran_on_a_server_that_has_ended_are_drawn_and_priced(looks: Looks, home: Home) -> None:
    read = looks.read(home.array)
    assert "Jobs at a time" in read
    assert "20 of 20 jobs" in read
    assert re.search(r"batch:(\d+) batch \1 ✓ SUCCEEDED", read)
    assert "Fargate vCPU-hours" in read
    assert "public_ipv4_hour" in read  # a price that is not confirmed
    found = looks.status(home.array)
    assert found["jobs"] == {"SUCCEEDED": 20}
    assert found["is_charged"] is False
    # 20 jobs of a minute at least: 1/3 vCPU-hour.
    assert 0.33 * 0.01 < found["usd_so_far"] < 0.33 * 0.1


def test_job_that_aws_batch_has_forgotten_is_named(looks: Looks, home: Home) -> None:
    read = looks.read(home.callback)
    assert "AWS Batch has forgotten job" in read
    assert "Without the jobs of 1 of the runs in it" in read


def test_jobs_that_failed_are_counted_with_the_first_reason(looks: Looks, home: Home) -> None:
    read = looks.read(home.killed)
    # An array of three, submitted twice; the killed child fails both times.
    assert "2 of 6 failed jobs" in read
    assert "2 jobs failed, the first: " in read
    assert "which items failed is not known" in read
    assert looks.status(home.killed)["jobs"] == {"SUCCEEDED": 4, "FAILED": 2}


@pytest.fixture(scope="module")
def express(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Serve a home with one run of Express children, of which an item failed."""
    folder = tmp_path_factory.mktemp("express")
    made = copied(folder, EXPRESS, workloads={"rehearsal.py": REHEARSAL})
    with LocalServer(folder, made):
        yield folder


def test_run_of_express_children_is_drawn_and_priced_as_such(
    express: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("HPC_HOME", str(express))
    looks = Looks(capfd, tmp_path)
    failing = ["--params", '{"raise": [3]}', "--tolerated-failure-percentage", "20"]
    run = ["run", "--size", "10", "--batch-size", "1", "--workload", "rehearsal", *failing]
    assert call_with(capfd, *run, "--assembly", str(express / "assembly")).returncode == 0
    status = looks.status()
    read = looks.read(status["name"])
    assert "Express executions 10 10" in read
    assert "Child executions at a time" in read
    assert re.search(r"ValueError: 3 is bad \(rehearsal\.py:\d+ in compute\) 1 3 1", read)
    assert status["usd_so_far"] > 0


def test_status_and_report_of_a_deployed_stack_estimate_the_bill(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with deployed(tmp_path, assembly()) as on_aws:
        run = ("run", "--size", "20", "--batch-size", "5", "--workload", "squares")
        assert on_aws.call(capfd, *run).returncode == 0
        status = on_aws.call(capfd, "status")
        assert "about $" in status.stdout
        report = on_aws.call(capfd, "report", "-o", str(tmp_path / "report.html"))
        assert report.returncode == 0, report.stderr
    read = plain((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "estimated cost" in read
    assert "Lambda requests 6 6" in read
    assert "the bill itself is AWS's" in read.replace("&#x27;", "'")


@needs_chromium
@pytest.mark.parametrize(
    ("run", "width_pixels", "scheme"),
    [
        ("orchestration", 1_200, "dark"),
        ("failed_orchestration", 500, "light"),
        ("killed", 500, "dark"),
        ("array", 1_200, "light"),
    ],
)
def test_report_is_drawn_by_a_browser_without_an_error_or_a_request(
    looks: Looks, home: Home, tmp_path: Path, run: str, width_pixels: int, scheme: str
) -> None:
    looks.page(getattr(home, run))
    picture = tmp_path / "report.png"
    drawn = draw(looks.report, tmp_path, width_pixels=width_pixels, scheme=scheme, picture=picture)
    assert drawn.complaints == []
    assert drawn.width_pixels <= width_pixels
    assert picture.stat().st_size > 20_000
