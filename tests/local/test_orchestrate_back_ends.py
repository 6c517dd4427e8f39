"""`hpc run --back-end`: jobs compute the same, and nothing is left of them."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from hpc_commands import digits, environment, key_total, result_of
from job_commands import arguments, assembly, command, process_ids, write_workload
from processes import wait_until_gone
from sfn_local.server import Connection, LocalServer

from hpc.cli.main import main
from hpc.targets.local import overlay_environment

JOBS = ("batch", "batch_callback")


def run(
    capture: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    monkeypatch.setenv("HPC_HOME", str(home))
    code = main(arguments("run", "--output", "json", *options))
    shown = capture.readouterr()
    return subprocess.CompletedProcess([], code, shown.out, shown.err)


@pytest.mark.parametrize("size", [0, 1, 1024])
@pytest.mark.parametrize("back_end", JOBS)
def test_every_back_end_gives_the_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, back_end: str, size: int
) -> None:
    done = run(capsys, monkeypatch, tmp_path, "--size", str(size), "--back-end", back_end)
    assert done.returncode == 0
    output = result_of(done)["output"]
    assert (output["total_sum"], output["count"]) == (digits(key_total(size)), size)


def test_killed_child_of_an_array_job_leads_to_another_one_that_computes_what_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    params = json.dumps({"folder": str(tmp_path), "at": 5})
    options = ("--workload", write_workload(tmp_path), "--params", params, "--batch-size", "2")
    done = run(capsys, monkeypatch, tmp_path / "home", "--size", "20", "--back-end", "batch", *options)
    assert done.returncode == 0
    output = result_of(done)["output"]
    assert (output["result"], output["count"], output["duplicates"]) == (str(sum(range(20))), 20, 0)
    logs = [path.read_text() for path in (tmp_path / "home" / "logs" / "jobs").rglob("*.log")]
    assert len(logs) == 2 * 10
    assert sum("the part is there" in log for log in logs) == 9


def test_array_job_that_fails_again_names_its_failed_jobs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    params = json.dumps({"folder": str(tmp_path), "at": 5, "always": True})
    options = ("--workload", write_workload(tmp_path), "--params", params, "--batch-size", "4")
    done = run(capsys, monkeypatch, tmp_path / "home", "--size", "20", "--back-end", "batch", *options)
    assert done.returncode == 1
    assert result_of(done)["error"] == "States.TaskFailed"
    failed = done.stderr[done.stderr.index("FAILED after") :].splitlines()
    assert failed[0].endswith("FAILED: Array Child Job failed")
    assert failed[1] == "1 of 5 jobs failed:"
    assert failed[2].startswith("  job 1: Essential container in task exited; exit code 137; log stream jobs/")


def test_killed_job_fails_the_task_that_waits_for_its_token(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    params = json.dumps({"folder": str(tmp_path), "at": 5, "always": True})
    options = ("--workload", write_workload(tmp_path), "--params", params)
    done = run(capsys, monkeypatch, tmp_path / "home", "--size", "20", "--back-end", "batch_callback", *options)
    assert done.returncode == 1
    result = result_of(done)
    assert (result["status"], result["error"]) == ("FAILED", "JobKilledError")
    assert "the process that computed was ended by signal 9 (SIGKILL), in batch " in result["cause"]


@pytest.mark.parametrize("back_end", JOBS)
@pytest.mark.parametrize("way", ["interrupt", "stop"])
def test_nothing_is_left_of_a_run_that_is_ended(tmp_path: Path, back_end: str, way: str) -> None:
    workload = write_workload(tmp_path)
    home, params = tmp_path / "home", json.dumps({"folder": str(tmp_path), "seconds": 600})
    options = ("--size", "4", "--back-end", back_end, "--workload", workload, "--params", params)
    with subprocess.Popen(
        command("run", *options), env=environment(home), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as following:
        try:
            assert following.stderr is not None
            started = next(line for line in following.stderr if line.startswith("started "))
            pids = process_ids(tmp_path, 1)
            if way == "interrupt":
                following.send_signal(signal.SIGINT)
            else:
                stop = [command("stop")[0], "stop", started.split()[1]]
                subprocess.run(stop, env=environment(home), check=True, timeout=60)
            following.communicate(timeout=60)
        finally:
            following.kill()
    assert following.returncode == (130 if way == "interrupt" else 1)
    wait_until_gone(pids)


def clients(connection: Connection) -> tuple[Any, Any]:
    made = (
        boto3.client(
            service,
            endpoint_url=connection.endpoint_url,
            region_name=connection.region,
            aws_access_key_id=connection.access_key_id,
            aws_secret_access_key=connection.secret_access_key,
        )
        for service in ("stepfunctions", "batch")
    )
    return next(made), next(made)


@pytest.mark.parametrize("back_end", JOBS)
def test_jobs_of_a_stopped_execution_end_while_the_server_goes_on(tmp_path: Path, back_end: str) -> None:
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    write_workload(overlay)
    given = {"size": 4, "back_end": back_end, "workload": "ending", "params": {"folder": str(tmp_path), "seconds": 600}}
    with LocalServer(tmp_path / "home", assembly(), environment=overlay_environment(overlay)) as connection:
        states, batch = clients(connection)
        arn = states.start_execution(
            stateMachineArn=connection.outputs["StateMachineArn"], name="stopped", input=json.dumps(given)
        )["executionArn"]
        pids = process_ids(tmp_path, 1)
        states.stop_execution(executionArn=arn)
        limit = time.monotonic() + 60
        while not (
            failed := batch.list_jobs(jobQueue=connection.outputs["JobQueueArn"], jobStatus="FAILED")["jobSummaryList"]
        ):
            assert time.monotonic() < limit, "the job goes on"
            time.sleep(0.05)
        assert [job["jobName"] for job in failed] == [f"MapReduce-stopped-{back_end}"]
        wait_until_gone(pids)
        assert states.describe_execution(executionArn=arn)["status"] == "ABORTED"
