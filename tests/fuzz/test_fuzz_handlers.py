"""Events that were right before they were mutated: a handler's answer is right, or its error one of the project's."""

import contextlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from fuzz_inputs import bounded, inputs, json_values, mutate
from handler_fixtures import BUCKET, SOURCE_BUCKET, Pipeline, lambda_context, through_json
from hypothesis import given
from hypothesis import strategies as st

from lambdas import compare, compute, job_events, notify, start, submit_job
from lambdas import sum as sum_
from lambdas.run_files import runs

TOKEN = "a-task-token-that-nobody-may-see"
QUEUE = "arn:aws:batch:us-east-1:000000000000:job-queue/Jobs"
MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:MapReduce"
MAX_RUN_ITEMS = 40
INPUT_NAMES = (
    "size",
    "items",
    "source",
    "workload",
    "params",
    "batch_size",
    "max_concurrency",
    "back_end",
    "redrive_of",
)
INPUTS: tuple[dict[str, Any], ...] = (
    {"size": 5, "workload": "squares", "batch_size": 2},
    {"items": [1, 2, 3], "workload": "squares", "tolerated_failure_percentage": 50},
    {"items": f"s3://{BUCKET}/uploads/items.jsonl", "workload": "squares", "params": {}},
    {"items": f"s3://{BUCKET}/uploads/items.csv", "workload": "squares", "max_concurrency": 3},
    {"source": f"s3://{SOURCE_BUCKET}/files", "workload": "s3_objects"},
    {"size": 4},
)
Handler = Callable[[Any, Any], Any]


@pytest.fixture(scope="module", autouse=True)
def objects(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="uploads/items.jsonl", Body=b"1\n2\n\n3\n")
    s3.put_object(Bucket=BUCKET, Key="uploads/items.csv", Body=b"a,b\n1,2\n3,4\n")
    s3.put_object(Bucket=SOURCE_BUCKET, Key="files/one", Body=b"one")


def call(handler: Handler, event: Any, seconds: float = 5.0) -> Any:
    """Return what a handler answers, None if it refuses; any error but the project's own is the test's."""
    try:
        with bounded():
            answer = handler(event, lambda_context(seconds))
    except Exception as error:
        is_own = type(error).__module__.startswith("lambdas.") or isinstance(error, ClientError)
        if not is_own or not str(error) or (TOKEN in str(error) and is_where_it_belongs(TOKEN, event)):
            raise
        return None
    assert len(json.dumps(answer, allow_nan=False)) <= 256 * 1024
    return through_json(answer)


def is_where_it_belongs(token: str, event: Any) -> bool:
    """Whether an event holds the token in its place and nowhere else; who puts it into an entry's name may see it."""
    if not isinstance(event, dict) or json.dumps(event).count(token) != 1:
        return False
    return event.get("task_token") == token or {"name": "TASK_TOKEN", "value": token} in known_variables(event)


def known_variables(event: dict[str, Any]) -> list[Any]:
    with contextlib.suppress(KeyError, TypeError):
        return list(event["detail"]["container"]["environment"])
    return []


def event_like(data: st.DataObject, event: Any, names: tuple[str, ...] = ()) -> Any:
    if data.draw(st.integers(0, 9)) == 0:
        return data.draw(json_values)
    return mutate(data.draw, event, names=names or tuple(sorted(event)), most=2)


@inputs(220)
@given(data=st.data())
def test_mutated_execution_input_is_refused_or_every_item_is_accounted_for(
    pipeline: Callable[..., Pipeline], data: st.DataObject
) -> None:
    execution_input = event_like(data, data.draw(st.sampled_from(INPUTS)), INPUT_NAMES)
    run = pipeline()
    run.execution_input = execution_input
    state = call(start.handler, {"input": execution_input, "name": run.name})
    if (
        state is None
        or state["run"]["item_count"] > MAX_RUN_ITEMS
        or state["run"].get("back_end", "lambda") != "lambda"
    ):
        return
    run.state = state
    run.map()
    run.write_results()
    details = {"Bucket": BUCKET, "Key": f"{run.prefix}/manifest.json"}
    answer = call(sum_.handler, {**state, "map_run": {"MapRunArn": run.arn, "ResultWriterDetails": details}})
    if answer is None:
        return
    told = json.loads(run.text("run.json"))
    assert answer["count"] + answer["failed"] == told["item_count"]
    assert answer["complete"] is (answer["failed"] == 0)
    if told["workload"] == "squares" and answer["complete"] and "size" in execution_input:
        assert answer["total_sum"] == str(sum(index**2 for index in range(told["item_count"])))


