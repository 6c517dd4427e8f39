"""`hpc report` and `hpc status` on every kind of run: nested machines, jobs of AWS Batch, Express children, AWS."""

import json
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from assemblies import EXPRESS, copied
from aws_commands import deployed
from browser import draw, needs_chromium
from hpc_commands import REHEARSAL, assembly, call, call_with, environment
from job_commands import assembly as assembly_with_jobs
from job_commands import command, write_workload

from hpc_local.server import LocalServer

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
    """Serve a home whose jobs ran on servers that have ended; the job of the callback has been forgotten."""
    folder = tmp_path_factory.mktemp("home")
    params = json.dumps({"folder": str(folder), "at": 5, "always": True})
    killed = ["--workload", write_workload(folder), "--params", params]
    names = [
        _start(folder, "orchestrate", "--entries", GOOD),
        _start(folder, "orchestrate", "--entries", BAD),
        _start(folder, "run", "--size", "40", "--batch-size", "2", "--back-end", "batch"),
        _start(folder, "run", "--size", "10", "--back-end", "batch_callback"),
        _start(folder, "run", "--size", "12", "--batch-size", "4", "--back-end", "batch", *killed),
    ]
    with closing(sqlite3.connect(folder / "executions.sqlite", isolation_level=None)) as connection:
        connection.execute("DELETE FROM jobs WHERE id IN (SELECT id FROM jobs ORDER BY stopped DESC LIMIT 1 OFFSET 2)")
    with LocalServer(folder, assembly_with_jobs()):
        yield Home(folder, *names)


def _start(folder: Path, *options: str) -> str:
    """Run a command to its end, and return the name of what it started."""
    done = subprocess.run(command(*options), env=environment(folder), capture_output=True, text=True, check=False)
    found = re.search(r"started (\S+?):?(?:\s|$)", done.stderr)
    assert found is not None, done.stderr
    return found[1]


@pytest.fixture
def looked_at(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("HPC_HOME", str(home.folder))
    return home


def page_of(capture: pytest.CaptureFixture[str], folder: Path, run: str) -> str:
    done = call(capture, "report", run, "-o", str(folder / "report.html"))
    assert done.returncode == 0, done.stderr
    return (folder / "report.html").read_text(encoding="utf-8")


def status_of(capture: pytest.CaptureFixture[str], *run: str) -> dict[str, object]:
    done = call(capture, "status", *run, "--output", "json")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def plain(page: str) -> str:
    """Return what a person reads of a page, cells apart."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.partition("</style>")[2]))


def test_report_of_an_orchestration_has_a_graph_for_each_machine(
    looked_at: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = page_of(capsys, tmp_path, looked_at.orchestration)
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


def test_report_of_an_orchestration_that_failed_has_what_was_caught_and_tried_again(
    looked_at: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    read = plain(page_of(capsys, tmp_path, looked_at.failed_orchestration))
    assert "FailureRequestedError: entry bad failed: on purpose" in read
    assert "SyncNested ! CAUGHT" in read
    assert "4 FAILED" in read  # begun anew three times
    assert "retries: SyncNested 3" in read


def test_status_of_an_orchestration_counts_the_executions_of_each_machine(
    looked_at: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    found = status_of(capsys, looked_at.orchestration)
    executions = found["executions"]
    assert isinstance(executions, dict)
    assert executions["OrchestratorComplexOrchestrator"] == {"SUCCEEDED": 1}
    assert executions["MapReduce"] == {"SUCCEEDED": 2}
    failed = call(capsys, "status", looked_at.failed_orchestration).stdout
    assert "OrchestratorSyncNested 4 of 4 done, 4 failed" in failed


def test_jobs_that_ran_on_a_server_that_has_ended_are_drawn_and_priced(
    looked_at: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    read = plain(page_of(capsys, tmp_path, looked_at.array))
    assert "Jobs at a time" in read
    assert "20 of 20 jobs" in read
    assert re.search(r"batch:(\d+) batch \1 ✓ SUCCEEDED", read)
    assert "Fargate vCPU-hours" in read
    assert "public_ipv4_hour" in read  # a price that is not confirmed
    found = status_of(capsys, looked_at.array)
    assert found["jobs"] == {"SUCCEEDED": 20}
    assert found["is_charged"] is False
    # 20 jobs of a minute at least: 1/3 vCPU-hour.
    usd = found["usd_so_far"]
    assert isinstance(usd, float)
    assert 0.33 * 0.01 < usd < 0.33 * 0.1


def test_job_that_aws_batch_has_forgotten_is_named(
    looked_at: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    read = plain(page_of(capsys, tmp_path, looked_at.callback))
    assert "AWS Batch has forgotten job" in read
    assert "Without the jobs of 1 of the runs in it" in read


def test_jobs_that_failed_are_counted_with_the_first_reason(
    looked_at: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    read = plain(page_of(capsys, tmp_path, looked_at.killed))
    # An array of three, submitted twice; the killed child fails both times.
    assert "2 of 6 failed jobs" in read
    assert "2 jobs failed, the first: " in read
    assert "which items failed is not known" in read
    assert status_of(capsys, looked_at.killed)["jobs"] == {"SUCCEEDED": 4, "FAILED": 2}


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
    failing = ["--params", '{"raise": [3]}', "--tolerated-failure-percentage", "20"]
    run = ["run", "--size", "10", "--batch-size", "1", "--workload", "rehearsal", *failing]
    assert call_with(capfd, *run, "--assembly", str(express / "assembly")).returncode == 0
    read = plain(page_of(capfd, tmp_path, status_of(capfd)["name"]))  # type: ignore[arg-type]  # its name is text
    assert "Express executions 10 10" in read
    assert "Child executions at a time" in read
    assert "ValueError: N is bad 1 3 1" in read
    assert status_of(capfd)["usd_so_far"]


def test_status_and_report_of_a_deployed_stack_estimate_the_bill(tmp_path: Path) -> None:
    with deployed(tmp_path, assembly()) as on_aws:
        assert on_aws("run", "--size", "20", "--batch-size", "5", "--workload", "squares").returncode == 0
        status = on_aws("status")
        assert "about $" in status.stdout
        report = on_aws("report", "-o", str(tmp_path / "report.html"))
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
    looked_at: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path, run: str, width_pixels: int, scheme: str
) -> None:
    page_of(capsys, tmp_path, getattr(looked_at, run))
    picture = tmp_path / "report.png"
    drawn = draw(tmp_path / "report.html", tmp_path, width_pixels=width_pixels, scheme=scheme, picture=picture)
    assert drawn.complaints == []
    assert drawn.width_pixels <= width_pixels
    assert picture.stat().st_size > 20_000
