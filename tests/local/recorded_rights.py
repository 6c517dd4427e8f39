"""Runs of every kind, and what the roles of the stack were asked for in them."""

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from assemblies import synthesized
from botocore.config import Config
from sfn_local.iam.evaluator import Decision, Request
from sfn_local.server import Connection, LocalServer

from hpc.targets.local import overlay_environment
from hpc.targets.synthesis import WITH_JOBS, Variant

SOURCE = "data-1"
RETRY_SECONDS = "hpc:orchestrator_retry_interval_seconds"
STANDARD = Variant({**WITH_JOBS.context, "hpc:source_buckets": SOURCE, "hpc:kms": True})
EXPRESS = Variant({"hpc:child_type": "EXPRESS", "hpc:compute_timeout_seconds": 60, "hpc:source_buckets": SOURCE})
BACK_ENDS = ("lambda", "batch", "batch_callback")
WAITS = {"seconds": 600}

# Where a workload computes, params["at"] names; what happens there, the others.
WORKLOADS = {
    "trouble": """
import os
import signal
import time
from pathlib import Path


def place():
    if "AWS_BATCH_JOB_ARRAY_INDEX" in os.environ:
        return "batch"
    return "batch_callback" if "AWS_BATCH_JOB_ID" in os.environ else "lambda"


def compute(item, params):
    if params.get("at", place()) == place():
        if item in params.get("bad", ()):
            raise ValueError(f"{item} is bad")
        if "once" in params and not Path(params["once"]).exists():
            Path(params["once"]).touch()
            raise ValueError("the first time")
        if params.get("kill"):
            os.kill(os.getppid(), signal.SIGKILL)  # the job itself: a worker's end it would tell itself
            time.sleep(600)  # until this worker is ended too: its next parent is not the job
        if "seconds" in params:
            Path(params["begun"]).touch()
            time.sleep(params["seconds"])
    return item


def combine(a, b):
    return a + b
""",
    # Only jobs that answer with a token can't load it.
    "unloadable": """
import os

if "AWS_BATCH_JOB_ID" in os.environ and "AWS_BATCH_JOB_ARRAY_INDEX" not in os.environ:
    raise ImportError("not in this job")


def compute(item):
    return item
""",
    "texts": """
def compute(item):
    return "x" * 300_000
""",
    # Some of a batch fails, whose part is long; then the run ends before its Sum.
    "ending": """
import os
import signal
import time


def compute_batch(items):
    for item in items:
        if item == "bad":
            raise ValueError("it is bad")
        if item == "end":
            if "AWS_BATCH_JOB_ID" in os.environ:
                os.kill(os.getppid(), signal.SIGKILL)
                time.sleep(600)  # until this worker is ended too: its next parent is not the job
            return
        yield "x" * 300_000
""",
    "stream": """
def compute(item):
    return item


def finish(results):
    yield from (str(each).encode() for each in results)
""",
    "arrays": """
import numpy


def compute(item):
    return item


def finish(results):
    return numpy.array(list(results))
""",
    # Whoever writes a file in parts breaks off at the first: all that tells one file from another is its key.
    "broken": """
from lambdas.run_files import environment, job_shares, object_writer, storage
from lambdas.run_files.errors import StorageAccessError

# Of the last child with an index of one digit, of two and so on.
PARTS = [job_shares.array_part_key("parts", index) for index in (9, 99, 999, job_shares.MAX_ARRAY_SIZE - 1)]


def read(key):
    try:
        storage.get_json(environment.results_bucket(), key)
    except StorageAccessError:
        pass


def read_parts():
    for key in PARTS:
        read(key)


def break_off(run, *files):
    object_writer.PART_BYTES = 1
    for file in files:
        writer = object_writer.ObjectWriter(environment.results_bucket(), f"runs/{run}/{file}")
        try:
            with writer:
                writer.write(b"x")
                raise EOFError
        except EOFError:
            pass
    object_writer.PART_BYTES = 8 * 1024 * 1024


def items(size, params):
    # Start, too, reads the part of any child: of a run that ended before its Sum.
    read_parts()
    break_off(params["run"], "items.jsonl")
    return range(size)


def compute(item):
    return item


def finish(results, params):
    # Sum would find what Start unpacked: on this machine they have one folder of temporary files.
    read("uploads/workloads/0/package.zip")
    read_parts()
    break_off(params["run"], "result.bin", "result.npy", "results.jsonl", "failed.jsonl")
    return 0
""",
}
# What a child of an array job with an index of each length writes and breaks off, and a job that answers with a token.
PARTS_OF_JOBS = """
import sys, uuid
sys.path.append({overlay!r})
from broken import PARTS, break_off, read_parts
from lambdas.run_files import job_shares
from lambdas.run_files.environment import results_bucket
from lambdas.run_files.storage import put
read_parts()
for key in (*PARTS, job_shares.callback_part_key("parts", str(uuid.uuid4()))):
    put(results_bucket(), key, b"")
    break_off("parts", key.removeprefix("runs/parts/"))
"""


