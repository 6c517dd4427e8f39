"""Time and peak memory of the handlers on large runs, each case in a process of its own.

    python -m benchmarks.handlers [CASE ...] [--scale 0.01]

S3 is a folder of files behind a client of five methods, so that what is measured is the handlers: they stream to and
from it as they do to S3. Peak memory is the process's largest resident set, interpreter and a real client included.
"""

import argparse
import functools
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from botocore.exceptions import ClientError

from lambdas import compute, start, workloads
from lambdas import sum as sum_
from lambdas.run_files import checksums, runs, storage
from lambdas.workloads import utf8_keys

BUCKET = "bench"
RUN = "bench"
ARN = f"arn:aws:states:us-east-1:000000000000:mapRun:MapReduce/ComputeMap:{RUN}"
MANIFEST_KEY = f"runs/{RUN}/map/{RUN}/manifest.json"
WORKLOADS = {
    "listed": "def items(size):\n    return ({'index': i, 'text': 'item'} for i in range(size))\n"
    "def compute(item): return item\n",
    "weighted": "def items(size): return range(size)\ndef weight(item): return 1 + item % 7\n"
    "def compute(item): return item\n",
    "plain": "def compute(item): return item\n",
}


class FolderS3:
    """As much of an S3 client as the handlers use, over a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def put_object(self, Key: str, Body: bytes, **_: Any) -> None:  # noqa: N803 - boto3's names
        self.path(Key).write_bytes(Body)

    def get_object(self, Key: str, Range: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's names
        if not self.path(Key).exists():
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        first, last = map(int, Range.removeprefix("bytes=").split("-"))
        with self.path(Key).open("rb") as file:
            file.seek(first)
            data = file.read(last - first + 1)
        size = self.path(Key).stat().st_size
        return {"Body": io.BytesIO(data), "ContentRange": f"bytes {first}-{last}/{size}", "ETag": '"1"'}

    def create_multipart_upload(self, Key: str, **_: Any) -> dict[str, str]:  # noqa: N803 - boto3's names
        self.path(Key).write_bytes(b"")
        return {"UploadId": Key}

    def upload_part(self, Key: str, Body: bytes, **_: Any) -> dict[str, str]:  # noqa: N803 - boto3's names
        with self.path(Key).open("ab") as file:
            file.write(Body)
        return {"ETag": '"1"'}

    def complete_multipart_upload(self, **_: Any) -> None:
        """Nothing to do: the parts are in place."""


class Context:
    """Lambda's context object with all the time in the world."""

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


def start_run(execution_input: dict[str, Any]) -> None:
    start.handler({"input": execution_input, "name": RUN}, Context())


def start_listed(_s3: FolderS3, scale: float) -> Iterator[str]:
    count = int(10_000_000 * scale)
    yield f"Start, {count:,} items of a workload"
    start_run({"size": count, "workload": "listed"})


def start_weighted(_s3: FolderS3, scale: float) -> Iterator[str]:
    count = int(10_000_000 * scale)
    yield f"Start, {count:,} weighted items of a workload"
    start_run({"size": count, "workload": "weighted"})


def start_json_lines(s3: FolderS3, scale: float) -> Iterator[str]:
    count = int(10_000_000 * scale)
    with s3.path("uploads/items.jsonl").open("w") as file:
        file.writelines(f'{{"index":{index},"text":"item"}}\n' for index in range(count))
    yield f"Start, {count:,} items of a JSON Lines file"
    start_run({"items": f"s3://{BUCKET}/uploads/items.jsonl", "workload": "squares"})


def write_results(s3: FolderS3, batch_count: int, batch_size: int, workload: str, file_count: int) -> None:
    """Write a run of children of ``batch_size`` items each, as ResultWriter writes it, not in order."""
    start_run({"size": 1, "workload": workload})
    settings = json.loads(s3.path(f"runs/{RUN}/run.json").read_text()) | {
        "item_count": batch_count * batch_size,
        "batch_count": batch_count,
    }
    del settings[checksums.FIELD]
    s3.path(f"runs/{RUN}/run.json").write_text(json.dumps(checksums.with_checksum(settings)))
    with s3.path(f"runs/{RUN}/batches.jsonl").open("w") as file:
        for index in range(batch_count):
            file.write(f'{{"batch":{index},"first":{index * batch_size},"count":{batch_size}}}\n')
    record = {
        "ExecutionArn": f"arn:aws:states:us-east-1:000000000000:execution:MapReduce/ComputeMap:{'0' * 36}",
        "Input": "",
        "InputDetails": {"Included": True},
        "Name": "0" * 36,
        "Output": "",
        "OutputDetails": {"Included": True},
        "RedriveCount": 0,
        "RedriveStatus": "NOT_REDRIVABLE",
        "RedriveStatusReason": "Execution is SUCCEEDED and cannot be redriven",
        "StartDate": "2026-09-23T22:58:19.314Z",
        "StateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:MapReduce/ComputeMap",
        "Status": "SUCCEEDED",
        "StopDate": "2026-09-23T22:58:44.406Z",
    }
    files = []
    for number in range(file_count):
        key = f"runs/{RUN}/map/{RUN}/SUCCEEDED_{number}.json"
        with s3.path(key).open("w") as file:
            separator = "["
            for position in range(number, batch_count, file_count):
                index = position ^ 37  # neighbours end in another order than they began; 64 divides batch_count
                items = range(index * batch_size, (index + 1) * batch_size)
                batch = {"batch": index, "first": items.start, "count": batch_size}
                is_combined = workload == "squares"
                result = str(sum(k * k for k in items)) if is_combined else f"[{','.join(map(str, items))}]"
                parts = [{"first": items.start, "count": batch_size, "result": result}]
                record["Input"] = json.dumps({"run": RUN, "batch": batch}, separators=(",", ":"))
                output = checksums.with_checksum({"done": True, "run": RUN, **batch, "parts": parts})
                record["Output"] = json.dumps(output, separators=(",", ":"))
                file.write(separator + json.dumps(record, separators=(",", ":")))
                separator = ","
            file.write("]" if separator == "," else "[]")
        files.append({"Key": key, "Size": s3.path(key).stat().st_size})
    manifest = {
        "DestinationBucket": BUCKET,
        "MapRunArn": ARN,
        "ResultFiles": {"FAILED": [], "PENDING": [], "SUCCEEDED": files},
    }
    s3.path(MANIFEST_KEY).write_text(json.dumps(manifest))


