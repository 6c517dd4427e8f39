"""Jobs of AWS Batch as a report reads them, on a stubbed AWS: every request and answer is checked against its model."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber
from stubs import answering, deployed_stack

from hpc.runs.child_times import job_share, read_jobs
from hpc.runs.jobs import STARTED, JobSize, count_leaves, jobs_by_id, size_of
from hpc.runs.run_design import job_design
from hpc.targets.client import Target
from hpc.targets.deployed import FunctionSize, OnAws

BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
NOW = BEGIN + timedelta(seconds=500)
ARRAY = "array-1"
QUEUE = "arn:aws:batch:us-east-1:000000000000:job-queue/queue"


def milliseconds(seconds: float) -> int:
    return round((BEGIN.timestamp() + seconds) * 1_000)


def job(job_id: str, **more: Any) -> dict[str, Any]:
    """Return a job as DescribeJobs tells it."""
    container = {
        "resourceRequirements": [{"type": "VCPU", "value": "0.5"}, {"type": "MEMORY", "value": "2048"}],
        "runtimePlatform": {"cpuArchitecture": "ARM64"},
    }
    described = {"jobId": job_id, "jobName": "job", "jobQueue": QUEUE, "status": "RUNNING", "jobDefinition": "d"}
    return {**described, "startedAt": milliseconds(0), "container": container, **more}


def array_job(size: int, **counts: int) -> dict[str, Any]:
    return job(ARRAY, arrayProperties={"size": size, "statusSummary": counts})


def child(index: int, status: str) -> dict[str, Any]:
    """Return a child as ListJobs tells it; it began at its index in seconds and took twice that."""
    summary = {"jobId": f"{ARRAY}:{index}", "jobName": "job", "status": status, "arrayProperties": {"index": index}}
    stopped = {"stoppedAt": milliseconds(3 * index)} if status in ("SUCCEEDED", "FAILED") else {}
    reason = {"statusReason": "Host EC2 terminated"} if status == "FAILED" else {}
    return {**summary, "startedAt": milliseconds(index), **stopped, **reason}


@pytest.fixture
def target() -> Target:
    return deployed_stack("arn")


@pytest.fixture
def batch(target: Target) -> Iterator[Stubber]:
    with answering(target.batch) as stub:
        yield stub


def add_children(stub: Stubber, **of_status: list[int]) -> None:
    """Answer ListJobs for every status of jobs that don't wait, in pages of 100."""
    for status in STARTED:
        indexes = of_status.get(status, [])
        for first in range(0, max(1, len(indexes)), 100):
            page = {"jobSummaryList": [child(index, status) for index in indexes[first : first + 100]]}
            more = {"nextToken": f"{status}-{first + 100}"} if first + 100 < len(indexes) else {}
            token = {"nextToken": f"{status}-{first}"} if first else {}
            asked = {"arrayJobId": ARRAY, "jobStatus": status, "maxResults": 100, **token}
            stub.add_response("list_jobs", {**page, **more}, asked)


def test_children_of_an_array_job_are_listed_page_by_page_and_by_status(target: Target, batch: Stubber) -> None:
    add_children(batch, SUCCEEDED=[*range(250)], FAILED=[250, 251], RUNNING=[252], STARTING=[253])
    children = read_jobs(target, [array_job(256, RUNNABLE=1, PENDING=1, SUCCEEDED=250)], 256, NOW)
    assert children.statuses == {"SUCCEEDED": 250, "FAILED": 2, "RUNNING": 2, "PENDING": 2}
    assert len(children.starts) == 254
    assert children.samples["FAILED"] == {"Error": "Host EC2 terminated"}
    slowest = max(children.slowest)
    assert (slowest.name, slowest.status, slowest.share, slowest.seconds) == ("job:251", "FAILED", "batch 251", 502)


def test_child_that_runs_has_run_until_now(target: Target, batch: Stubber) -> None:
    add_children(batch, RUNNING=[100])
    assert read_jobs(target, [array_job(2)], 2, NOW).durations() == [400]


def test_job_that_is_no_array_is_one_container(target: Target) -> None:
    children = read_jobs(target, [job("one", status="SUCCEEDED", stoppedAt=milliseconds(9))], 40, NOW)
    assert (children.durations(), children.slowest[0].share) == ([9], "batches 0 to 39")


def test_jobs_are_described_by_hundreds_and_those_that_were_forgotten_left_out(target: Target, batch: Stubber) -> None:
    ids = [f"job-{number}" for number in range(130)]
    batch.add_response("describe_jobs", {"jobs": [job(each) for each in ids[:100]]}, {"jobs": ids[:100]})
    batch.add_response("describe_jobs", {"jobs": [job("job-129")]}, {"jobs": ids[100:]})
    assert len(jobs_by_id(target, ids)) == 101


@pytest.mark.parametrize(("kind", "back_end"), [("FARGATE", "fargate"), ("FARGATE_SPOT", "fargate_spot")])
def test_design_of_a_job_is_its_size_and_where_its_queue_runs(
    target: Target, batch: Stubber, kind: str, back_end: str
) -> None:
    queue = {"jobQueueName": "queue", "jobQueueArn": QUEUE, "state": "ENABLED", "priority": 1}
    queue |= {"computeEnvironmentOrder": [{"order": 1, "computeEnvironment": "environment"}]}
    batch.add_response("describe_job_queues", {"jobQueues": [queue]}, {"jobQueues": [QUEUE]})
    environment = {"computeEnvironmentName": "environment", "computeEnvironmentArn": "environment"}
    environment |= {"computeResources": {"type": kind, "maxvCpus": 6, "subnets": []}}
    asked = {"computeEnvironments": ["environment"]}
    batch.add_response("describe_compute_environments", {"computeEnvironments": [environment]}, asked)
    of_aws = OnAws(target)
    described = array_job(4, SUCCEEDED=3, RUNNING=1)
    designs = [job_design(described, of_aws, batch_size=7) for _ in range(2)]  # asked once
    assert designs[0] == designs[1]
    design = designs[0]
    assert (design.back_end, design.architecture, design.vcpus, design.memory_mib) == (back_end, "arm64", 0.5, 2_048)
    assert (design.job_count, design.batch_size) == (4, 7)


def test_size_of_a_function_on_aws_is_asked_for_once(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    functions = target.client("lambda")
    monkeypatch.setattr(Target, "client", lambda _target, _service: functions)
    with Stubber(functions) as stub:
        answer = {"MemorySize": 4_092, "Architectures": ["x86_64"], "Timeout": 900}
        stub.add_response("get_function_configuration", answer, {"FunctionName": "compute"})
        of_aws = OnAws(target)
        assert [of_aws.function("compute") for _ in range(2)] == [FunctionSize(4_092, "x86_64", 900)] * 2


def test_job_without_a_platform_is_of_x86_and_one_container() -> None:
    described = job("one", container={"resourceRequirements": [{"type": "VCPU", "value": "1"}]})
    assert size_of(described) == JobSize(1, 0, "x86_64")
    assert count_leaves(described) == {"RUNNING": 1}


@pytest.mark.parametrize(
    ("batches", "size", "shares"),
    [
        (3, 3, ["batch 0", "batch 1", "batch 2"]),
        (5, 2, ["batches 0 to 1", "batches 2 to 4"]),
        (1, 2, ["none", "batch 0"]),
    ],
)
def test_share_of_a_child_is_told_in_batches(batches: int, size: int, shares: list[str]) -> None:
    assert [job_share(batches, size, index) for index in range(size)] == shares