def client(connection: Connection, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=connection.endpoint_url,
        region_name=connection.region,
        aws_access_key_id=connection.access_key_id,
        aws_secret_access_key=connection.secret_access_key,
        config=Config(retries={"max_attempts": 1}),
    )


class Recording:
    """A server whose roles are asked, and what they were asked for."""

    def __init__(self, folder: Path, connection: Connection) -> None:
        self.folder = folder
        self.connection = connection
        self.states = client(connection, "stepfunctions")
        self.s3 = client(connection, "s3")
        self.bucket = connection.outputs["ResultsBucketName"]
        self._ends: dict[str, str] = {}

    def machine(self, name: str) -> str:
        machines = self.states.list_state_machines()["stateMachines"]
        [arn] = [each["stateMachineArn"] for each in machines if f"{name}StateMachine" in each["name"]]
        return str(arn)

    def start(self, name: str, expected: str = "SUCCEEDED", *, machine: str = "MapReduce", **given: Any) -> str:
        """Start a run, or entries; they end as ``expected`` while others go on."""
        value = {"input": given} if machine == "ComplexOrchestrator" else {"size": 2, **given}
        if not {"items", "source", "redrive_of"}.isdisjoint(given):
            del value["size"]
        arn: str = self.states.start_execution(
            stateMachineArn=self.machine(machine), name=name, input=json.dumps(value)
        )["executionArn"]
        self._ends[arn] = expected
        return arn

    def wait(self) -> None:
        """Wait for the end of all that was started."""
        while self._ends:
            arn, expected = self._ends.popitem()
            described = self.described(arn)
            while described["status"] == "RUNNING":
                time.sleep(0.05)
                described = self.described(arn)
            assert described["status"] == expected, described

    def described(self, arn: str) -> dict[str, Any]:
        value: dict[str, Any] = self.states.describe_execution(executionArn=arn)
        return value

    def waiting(self, name: str, at: str, **given: Any) -> dict[str, Any]:
        """Return params with which a workload waits at a back end until it is stopped."""
        return {"at": at, **WAITS, "begun": str(self.folder / f"{name}.begun"), **given}

    def stop(self, name: str, arn: str) -> None:
        """Stop an execution whose workload waits."""
        wait_for((self.folder / f"{name}.begun").exists)
        self.states.stop_execution(executionArn=arn)


def wait_for(is_so: Any) -> None:
    limit = time.monotonic() + 240
    while not is_so():
        assert time.monotonic() < limit, is_so
        time.sleep(0.05)


@contextmanager
def recording(folder: Path, variant: Variant, asked: set[tuple[Request, Decision]]) -> Iterator[Recording]:
    """Serve an assembly with the workloads, and note what its roles are asked for."""
    overlay = folder / "overlay"
    overlay.mkdir(parents=True)
    for name, source in WORKLOADS.items():
        (overlay / f"{name}.py").write_text(source)

    def note(request: Request, decision: Decision) -> None:
        asked.add((request, decision))

    with LocalServer(
        folder / "home", synthesized(variant), environment=overlay_environment(overlay), on_decision=note
    ) as connection:
        made = Recording(folder, connection)
        made.s3.create_bucket(Bucket=SOURCE)
        for bucket, prefix in ((SOURCE, "in"), (made.bucket, "uploads/in")):
            for number in range(2):
                made.s3.put_object(Bucket=bucket, Key=f"{prefix}/{number}", Body=b"text")
            made.s3.put_object(Bucket=bucket, Key=f"{prefix}.jsonl", Body=b"1\n2\n")
        yield made


def record(folder: Path, variant: Variant) -> dict[Request, Decision]:
    """Run everything that an assembly can run; return what its roles were asked for, and the decisions."""
    asked: set[tuple[Request, Decision]] = set()
    has_jobs = variant is STANDARD
    with recording(folder, variant, asked) as made:
        run_maps(made)
        for back_end in BACK_ENDS if has_jobs else BACK_ENDS[:1]:
            run_back_end(made, back_end)
        made.wait()
        redrive(made)
        if has_jobs:
            run_jobs(made)
            orchestrate(made)
        made.wait()
    return dict(asked)


def run_maps(made: Recording) -> None:
    """Runs of the map, whose results have every form."""
    for workload in ("texts", "stream", "arrays", "unloadable"):
        made.start(workload, workload=workload, items=[1, 2])
    made.start("broken", workload="broken", params={"run": "broken"})
    made.start("spread", workload="squares", size=30, batch_size=1)
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as file:
        file.writestr("brought.py", "def compute(item):\n    return item\n")
    sha256 = hashlib.sha256(package.getvalue()).hexdigest()
    made.s3.put_object(Bucket=made.bucket, Key=f"uploads/workloads/{sha256}/package.zip", Body=package.getvalue())
    made.start("brought", workload="brought", uploaded_workload=sha256)