@inputs(80)
@given(data=st.data())
def test_mutated_event_of_start_is_refused_or_begins_a_run(s3: Any, data: st.DataObject) -> None:
    answer = call(start.handler, event_like(data, {"input": INPUTS[0], "name": "run-of-start"}))
    assert answer is None or set(answer) == {"run"}


@pytest.fixture(scope="module")
def begun(pipeline: Callable[..., Pipeline]) -> Pipeline:
    """A run whose batches have been computed."""
    run = pipeline(**INPUTS[0])
    run.start()
    run.map()
    run.write_results()
    return run


@inputs(200)
@given(data=st.data())
def test_mutated_event_of_compute_is_refused_or_its_batch_is_computed(begun: Pipeline, data: st.DataObject) -> None:
    batch = data.draw(st.sampled_from(begun.batches()))
    paused = {"next": batch["first"], "offset": 0, "checksum": 0, "limit": None, "parts": [], "done": False}
    event = {"run": begun.name, "batch": batch, **(paused if data.draw(st.booleans()) else {})}
    mutated = event_like(data, event, ("run", "batch", "first", "count", "next", "parts"))
    answer = call(compute.handler, mutated, 0.6)
    if answer is not None and answer["done"]:
        assert answer["run"] == mutated["run"]  # which another test may have started
        assert sum(part["count"] for part in answer["parts"]) <= answer["count"]


STRUCTURE = ("drop", "twice", "rename", "cut")


@inputs(80)
@given(data=st.data())
def test_sum_of_mutated_result_files_is_refused_or_exact(s3: Any, begun: Pipeline, data: st.DataObject) -> None:
    """Records that are lost, doubled, renamed or cut off; changed bytes have tests of their own."""
    records = json.loads(s3.get_object(Bucket=BUCKET, Key=begun.files["SUCCEEDED"][0]["Key"])["Body"].read())
    record = data.draw(st.integers(0, len(records) - 1))
    kind = data.draw(st.sampled_from(STRUCTURE))
    place = data.draw(st.sampled_from(sorted(records[record])))
    if kind == "drop" and data.draw(st.booleans()):
        del records[record]
    elif kind == "drop":
        del records[record][place]
    elif kind == "twice":
        records.append(records[record])
    elif kind == "rename":
        records[record][f"{place}x"] = records[record].pop(place)
    body = json.dumps(records).encode()
    cut = data.draw(st.integers(0, len(body))) if kind == "cut" else len(body)
    key = f"{begun.prefix}/mutated.json"
    s3.put_object(Bucket=BUCKET, Key=key, Body=body[:cut])
    entry = {"Key": key, "Size": data.draw(st.sampled_from((cut, cut, len(body), 0, -1)))}
    manifest = {"DestinationBucket": BUCKET, "MapRunArn": begun.arn}
    manifest["ResultFiles"] = {"SUCCEEDED": [entry], "FAILED": [], "PENDING": []}
    check_sum(s3, begun, json.dumps(manifest).encode())


@inputs(80)
@given(data=st.data())
def test_sum_by_a_mutated_manifest_or_event_is_refused_or_exact(s3: Any, begun: Pipeline, data: st.DataObject) -> None:
    manifest = {"DestinationBucket": BUCKET, "MapRunArn": begun.arn, "ResultFiles": begun.files}
    names = ("DestinationBucket", "MapRunArn", "ResultFiles", "SUCCEEDED", "FAILED", "PENDING", "Key", "Size")
    check_sum(s3, begun, json.dumps(event_like(data, manifest, names)).encode())
    details = {"Bucket": BUCKET, "Key": f"{begun.prefix}/manifest.json"}
    event = {**begun.state, "map_run": {"MapRunArn": begun.arn, "ResultWriterDetails": details}}
    check_answer(call(sum_.handler, event_like(data, event, ("run", "name", "map_run", "MapRunArn", "callback"))))


def check_sum(s3: Any, run: Pipeline, manifest: bytes) -> None:
    key = f"{run.prefix}/mutated-manifest.json"
    s3.put_object(Bucket=BUCKET, Key=key, Body=manifest)
    details = {"Bucket": BUCKET, "Key": key}
    check_answer(call(sum_.handler, {**run.state, "map_run": {"MapRunArn": run.arn, "ResultWriterDetails": details}}))


def check_answer(answer: Any) -> None:
    assert answer is None or (answer["total_sum"], answer["count"], answer["failed"]) == ("30", 5, 0)


