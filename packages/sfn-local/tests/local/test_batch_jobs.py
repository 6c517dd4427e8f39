"""Jobs: processes, attempts, array jobs and their ends."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from job_service import Jobs, open_jobs, run, statuses
from processes import wait_until_gone

PRINT_ENVIRONMENT = "import json, os, sys; print(json.dumps([dict(os.environ), os.getcwd(), sys.argv]))"
EXIT_WITH = "import os, sys; sys.exit(int(os.environ['CODE']))"
WAIT = "import pathlib, time; pathlib.Path('started').touch(); time.sleep(600)"
IGNORE_SIGTERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAIT}"


def exit_with(code: int) -> dict[str, Any]:
    return {"environment": [{"name": "CODE", "value": str(code)}]}


async def started(jobs: Jobs) -> None:
    """Wait until the code of a waiting job has begun."""
    while not (jobs.code / "started").exists():  # noqa: ASYNC110 - another process makes the file
        await asyncio.sleep(0.01)


def test_job_runs_its_command_in_its_code_with_its_environment(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_jobs(tmp_path) as jobs:
            own = [{"name": "A", "value": "definition"}, {"name": "B", "value": "definition"}]
            jobs.define("show", PRINT_ENVIRONMENT, environment=own)
            job = await jobs.run(
                "show",
                containerOverrides={
                    "command": ["python", "-m", "show", "argument"],
                    "environment": [{"name": "B", "value": "submitted"}, {"name": "FROM_BASE", "value": "submitted"}],
                },
            )
            environment, folder, arguments = json.loads(jobs.log(job))
            assert (environment["A"], environment["B"], environment["FROM_BASE"]) == ("definition", "submitted", "base")
            assert environment["AWS_BATCH_JOB_ID"] == job["jobId"]
            assert environment["AWS_BATCH_JOB_ATTEMPT"] == "1"
            assert environment["AWS_BATCH_JQ_NAME"] == "queue"
            assert "AWS_BATCH_JOB_ARRAY_INDEX" not in environment
            assert folder == str(jobs.code)
            assert arguments[1:] == ["argument"]
            assert job["status"] == "SUCCEEDED"
            assert job["container"]["exitCode"] == 0
            assert [*statuses(jobs.changes, job["jobId"])] == ["RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"]
            assert 0 < job["createdAt"] <= job["startedAt"] <= job["stoppedAt"]

    run(scenario())


def test_job_that_passes_the_memory_of_its_container_is_killed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_jobs(tmp_path) as jobs:
            jobs.define("fill", "import os, time; held = [os.urandom(1 << 20) for _ in range(700)]; time.sleep(600)")
            job = await jobs.run("fill")  # 512 MiB, the least that a container has
            assert (job["status"], job["statusReason"]) == ("FAILED", "Essential container in task exited")
            assert job["container"]["exitCode"] == 137
            assert job["container"]["reason"] == "OutOfMemoryError: Container killed due to memory usage"

    run(scenario())


def test_job_sees_nothing_of_the_users_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "poisoned")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "poisoned")

    async def scenario() -> None:
        async with open_jobs(tmp_path) as jobs:
            jobs.define("show", PRINT_ENVIRONMENT)
            job = await jobs.run("show")
            environment, _folder, _arguments = json.loads(jobs.log(job))
            assert "poisoned" not in environment.values()
            assert environment["HOME"] != str(Path.home())

    run(scenario())


def test_command_of_another_program_runs_without_a_shell(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_jobs(tmp_path) as jobs:
            jobs.define_command("echo", ["echo", "a; b", "$HOME"])
            job = await jobs.run("echo")
            assert jobs.log(job) == "a; b $HOME\n"
            jobs.define_command("missing", ["no-such-program"])
            job = await jobs.run("missing")
            assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 127)
            assert "no-such-program" in jobs.log(job)

    run(scenario())


@pytest.mark.parametrize(
    ("rules", "attempts"),
    [
        ([], 3),
        ([{"onReason": "*", "action": "EXIT"}], 1),
        ([{"onExitCode": "4", "action": "EXIT"}], 3),
        ([{"onExitCode": "3*", "action": "exit"}], 1),
        ([{"onExitCode": "3", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}], 3),
        ([{"onStatusReason": "Essential*", "onExitCode": "4", "action": "EXIT"}], 3),
    ],
)
def test_failed_job_is_tried_again_as_its_rules_say(tmp_path: Path, rules: list[dict[str, str]], attempts: int) -> None:
    async def scenario() -> None:
        async with open_jobs(tmp_path) as jobs:
            jobs.define("leave", EXIT_WITH, retry_strategy={"attempts": 3, "evaluateOnExit": rules})
            job = await jobs.run("leave", containerOverrides=exit_with(3))
            assert job["status"] == "FAILED"
            assert job["statusReason"] == "Essential container in task exited"
            assert [attempt["container"]["exitCode"] for attempt in job["attempts"]] == [3] * attempts

    run(scenario())


def test_array_job_succeeds_when_each_child_has(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_jobs(tmp_path) as jobs:
            jobs.define("show", PRINT_ENVIRONMENT)
            job = await jobs.run("show", arrayProperties={"size": 5})
            children = await jobs.children(job)
            environments = [json.loads(jobs.log(child))[0] for child in children]
            assert [each["AWS_BATCH_JOB_ARRAY_INDEX"] for each in environments] == ["0", "1", "2", "3", "4"]
            assert {each["AWS_BATCH_JOB_ARRAY_SIZE"] for each in environments} == {"5"}
            recorded = [{"statusSummary": {}, "index": index} for index in range(5)]
            assert [child["arrayProperties"] for child in children] == recorded
            listed = await jobs.do("ListJobs", arrayJobId=job["jobId"], jobStatus="SUCCEEDED")
            summary = listed["jobSummaryList"][1]
            assert (summary["arrayProperties"], "jobDefinition" in summary) == ({"index": 1}, False)
            child = children[1]
            assert not {"retryStrategy", "isCancelled", "isTerminated"} & set(child)
            assert set(child["attempts"][0]) == {"container", "startedAt", "stoppedAt", "statusReason"}
            assert job["status"] == "SUCCEEDED"
            assert job["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 5
            assert [*statuses(jobs.changes, job["jobId"])] == ["PENDING", "SUCCEEDED"]

    run(scenario())


def test_array_job_fails_when_one_child_has_and_the_others_run_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_jobs(tmp_path) as jobs:
            jobs.define("third", "import os, sys; sys.exit(os.environ['AWS_BATCH_JOB_ARRAY_INDEX'] == '2')")
            job = await jobs.run("third", arrayProperties={"size": 6})
            assert (job["status"], job["statusReason"]) == ("FAILED", "Array Child Job failed")
            summary = job["arrayProperties"]["statusSummary"]
            assert (summary["SUCCEEDED"], summary["FAILED"]) == (5, 1)
            assert [child["status"] for child in await jobs.children(job)].index("FAILED") == 2

    run(scenario())


def test_job_ended_by_a_signal_has_its_exit_code(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_jobs(tmp_path) as jobs:
            jobs.define("kill", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
            job = await jobs.run("kill")
            assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 137)

    run(scenario())


def test_job_out_of_time_is_not_tried_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_jobs(tmp_path, speed=100) as jobs:
            jobs.define("wait", WAIT, retry_strategy={"attempts": 3}, timeout={"attemptDurationSeconds": 60})
            job = await jobs.run("wait")
            assert (job["status"], job["statusReason"]) == ("FAILED", "Job attempt duration exceeded timeout")
            assert len(job["attempts"]) == 1

    run(scenario())


# The grace of one that ends itself is as long as ever: killed as well it would have the other exit code.
@pytest.mark.parametrize(("source", "speed", "exit_code"), [(WAIT, 1, 143), (IGNORE_SIGTERM, 100, 137)])
def test_terminated_job_ends_itself_or_is_killed(tmp_path: Path, source: str, speed: float, exit_code: int) -> None:
    async def scenario() -> None:
        async with open_jobs(tmp_path, speed=speed) as jobs:
            jobs.define("wait", source, retry_strategy={"attempts": 3})
            job = await jobs.submit("wait")
            await started(jobs)
            await jobs.do("TerminateJob", jobId=job.id, reason="enough")
            await job.ended.wait()  # type: ignore[union-attr]  # it is no array
            (described,) = await jobs.describe(job.id)
            assert (described["status"], described["statusReason"]) == ("FAILED", "enough")
            assert described["container"]["exitCode"] == exit_code
            assert described["isTerminated"]

    run(scenario())


def test_terminated_array_job_starts_no_child_any_more(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_jobs(tmp_path, slots=1) as jobs:
            jobs.define("wait", WAIT)
            job = await jobs.submit("wait", arrayProperties={"size": 4})
            await started(jobs)
            await jobs.do("TerminateJob", jobId=job.id, reason="enough")
            await job.ended.wait()  # type: ignore[union-attr]  # it is no array
            (described,) = await jobs.describe(job.id)
            children = await jobs.children(described)
            assert [child["statusReason"] for child in [described, *children]] == ["enough"] * 5
            assert [bool(child["startedAt"]) for child in children] == [True, False, False, False]
            await jobs.do("TerminateJob", jobId=job.id, reason="again")  # without effect
            assert (await jobs.describe(job.id))[0]["statusReason"] == "enough"

    run(scenario())


def test_cancelled_job_ends_only_before_it_starts(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_jobs(tmp_path, slots=1) as jobs:
            jobs.define("wait", WAIT)
            first, second = await jobs.submit("wait"), await jobs.submit("wait")
            await jobs.do("CancelJob", jobId=first.id, reason="no")
            await jobs.do("CancelJob", jobId=second.id, reason="no")
            assert (first.status, second.status) == ("RUNNING", "FAILED")
            assert (second.status_reason, second.is_cancelled) == ("no", True)

    run(scenario())


@pytest.mark.parametrize(("slots", "vcpus", "at_once"), [(2, "1", 2), (8, "4", 2), (8, "0.25", 8), (1, "0.25", 1)])
def test_no_more_jobs_run_at_once_than_processors_and_vcpus_allow(
    tmp_path: Path, slots: int, vcpus: str, at_once: int
) -> None:
    async def scenario() -> None:
        async with open_jobs(tmp_path, slots=slots) as jobs:
            jobs.define("short", "", vcpus=vcpus)
            job = await jobs.run("short", arrayProperties={"size": 12})
            running, most = 0, 0
            for job_id, status in jobs.changes:
                if ":" in job_id:
                    running += (status == "RUNNING") - (status in ("SUCCEEDED", "FAILED"))
                    most = max(most, running)
            assert job["status"] == "SUCCEEDED"
            assert most == at_once

    run(scenario())


def test_every_process_ends_with_the_service(tmp_path: Path) -> None:
    source = (
        "import os, pathlib, subprocess, sys, time\n"
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "pathlib.Path('pids').write_text(f'{os.getpid()} {other.pid}')\n" + WAIT
    )

    async def scenario() -> list[int]:
        async with open_jobs(tmp_path) as jobs:
            jobs.define("wait", source)
            await jobs.submit("wait")
            await started(jobs)
            return [int(pid) for pid in (jobs.code / "pids").read_text().split()]

    wait_until_gone(run(scenario()))


def test_jobs_survive_the_death_of_the_process_that_forks_them(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_jobs(tmp_path) as jobs:
            jobs.define("wait", WAIT)
            jobs.define("leave", EXIT_WITH)
            job = await jobs.submit("wait")
            await started(jobs)
            forking = jobs.service._processes._server.process_id
            assert forking is not None
            os.kill(forking, signal.SIGKILL)
            await job.ended.wait()  # type: ignore[union-attr]  # it is no array
            assert (await jobs.describe(job.id))[0]["container"]["exitCode"] == 137
            assert (await jobs.run("leave", containerOverrides=exit_with(0)))["status"] == "SUCCEEDED"

    run(scenario())


def test_job_whose_log_has_no_place_fails_as_one_that_cannot_start_and_the_next_ones_run(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_jobs(tmp_path, slots=1) as jobs:
            place = tmp_path / "logs/jobs"
            place.write_text("not a folder")
            jobs.define("leave", "", retry_strategy={"attempts": 2})
            job = await jobs.run("leave", arrayProperties={"size": 3})
            children = await jobs.children(job)
            assert [child["status"] for child in [job, *children]] == ["FAILED"] * 4
            for attempt in [attempt for child in children for attempt in child["attempts"]]:
                assert attempt["container"]["reason"].startswith("CannotStartContainerError: [Errno ")
            assert [len(child["attempts"]) for child in children] == [2] * 3
            place.unlink()
            assert (await jobs.run("leave"))["status"] == "SUCCEEDED"

    run(scenario())
