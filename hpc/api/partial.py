"""What a run has computed so far: from the outputs of its children, before Sum reads them."""

import hashlib
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from hpc.api.values import CombinedResult, ItemResult, block_loader
from hpc.errors import LostRunError
from hpc.runs.children import list_children
from hpc.runs.items import batch_items, has_lost_files, read_batches
from hpc.runs.result_files import NoManifestError, intact, manifest_key, read_records
from hpc.runs.run import Run
from hpc.runs.watch import Seen
from hpc.targets.client import explained
from lambdas.contract.keys import ARRAY_PARTS_FOLDER
from lambdas.run_files import json_text
from lambdas.values import typed_json

# The output of a child and the batch that it computed.
Computed = tuple[dict[str, Any], dict[str, Any]]


def partial_results(run: Run, seen: Seen) -> Iterator[ItemResult | CombinedResult]:
    """Yield what is computed, in no order; see :meth:`hpc.api.run.Run.partial`."""
    settings = run.settings
    if settings is None:
        if has_lost_files(run):
            raise LostRunError(f"the files of {run.name} are gone")
        return
    combines = settings.get("combines")
    if combines is None:
        raise LostRunError(f"{run.name} does not tell whether its workload has combine: wait for Run.result")
    with explained(LostRunError, "reading what is computed"):
        for output, batch in _outputs(run, seen, settings.get("back_end", "lambda")):
            yield from _Parts(run, batch, combines=combines).of(output)


def _outputs(run: Run, seen: Seen, back_end: str) -> Iterator[Computed]:
    match back_end:
        case "lambda":
            return _of_map(run, seen)
        case "batch":
            return _of_jobs(run)
    raise LostRunError(f"{run.name} is computed by one job, which tells nothing before its end: wait for Run.result")


def _of_map(run: Run, seen: Seen) -> Iterator[Computed]:
    if seen.map_run is None:
        return
    try:
        for record in read_records(run.target, manifest_key(run.name, seen.map_run), ["SUCCEEDED"]):
            yield json.loads(record["Output"]), json.loads(record["Input"])["batch"]
    except NoManifestError:
        for child in list_children(run.target, seen.map_run["mapRunArn"], "SUCCEEDED"):
            told = run.target.stepfunctions.describe_execution(executionArn=child["executionArn"])
            yield json.loads(told["output"]), json.loads(told["input"])["batch"]


def _of_jobs(run: Run) -> Iterator[Computed]:
    batches = {batch["batch"]: batch for batch in read_batches(run)}
    pages = run.target.s3.get_paginator("list_objects_v2").paginate(
        Bucket=run.target.bucket, Prefix=run.key(ARRAY_PARTS_FOLDER)
    )
    for key in (each["Key"] for page in pages for each in page.get("Contents", ())):
        body = run.target.s3.get_object(Bucket=run.target.bucket, Key=key)["Body"]
        with intact(run.target, key):
            for line in body.iter_lines(chunk_size=65_536):
                output = json.loads(line)
                yield output, batches[output["batch"]]


class _Parts:
    """The results in the output of one batch."""

    def __init__(self, run: Run, batch: dict[str, Any], *, combines: bool) -> None:
        self._run, self._batch, self._combines = run, batch, combines
        self._load = block_loader(run)

    def of(self, output: dict[str, Any]) -> Iterator[ItemResult | CombinedResult]:
        items = batch_items(self._run, self._batch)  # which parts follow
        for part in output["parts"]:
            whole = self._spilled(part) if "key" in part else part
            if self._combines:
                yield from self._combined(whole)
            else:
                yield from self._listed(whole, islice(items, whole["count"]))

    def _combined(self, part: dict[str, Any]) -> Iterator[CombinedResult]:
        if "result" in part:
            failed = len(part.get("failed", ()))
            yield CombinedResult(part["count"] - failed, failed, typed_json.decode(part["result"], self._load))

    def _listed(self, part: dict[str, Any], items: Iterator[tuple[int, Any]]) -> Iterator[ItemResult]:
        # By position, which in a redrive is not the index.
        failed = {failure["index"] for failure in part.get("failed", ())}
        values = iter(json_text.parse(part.get("result", "[]")))
        for position, (index, item) in enumerate(items, part["first"]):
            if position in failed:
                yield ItemResult(index, item, None, failed=True)
            else:
                yield ItemResult(index, item, typed_json.untagged(next(values), self._load))

    def _spilled(self, part: dict[str, Any]) -> dict[str, Any]:
        body = self._run.target.s3.get_object(Bucket=self._run.target.bucket, Key=part["key"])["Body"].read()
        if hashlib.sha256(body).hexdigest() != part["sha256"]:
            raise LostRunError(f"s3://{self._run.target.bucket}/{part['key']} has changed")
        return dict(json_text.parse(body.decode()))