@inputs(50)
@given(data=st.data())
def test_mutated_run_file_is_refused_by_name(s3: Any, begun: Pipeline, data: st.DataObject) -> None:
    name = "run-mutated"
    told = {**json.loads(begun.text("run.json")), "name": name}
    s3.put_object(Bucket=BUCKET, Key=f"runs/{name}/run.json", Body=json.dumps(event_like(data, told)).encode())
    runs.read_settings.cache_clear()
    call(compute.handler, {"run": name, "batch": begun.batches()[0]}, 0.6)


@inputs(60)
@given(data=st.data())
def test_mutated_event_of_compare_is_refused_or_agrees(s3: Any, begun: Pipeline, data: st.DataObject) -> None:
    file = begun.sum()["result_file"] if "total" not in begun.state else ""
    results = {end: {"result_file": file, "count": 5, "failed": 0} for end in ("lambda", "batch", "batch_callback")}
    event = {"name": "invoke1", "total_characters": 100, "results": results}
    names = ("name", "total_characters", "results", "lambda", "result_file", "count")
    answer = call(compare.handler, event_like(data, event, names))
    assert answer is None or answer["agree"] is True


@contextmanager
def answered(service: str, answers: dict[str, str]) -> Iterator[Any]:
    """A client that botocore checks as ever, and whose requests are answered here."""
    client = boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")

    def answer(request: Any, **_: Any) -> AWSResponse:
        operation = request.headers.get("X-Amz-Target", request.url).rpartition("/" if service == "batch" else b".")[2]
        name = operation if isinstance(operation, str) else operation.decode()
        response = AWSResponse(request.url, 200, {}, None)
        response._content = answers[name].encode()
        return response

    client.meta.events.register("before-send", answer)
    try:
        yield client
    finally:
        client.close()


@pytest.fixture(scope="module")
def services() -> Iterator[None]:
    summary = '{"jobSummaryList": [{"jobId": "j", "jobName": "job", "status": "RUNNING", "createdAt": 1}]}'
    batch_answers = {"listjobs": summary, "terminatejob": "{}", "submitjob": '{"jobId": "new", "jobName": "job"}'}
    states_answers = dict.fromkeys(("SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat"), "{}")
    with (
        pytest.MonkeyPatch.context() as patch,
        answered("batch", batch_answers) as batch,
        answered("stepfunctions", states_answers) as states,
    ):
        for module in (submit_job, job_events):
            patch.setattr(module, "batch_client", lambda: batch)
        for module in (notify, job_events):
            patch.setattr(module, "step_functions_client", lambda: states)
        variables = {"JOB_QUEUE": QUEUE, "JOB_DEFINITION": "definition:1", "MAP_REDUCE_ARN": MACHINE}
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


_VARIABLES = [{"name": "RUN", "value": "run-1"}, {"name": "TASK_TOKEN", "value": TOKEN}]
EVENTS: tuple[tuple[Handler, dict[str, Any]], ...] = (
    (submit_job.handler, {"run": "run-1", "job_name": "job", "task_token": TOKEN}),
    (notify.handler, {"entry": {"name": "invoke1", "size": 3, "params": {}}, "entry_count": 2, "task_token": TOKEN}),
    (notify.handler, {"entry": {"name": "invoke1", "fail": "so"}, "entry_count": 2, "task_token": TOKEN}),
    (
        job_events.handler,
        {
            "detail-type": "Batch Job State Change",
            "detail": {
                "jobId": "job-1",
                "statusReason": "exited",
                "container": {"environment": _VARIABLES, "exitCode": 1, "reason": "r", "logStreamName": "l"},
            },
        },
    ),
    (
        job_events.handler,
        {
            "detail-type": "Step Functions Execution Status Change",
            "detail": {"stateMachineArn": MACHINE, "name": "run-1", "status": "FAILED", "stopDate": 1_700_000_000_000},
        },
    ),
)


@inputs(330)
@given(data=st.data())
def test_mutated_event_of_a_callback_is_refused_by_name_and_its_token_shown_to_nobody(
    services: None, data: st.DataObject
) -> None:
    handler, event = data.draw(st.sampled_from(EVENTS))
    call(handler, event_like(data, event, ("run", "entry", "detail", "name", "container", "environment", "jobId")))


def test_odd_value_in_place_of_an_event_is_refused_by_every_handler(s3: Any, services: None) -> None:
    for handler in (start, compute, sum_, compare, submit_job, notify, job_events):
        for value in (None, [], "", 0, {}, {"": 1}, [[]]):
            assert call(handler.handler, value) is None