def run_back_end(made: Recording, back_end: str) -> None:
    """Items of every kind, a failed item, and a stop."""

    def start(name: str, expected: str = "SUCCEEDED", **given: Any) -> str:
        return made.start(f"{name}-{back_end}", expected, back_end=back_end, **given)

    start("range", workload="squares")
    start("file", items=f"s3://{made.bucket}/uploads/in.jsonl", workload="trouble")
    start("file-of-source", items=f"s3://{SOURCE}/in.jsonl", workload="trouble")
    start("source", source=f"s3://{SOURCE}/in/", workload="s3_objects")
    start("uploads", source=f"s3://{made.bucket}/uploads/in/", workload="s3_objects")
    start("failing", items=[1, 2], workload="trouble", params={"bad": [2]}, tolerated_failure_percentage=50)
    ending = {"items": ["long", "bad", "end", "end"], "batch_size": 2, "max_concurrency": 1}
    start("ended", "FAILED", workload="ending", tolerated_failure_percentage=25, **ending)
    if back_end != "lambda":
        start("texts", workload="texts")
    name = f"stopped-{back_end}"
    made.stop(name, start("stopped", "ABORTED", workload="trouble", params=made.waiting(name, back_end)))


def redrive(made: Recording) -> None:
    """A redrive of an execution, and new runs of the items that failed; of those that ended early, elsewhere too."""
    once = {"once": str(made.folder / "once")}
    arn = made.start("once", "FAILED", workload="trouble", params=once)
    made.wait()
    made.states.redrive_execution(executionArn=arn)
    wait_for(lambda: made.described(arn)["status"] == "SUCCEEDED")
    runs = runs_of(made)
    served = [back_end for back_end in BACK_ENDS if f"failing-{back_end}" in runs]
    for back_end in served:
        made.start(f"again-{back_end}", "SUCCEEDED", redrive_of=f"failing-{back_end}")
        for other in served:
            # They end as the run before did.
            made.start(f"{back_end}-on-{other}", "FAILED", redrive_of=f"ended-{back_end}", back_end=other)


def runs_of(made: Recording) -> set[str]:
    executions = made.states.list_executions(stateMachineArn=made.machine("MapReduce"))["executions"]
    return {each["name"] for each in executions}


def run_jobs(made: Recording) -> None:
    """Jobs that are killed, that can't answer, that replace others, and all keys of their parts."""
    batch = client(made.connection, "batch")
    queue = made.connection.outputs["JobQueueArn"]
    [definition] = batch.describe_job_definitions()["jobDefinitions"]

    def submit(name: str, *command: str) -> str:
        job: str = batch.submit_job(
            jobName=name,
            jobQueue=queue,
            jobDefinition=definition["jobDefinitionArn"],
            containerOverrides={"command": list(command)},
        )["jobId"]
        return job

    def status(job: str) -> Any:
        return batch.describe_jobs(jobs=[job])["jobs"][0]["status"]

    made.start("killed", "FAILED", back_end="batch_callback", workload="trouble", params={"kill": True})
    made.start("unloadable-job", "FAILED", back_end="batch_callback", workload="unloadable")
    parts = submit("parts", "python", "-c", PARTS_OF_JOBS.format(overlay=str(made.folder / "overlay")))
    replaced = submit("MapReduce-replacing-batch_callback", "sleep", "600")
    wait_for(lambda: status(replaced) == "RUNNING")
    made.start("replacing", back_end="batch_callback", workload="squares")
    made.wait()
    wait_for(lambda: status(parts) in ("SUCCEEDED", "FAILED"))
    assert (status(parts), status(replaced)) == ("SUCCEEDED", "FAILED")


def orchestrate(made: Recording) -> None:
    """Entries that agree, that fail at every place, and that are stopped at every place."""

    def entry(name: str, **given: Any) -> dict[str, Any]:
        return {"name": name, "size": 2, "workload": "trouble", **given}

    machine = "ComplexOrchestrator"
    entries = [entry(name, workload=name) for name in ("squares", "texts", "stream", "arrays")]
    made.start("entries", machine=machine, entries=entries)
    made.start("entry-refused", "FAILED", machine=machine, entries=[entry("good"), entry("refused", fail=True)])
    killed: Mapping[str, Any] = {"at": "batch_callback", "kill": True}
    made.start("entry-killed", "FAILED", machine=machine, entries=[entry("killed", params=killed)])
    made.start("entry-unloadable", "FAILED", machine=machine, entries=[entry("unloadable", workload="unloadable")])
    for back_end in BACK_ENDS:
        name = f"entry-{back_end}"
        entries = [entry(name, params=made.waiting(name, back_end))]
        made.stop(name, made.start(name, "ABORTED", machine=machine, entries=entries))
    made.wait()
