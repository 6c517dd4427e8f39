"""Fixtures of the handler tests: S3 in memory, and a run driven by hand the way the state machine drives it."""

import json
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from moto import mock_aws

from lambdas import compute, start, workloads
from lambdas import sum as sum_
from lambdas.run_files import checksums, runs, storage

BUCKET = "results-bucket"
SOURCE_BUCKET = "source-bucket"


def lambda_context(seconds: float = 900) -> Any:
    """The part of Lambda's context object that the handlers read."""
    return SimpleNamespace(get_remaining_time_in_millis=lambda: int(seconds * 1000))


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """S3 client over moto, with the functions' environment variables and two buckets."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name, value in {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "RESULTS_BUCKET": BUCKET,
            "SOURCE_BUCKETS": SOURCE_BUCKET,
            "MAX_CONCURRENCY": "500",
        }.items():
            patch.setenv(name, value)
        storage.s3_client.cache_clear()
        runs.read_settings.cache_clear()
        client = storage.s3_client()
        client.create_bucket(Bucket=BUCKET)
        client.create_bucket(Bucket=SOURCE_BUCKET)
        yield client
    storage.s3_client.cache_clear()
    runs.read_settings.cache_clear()


@pytest.fixture(scope="module")
def make_workload(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Write a workload of the given source beside those of the project; returns its name."""
    made = []
    folder = tmp_path_factory.mktemp("workloads")

    def make(source: str) -> str:
        name = f"made_{uuid.uuid4().hex}"
        (folder / f"{name}.py").write_text(source)
        made.append(name)
        return name

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workloads, "__path__", [*workloads.__path__, str(folder)])
        yield make
    for name in made:
        sys.modules.pop(f"lambdas.workloads.{name}", None)
    workloads.load_unchanged.cache_clear()


@dataclass
class Child:
    """A child execution: what it was given and what it said."""

    input: dict[str, Any]
    output: dict[str, Any] | None = None
    error: str = ""
    invocations: int = 0


