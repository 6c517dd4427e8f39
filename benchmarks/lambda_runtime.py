"""What one warm invocation costs: a handler that does nothing, called through the whole local Lambda runtime.

Run: python -m benchmarks.lambda_runtime [--calls N] [--workers N]
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks.noop import ARN, define_runtime

PAYLOAD = b'{"run": "benchmark", "batch": {"batch": 1, "first": 2, "count": 3}}'


async def measure(*, calls: int, worker_count: int, folder: Path) -> None:
    runtime = define_runtime(folder, worker_count)
    started = time.perf_counter()
    await runtime.start()
    try:
        returned = time.perf_counter()
        await runtime.invoke(ARN, PAYLOAD)
        first = time.perf_counter()
        print(f"start() returned after {returned - started:.3f} s, first result after {first - started:.3f} s")
        remaining = iter(range(calls))

        async def call_all() -> None:
            for _ in remaining:
                await runtime.invoke(ARN, PAYLOAD)

        # Two callers a worker: always one invocation in the queue when a worker becomes free.
        await asyncio.gather(*(runtime.invoke(ARN, PAYLOAD) for _ in range(8 * worker_count)))
        cpu, wall = time.process_time(), time.perf_counter()
        await asyncio.gather(*(call_all() for _ in range(2 * worker_count)))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        each, of_it = wall / calls * 1e6, cpu / calls * 1e6
        print(f"{calls} calls, {worker_count} workers: {each:.0f} us a call, {of_it:.0f} us of this process's CPU")
    finally:
        stopping = time.perf_counter()
        await runtime.stop()
        print(f"stop() took {time.perf_counter() - stopping:.3f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(calls=arguments.calls, worker_count=arguments.workers, folder=Path(folder)))


if __name__ == "__main__":
    main()
