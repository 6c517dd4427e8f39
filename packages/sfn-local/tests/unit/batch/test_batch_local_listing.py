"""ListJobs: what it lists, page by page, and what it refuses."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sfn_local.arns import Account
from sfn_local.batch.jobs import ArrayJob, Job
from sfn_local.batch.resources import JobDefinition, JobQueue, JobRequest
from sfn_local.batch.service import BatchService
from sfn_local.batch.store import MAX_KEPT_JOBS, JobStore
from sfn_local.clock import Clock
from sfn_local.protocol import ServiceError

ACCOUNT = Account()
QUEUE = JobQueue(name="queue", arn="arn:queue", priority=1, compute_environments=(), max_vcpus=1)
OTHER = JobQueue(name="other", arn="arn:other", priority=1, compute_environments=(), max_vcpus=1)
DEFINITION = JobDefinition(
    name="definition",
    revision=1,
    arn="arn:definition:1",
    container={},
    retry_strategy={},
    timeout={},
    platform_capabilities=(),
    code=Path(),
)


def request(name: str, *, queue: JobQueue = QUEUE, array_size: int = 0) -> JobRequest:
    return JobRequest(
        name=name,
        queue=queue,
        definition=DEFINITION,
        code=Path(),
        array_size=array_size,
        command=(),
        environment={},
        retry_strategy={"attempts": 1, "evaluateOnExit": []},
        timeout={},
        tags={},
        propagate_tags=False,
    )


@pytest.fixture
def service(tmp_path: Path) -> BatchService:
    """Return a service that holds jobs and runs none."""
    made = BatchService(
        account=ACCOUNT,
        clock=Clock(),
        slots=1,
        log_folder=tmp_path,
        base_environment={},
        on_change=lambda _job: None,
    )
    made.resources.add([QUEUE, OTHER], [DEFINITION])
    return made


def add(service: BatchService, name: str, status: str, created_at: int = 0, **more: Any) -> Job:
    job = Job(request(name, **more), created_at)
    job.status = status
    service.store.add(job)
    return job


def call(service: BatchService, action: str, **params: Any) -> dict[str, Any]:
    return asyncio.run(service.handle(action, params, "test"))


def names(service: BatchService, **params: Any) -> list[str]:
    listed = call(service, "ListJobs", **{"jobQueue": "queue"} | params)
    return [job["jobName"] for job in listed["jobSummaryList"]]


@pytest.fixture
def few(service: BatchService) -> BatchService:
    add(service, "Alpha-1", "RUNNING", 10)
    add(service, "alpha-2", "FAILED", 20)
    add(service, "beta", "SUCCEEDED", 30)
    add(service, "alpha-1", "RUNNING", 40, queue=OTHER)
    return service


def test_only_running_jobs_of_the_queue_are_listed_by_default(few: BatchService) -> None:
    assert names(few) == ["Alpha-1"]
    assert names(few, jobQueue=OTHER.arn) == ["alpha-1"]


def test_jobs_of_a_status_are_listed(few: BatchService) -> None:
    assert names(few, jobStatus="FAILED") == ["alpha-2"]
    assert names(few, jobStatus="PENDING") == []


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("JOB_NAME", ["alpha-1"], ["Alpha-1"]),
        ("JOB_NAME", ["ALPHA*"], ["alpha-2", "Alpha-1"]),
        ("JOB_NAME", ["alpha"], []),
        ("JOB_NAME", ["beta", "alpha-1"], ["beta", "Alpha-1"]),
        ("JOB_DEFINITION", ["definition:1"], ["beta", "alpha-2", "Alpha-1"]),
        ("JOB_DEFINITION", ["definition*"], ["beta", "alpha-2", "Alpha-1"]),
        ("BEFORE_CREATED_AT", ["20"], ["Alpha-1"]),
        ("AFTER_CREATED_AT", ["20"], ["beta"]),
    ],
)
def test_filter_lists_jobs_of_any_status_newest_first(
    few: BatchService, name: str, values: list[str], expected: list[str]
) -> None:
    assert names(few, filters=[{"name": name, "values": values}], jobStatus="PENDING") == expected


def test_pages_are_the_whole_list(service: BatchService) -> None:
    for index in range(7):
        add(service, f"job{index}", "RUNNING")
    pages, more = [], {}
    while True:
        answer = call(service, "ListJobs", jobQueue="queue", maxResults=3, **more)
        pages.append([job["jobName"] for job in answer["jobSummaryList"]])
        if "nextToken" not in answer:
            break
        more = {"nextToken": answer["nextToken"]}
    assert pages == [["job6", "job5", "job4"], ["job3", "job2", "job1"], ["job0"]]


def test_children_are_listed_by_index(service: BatchService) -> None:
    array = ArrayJob(request("array", array_size=5), 0)
    service.store.add(array)
    for child in array.children[1:4]:
        child.status = "RUNNING"
    listed = call(service, "ListJobs", arrayJobId=array.id, maxResults=2)
    assert [job["arrayProperties"]["index"] for job in listed["jobSummaryList"]] == [1, 2]
    rest = call(service, "ListJobs", arrayJobId=array.id, maxResults=2, nextToken=listed["nextToken"])
    assert [job["jobId"] for job in rest["jobSummaryList"]] == [f"{array.id}:3"]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"jobQueue": "queue", "arrayJobId": "x"},
        {"multiNodeJobId": "x"},
        {"jobQueue": "missing"},
        {"arrayJobId": "missing"},
        {"jobQueue": "queue", "maxResults": 0},
        {"jobQueue": "queue", "maxResults": 101},
        {"jobQueue": "queue", "nextToken": "?"},
        {"jobQueue": "queue", "filters": [{"name": "SHARE_IDENTIFIER", "values": ["x"]}]},
        {"jobQueue": "queue", "filters": [{"name": "AFTER_CREATED_AT", "values": ["yesterday"]}]},
        {"jobQueue": "queue", "filters": [{"name": "JOB_NAME", "values": []}]},
    ],
)
def test_wrong_parameters_of_list_jobs_are_refused(service: BatchService, params: dict[str, Any]) -> None:
    with pytest.raises(ServiceError) as raised:
        call(service, "ListJobs", **params)
    assert raised.value.code == "ClientException"


def test_unknown_jobs_are_left_out_of_a_description_and_refused_for_an_end(few: BatchService) -> None:
    assert call(few, "DescribeJobs", jobs=["missing", "missing:1"]) == {"jobs": []}
    with pytest.raises(ServiceError, match="missing not found"):
        call(few, "TerminateJob", jobId="missing", reason="why")
    with pytest.raises(ServiceError, match="100 jobs at most, got 101"):
        call(few, "DescribeJobs", jobs=["x"] * 101)


def test_job_is_found_by_its_arn(service: BatchService) -> None:
    array = ArrayJob(request("array", array_size=2), 0)
    service.store.add(array)
    arn = ACCOUNT.arn("batch", f"job/{array.id}:1")
    assert call(service, "DescribeJobs", jobs=[arn])["jobs"][0]["jobId"] == f"{array.id}:1"
    assert call(service, "DescribeJobs", jobs=[f"{array.id}:2"])["jobs"] == []


def test_queues_and_definitions_are_described_by_name_and_arn(service: BatchService) -> None:
    for named in (["queue"], ["arn:queue"]):
        assert [q["jobQueueName"] for q in call(service, "DescribeJobQueues", jobQueues=named)["jobQueues"]] == [
            "queue"
        ]
    assert len(call(service, "DescribeJobQueues")["jobQueues"]) == 2
    for params in ({"jobDefinitions": ["definition:1"]}, {"jobDefinitionName": "definition"}, {}):
        assert len(call(service, "DescribeJobDefinitions", **params)["jobDefinitions"]) == 1
    assert not call(service, "DescribeJobDefinitions", jobDefinitionName="other")["jobDefinitions"]


def test_action_that_is_not_here_is_refused_by_name(service: BatchService) -> None:
    with pytest.raises(ServiceError, match="CreateJobQueue is not available on this machine"):
        call(service, "CreateJobQueue")


def test_oldest_ended_jobs_are_forgotten_when_there_are_too_many() -> None:
    store = JobStore()
    arrays = [ArrayJob(request("array", array_size=MAX_KEPT_JOBS // 4), 0) for _ in range(6)]
    for array in arrays:
        store.add(array)
        array.stopped_at = 0 if array is arrays[0] else 1
    assert [array for array in arrays if store.find(array.id)] == [arrays[0], *arrays[3:]]