@dataclass
class Pipeline:
    """One run: ``start``, then ``map``, then ``sum``; each step's data can be changed before the next."""

    BUCKET = BUCKET
    SOURCE_BUCKET = SOURCE_BUCKET

    s3: Any
    execution_input: Any
    name: str = field(default_factory=lambda: f"run-{uuid.uuid4().hex}")
    state: dict[str, Any] = field(default_factory=dict)
    children: list[Child] = field(default_factory=list)
    files: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {"SUCCEEDED": [], "FAILED": [], "PENDING": []}
    )

    @property
    def arn(self) -> str:
        return f"arn:aws:states:us-east-1:000000000000:mapRun:MapReduce/ComputeMap:{self.name}"

    @property
    def prefix(self) -> str:
        return f"runs/{self.name}/map/{self.name}"

    def text(self, file: str) -> str:
        return self.s3.get_object(Bucket=BUCKET, Key=f"runs/{self.name}/{file}")["Body"].read().decode()

    def start(self) -> dict[str, Any]:
        self.state = start.handler({"input": self.execution_input, "name": self.name}, lambda_context())
        return self.state["run"]

    def results(self) -> list[dict[str, Any]]:
        """Return the lines of results.jsonl."""
        return [json.loads(line) for line in self.text("results.jsonl").splitlines()]

    def batches(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text("batches.jsonl").splitlines()]

    def map(self, seconds: float = 900) -> list[Child]:
        """Run every child execution; the Choice calls Compute again while it is not done."""
        for batch in self.batches():
            child = Child({"run": self.name, "batch": batch})
            event, done = child.input, False
            try:
                while not done:
                    child.invocations += 1
                    event = through_json(compute.handler(through_json(event), lambda_context(seconds)))
                    assert len(json.dumps(event)) <= 256 * 1024
                    done = event["done"]
                child.output = event
            except Exception as error:
                child.error = type(error).__name__
                child.output = {"errorMessage": str(error), "errorType": child.error}
            self.children.append(child)
        return self.children

    def first_output(self) -> dict[str, Any]:
        """Start, and compute the first batch in one invocation."""
        self.start()
        return compute.handler({"run": self.name, "batch": self.batches()[0]}, lambda_context())

    def write_results(self, *, lines: bool = False, compact: bool = False) -> None:
        """Write what ResultWriter would write about the children."""
        for child in self.children:
            if not child.error and child.output is not None:
                # Tests change outputs: the checksum covers the changed output.
                child.output = resealed(child.output)
        succeeded = [child for child in self.children if not child.error]
        failed = [child for child in self.children if child.error]
        values = [child.output if compact else record(child) for child in succeeded]
        if values:
            self.add_file("SUCCEEDED", values, lines=lines)
        if failed:
            self.add_file("FAILED", [record(child) for child in failed], lines=lines)
        self.write_manifest()

    def add_file(self, status: str, values: list[Any], *, lines: bool = False, body: bytes | None = None) -> str:
        key = f"{self.prefix}/{status}_{len(self.files[status])}.{'jsonl' if lines else 'json'}"
        if body is None:
            texts = [json.dumps(value, separators=(",", ":"), ensure_ascii=False) for value in values]
            body = ("".join(f"{text}\n" for text in texts) if lines else f"[{','.join(texts)}]").encode()
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        self.files[status].append({"Key": key, "Size": len(body)})
        return key

    def write_manifest(self, **changes: Any) -> None:
        manifest = {"DestinationBucket": BUCKET, "MapRunArn": self.arn, "ResultFiles": self.files} | changes
        body = json.dumps(manifest, separators=(",", ":")).encode()
        self.s3.put_object(Bucket=BUCKET, Key=f"{self.prefix}/manifest.json", Body=body)

    def sum(self) -> dict[str, Any]:
        details = {"Bucket": BUCKET, "Key": f"{self.prefix}/manifest.json"}
        event = {**self.state, "map_run": {"MapRunArn": self.arn, "ResultWriterDetails": details}}
        return through_json(sum_.handler(event, lambda_context()))

    def run(self, *, seconds: float = 900, lines: bool = False, compact: bool = False) -> dict[str, Any]:
        self.start()
        self.map(seconds)
        self.write_results(lines=lines, compact=compact)
        return self.sum()


def resealed(output: dict[str, Any]) -> dict[str, Any]:
    """Return what Compute would return if it had computed this."""
    return checksums.with_checksum({name: value for name, value in output.items() if name != checksums.FIELD})


def through_json(value: Any) -> Any:
    """Return a state as the service passes it on: a copy, through JSON."""
    return json.loads(json.dumps(value))


def record(child: Child) -> dict[str, Any]:
    """A record with Transformation NONE, fields as AWS writes them."""
    base = {
        "ExecutionArn": "arn:aws:states:us-east-1:000000000000:execution:MapReduce/ComputeMap:child",
        "Input": json.dumps(child.input, separators=(",", ":")),
        "InputDetails": {"Included": True},
        "Name": "child",
        "OutputDetails": {"Included": True},
        "RedriveCount": 0,
        "StartDate": "2026-09-23T22:58:19.314Z",
        "StateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:MapReduce/ComputeMap",
        "StopDate": "2026-09-23T22:58:44.406Z",
    }
    output = json.dumps(child.output, separators=(",", ":"))
    if child.error:
        redrive = {"RedriveStatus": "REDRIVABLE_BY_MAP_RUN"}
        return base | redrive | {"Cause": output, "Error": child.error, "Status": "FAILED"}
    return base | {"Output": output, "RedriveStatus": "NOT_REDRIVABLE", "Status": "SUCCEEDED"}


@pytest.fixture(scope="module")
def pipeline(s3: Any) -> Callable[..., Pipeline]:
    """Make a run of an execution input, given as keywords."""
    return lambda **execution_input: Pipeline(s3, execution_input)


@pytest.fixture(scope="module")
def upload(s3: Any) -> Callable[[str, bytes], str]:
    """Put a file under ``uploads/`` of the results bucket; returns its URI."""

    def put(name: str, body: bytes) -> str:
        key = f"uploads/{uuid.uuid4().hex}/{name}"
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"s3://{BUCKET}/{key}"

    return put