def sum_run() -> dict[str, Any]:
    runs.read_settings.cache_clear()
    map_run = {"MapRunArn": ARN, "ResultWriterDetails": {"Bucket": BUCKET, "Key": MANIFEST_KEY}}
    return sum_.handler({"run": {"name": RUN}, "map_run": map_run}, Context())


def sum_records(s3: FolderS3, scale: float, *, workload: str, file_count: int, batch_size: int = 1) -> Iterator[str]:
    batch_count = max(1, int(1_000_000 * scale) // batch_size // 64) * 64
    count = batch_count * batch_size
    write_results(s3, batch_count, batch_size, workload, file_count)
    size = sum(path.stat().st_size for path in s3.path(MANIFEST_KEY).parent.iterdir())
    verb = "combined" if workload == "squares" else "collected in order"
    yield f"Sum, {count:,} results, {batch_count:,} records, {file_count:,} files ({size / 1e6:,.0f} MB), {verb}"
    output = sum_run()
    if workload == "squares":
        assert int(output["total_sum"]) == (count - 1) * count * (2 * count - 1) // 6


def compute_one(s3: FolderS3, scale: float) -> Iterator[str]:
    count = max(1, int(20_000 * scale))
    start_run({"size": 1000, "workload": "squares", "batch_size": 1})
    batches = [json.loads(line) for line in s3.path(f"runs/{RUN}/batches.jsonl").read_text().splitlines()]
    yield f"Compute, {count:,} calls for batches of one item"
    for number in range(count):
        assert compute.handler({"run": RUN, "batch": batches[number % 1000]}, Context())["done"]


def utf8_index(_s3: FolderS3, _scale: float, *, index: int) -> Iterator[str]:
    yield f"utf8_keys, index {index:,} alone"
    next(utf8_keys.compute_batch([index]))


def utf8_range(_s3: FolderS3, _scale: float) -> Iterator[str]:
    yield "utf8_keys, range(1024) in one pass"
    assert sum(utf8_keys.compute_batch(range(1024))) > 0


CASES: dict[str, Callable[[FolderS3, float], Iterator[str]]] = {
    "start-listed": start_listed,
    "start-weighted": start_weighted,
    "start-json-lines": start_json_lines,
    "sum-combined": functools.partial(sum_records, workload="squares", file_count=1),
    "sum-files": functools.partial(sum_records, workload="squares", file_count=5_000),
    "sum-collected": functools.partial(sum_records, workload="plain", file_count=1),
    "sum-collected-batches": functools.partial(sum_records, workload="plain", file_count=1, batch_size=1_000),
    "compute-one": compute_one,
    "utf8-1023": functools.partial(utf8_index, index=1_023),
    "utf8-100000": functools.partial(utf8_index, index=100_000),
    "utf8-range": utf8_range,
}


def measure(case: str, scale: float) -> None:
    """Run one case in this process and print a line; what comes before its first yield is not timed."""
    with tempfile.TemporaryDirectory() as folder:
        s3 = FolderS3(Path(folder) / "s3")
        made = Path(folder) / "workloads"
        made.mkdir()
        for name, source in WORKLOADS.items():
            (made / f"{name}.py").write_text(source)
        os.environ |= {"RESULTS_BUCKET": BUCKET, "MAX_CONCURRENCY": "500", "AWS_DEFAULT_REGION": "us-east-1"}
        storage.s3_client()  # for its memory alone
        path = [*workloads.__path__, str(made)]
        with patch.object(storage, "s3_client", lambda: s3), patch.object(workloads, "__path__", path):
            steps = CASES[case](s3, scale)
            title = next(steps)
            begin = time.perf_counter()
            next(steps, None)
            seconds = time.perf_counter() - begin
    # Linux counts in KiB, macOS in bytes.
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024)
    print(f"{title:<75} {seconds:>9.4f} s {peak_mb:>6.0f} MB peak")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"default all of: {', '.join(CASES)}")
    parser.add_argument("--scale", type=float, default=1, help="size of the large cases, 1 = ten million items")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    unknown = set(args.cases) - set(CASES)
    if unknown:
        parser.error(f"CASE must be one of {', '.join(CASES)}, got {min(unknown)}")
    for case in args.cases or CASES:
        if args.here:
            measure(case, args.scale)
        else:
            subprocess.run(
                [sys.executable, "-m", "benchmarks.handlers", case, "--scale", str(args.scale), "--here"], check=True
            )


if __name__ == "__main__":
    main()
