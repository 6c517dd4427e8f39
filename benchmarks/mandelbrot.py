"""What the pipeline costs beside the computation: one picture by `hpc run`, and by a plain pool of processes.

Both are commands of their own, from their start to the finished PNG, with the same kernel, tiles and writer.  CPU time
is that of the command and all of its processes: other work on the machine hardly changes it.

Run: python -m benchmarks.mandelbrot [--size N] [--iterations N] [--repeat N]
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from hpc.targets.synthesis import find_assembly
from lambdas.workloads import mandelbrot

PROJECT = Path(__file__).parents[1]
VIEW = {"center": [-0.7436, 0.1318], "width": 0.01}


@dataclass(frozen=True)
class Cost:
    """What a command took, and what it drew."""

    wall_seconds: float
    cpu_seconds: float
    picture: bytes


def draw(item: dict[str, int], params: dict[str, Any]) -> bytes:
    return mandelbrot.compute(item, params)


def run_plain(size: int, params: dict[str, Any], file: Path) -> None:
    """Draw with a process a processor."""
    with ProcessPoolExecutor(os.cpu_count()) as pool, file.open("wb") as picture:
        tiles = list(mandelbrot.items(size, params))
        picture.writelines(mandelbrot.finish(iter(pool.map(draw, tiles, [params] * len(tiles)))))


def measure(command: list[str], environment: dict[str, str]) -> tuple[float, float, str]:
    """Run a command; return its wall seconds, the CPU seconds of its processes, and its output."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def measure_plain(size: int, params: dict[str, Any], folder: Path) -> Cost:
    file = folder / "plain.png"
    command = [sys.executable, "-m", "benchmarks.mandelbrot", "--size", str(size), "--plain", str(file)]
    wall, cpu, _ = measure([*command, "--iterations", str(params["iterations"])], dict(os.environ))
    return Cost(wall, cpu, file.read_bytes())


def measure_pipeline(size: int, params: dict[str, Any], folder: Path, assembly: Path) -> Cost:
    command = [str(Path(sys.executable).with_name("hpc")), "run", "--size", str(size), "--workload", "mandelbrot"]
    options = ["--params", json.dumps(params), "--output", "json", "--assembly", str(assembly)]
    wall, cpu, output = measure([*command, *options], {**os.environ, "HPC_HOME": str(folder / "home")})
    return Cost(wall, cpu, (Path(json.loads(output)["results"]) / "result.bin").read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--iterations", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--plain", type=Path, metavar="FILE", help="draw to a file with a plain pool and end")
    args = parser.parse_args()
    params = {**VIEW, "iterations": args.iterations}
    if args.plain is not None:
        run_plain(args.size, params, args.plain)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        assembly = find_assembly(PROJECT, folder)
        print(f"mandelbrot {args.size} x {args.size}, {args.iterations} iterations, {os.cpu_count()} processors")
        print("                    wall s     CPU s")
        ratios = []
        for _ in range(args.repeat):
            # One after the other, so that what else the machine does meets both.
            plain = measure_plain(args.size, params, folder)
            pipeline = measure_pipeline(args.size, params, folder, assembly)
            assert plain.picture == pipeline.picture
            print(f"ProcessPoolExecutor {plain.wall_seconds:6.2f}    {plain.cpu_seconds:6.2f}")
            wall, cpu = pipeline.wall_seconds / plain.wall_seconds, pipeline.cpu_seconds / plain.cpu_seconds
            print(f"hpc run             {pipeline.wall_seconds:6.2f}    {pipeline.cpu_seconds:6.2f}", end="    ")
            print(f"{wall - 1:+.1%} wall, {cpu - 1:+.1%} CPU", flush=True)
            ratios.append((wall, cpu))
        walls, cpus = zip(*ratios, strict=True)
        print(f"median of {args.repeat}: hpc run {median(walls) - 1:+.1%} wall, {median(cpus) - 1:+.1%} CPU")


if __name__ == "__main__":
    main()
