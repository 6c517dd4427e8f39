"""Ratios of this project to other ways of doing the same work, measured in turns in one run.

Each row has the median of its repetitions and their spread (the largest less the smallest, as a share of the median)
for both ways, and the ratio of the medians.  The two ways of a row take turns, so that what else the machine does
concerns both.  A way that is not installed (joblib) is left out, and named.

Run: python -m benchmarks.bench [--quick] [--out FILE.json]
"""

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.handlers import BUCKET, RUN, Context, FolderS3, start_run
from benchmarks.orchestration import PASS, TASK, measure_here
from lambdas import compute
from lambdas.run_files import runs, storage

HPC = Path(sys.executable).with_name("hpc")
WORKERS = 2
REPETITIONS = 5

Way = Callable[[], float]
"""Does the work once and returns its seconds."""


@dataclass(frozen=True)
class Row:
    """One comparison; times in seconds, spreads as shares of the medians."""

    work: str
    beside: str
    median: float
    spread: float
    beside_median: float
    beside_spread: float

    @property
    def ratio(self) -> float:
        return self.median / self.beside_median


def compare(work: str, ours: Way, beside: str, theirs: Way) -> Row:
    """Measure two ways in turns."""
    pairs = [(ours(), theirs()) for _ in range(REPETITIONS)]
    (median, spread), (beside_median, beside_spread) = (_summary(times) for times in zip(*pairs, strict=True))
    return Row(work, beside, median, spread, beside_median, beside_spread)


def _summary(times: tuple[float, ...]) -> tuple[float, float]:
    median = statistics.median(times)
    return median, (max(times) - min(times)) / median


def timed(function: Callable[[], object]) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def squares_in_compute(count: int) -> float:
    """Compute one batch of ``squares`` in this process, over a folder in the place of S3."""
    with tempfile.TemporaryDirectory() as folder:
        s3 = FolderS3(Path(folder))
        variables = {"RESULTS_BUCKET": BUCKET, "MAX_CONCURRENCY": "500", "AWS_DEFAULT_REGION": "us-east-1"}
        with patch.dict(os.environ, variables), patch.object(storage, "s3_client", lambda: s3):
            runs.read_settings.cache_clear()
            start_run({"size": count, "workload": "squares", "batch_size": count})
            batch = json.loads(s3.path(f"runs/{RUN}/batches.jsonl").read_text())
            return timed(lambda: compute.handler({"run": RUN, "batch": batch}, Context()))


def squares_in_a_loop(count: int) -> float:
    def loop() -> int:
        total = 0
        for item in range(count):
            total += item * item
        return total

    return timed(loop)


def no_op(_item: int) -> None:
    """Compute nothing."""


def in_pool(count: int) -> float:
    with ProcessPoolExecutor(WORKERS) as pool:
        list(pool.map(no_op, range(WORKERS)))  # the processes are there before the clock runs
        return timed(lambda: list(pool.map(no_op, range(count))))


def in_joblib(count: int) -> float:
    joblib = importlib.import_module("joblib")
    with joblib.Parallel(WORKERS, batch_size=1) as parallel:
        parallel(joblib.delayed(no_op)(item) for item in range(WORKERS))
        return timed(lambda: parallel(joblib.delayed(no_op)(item) for item in range(count)))


def command(*line: str | Path, home: Path | None = None) -> float:
    environment = {**os.environ, **({"HPC_HOME": str(home)} if home is not None else {})}
    return timed(lambda: subprocess.run(line, env=environment, check=True, capture_output=True))


def measure(*, is_quick: bool, home: Path) -> list[Row]:
    children, items = (1_000, 300_000) if is_quick else (10_000, 3_000_000)
    rows = [
        compare(
            f"Compute, {items:,} items of squares",
            lambda: squares_in_compute(items),
            "a plain loop (the floor)",
            lambda: squares_in_a_loop(items),
        )
    ]
    peers: list[tuple[str, Way]] = [("ProcessPoolExecutor", lambda: in_pool(children))]
    if importlib.util.find_spec("joblib") is not None:
        peers.append(("joblib, one a batch", lambda: in_joblib(children)))
    else:
        print("left out: joblib is not installed", file=sys.stderr)
    task = partial(wall_seconds, TASK, children)
    rows += [compare(f"{children:,} children of a no-op function", task, name, way) for name, way in peers]
    rows.append(compare(f"{children:,} children of a Pass state", partial(wall_seconds, PASS, children), *peers[0]))
    boto3 = partial(command, sys.executable, "-c", "import boto3")
    run = partial(command, HPC, "run", "--size", "1024", home=home)
    run()  # the assembly is there from here on
    rows.append(compare("hpc run --size 1024, warm", run, "python + import boto3", boto3))
    rows.append(compare("hpc runs", lambda: command(HPC, "runs", home=home), "python + import boto3", boto3))
    return rows


def wall_seconds(state: dict[str, Any], children: int) -> float:
    """Return the seconds of a map of children here."""
    return measure_here(state, children)["wall"]


def table(rows: list[Row]) -> list[str]:
    """Return the rows as a table in Markdown."""
    lines = ["| work | seconds | beside it | seconds | ratio |", "|---|---:|---|---:|---:|"]
    for row in rows:
        ours = f"{row.median:.3g} ± {row.spread / 2:.0%}"
        theirs = f"{row.beside_median:.3g} ± {row.beside_spread / 2:.0%}"
        lines.append(f"| {row.work} | {ours} | {row.beside} | {theirs} | {row.ratio:.2f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"), help="JSON file with every row")
    args = parser.parse_args()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rows = measure(is_quick=args.quick, home=home)
    machine = f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    print(f"{machine}, {datetime.now(UTC):%Y-%m-%d}; medians of {REPETITIONS}", "", *table(rows), sep="\n")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": machine, "rows": [{**asdict(row), "ratio": row.ratio} for row in rows]}
    args.out.write_text(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
