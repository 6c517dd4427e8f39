"""A run that is killed, whose workers are killed and whose items fail, and that is redriven each time, to its end.

`make soak` computes 100,000 items in 10,000 batches, the most that a run may have; the test suite has a shorter form,
at batch size 1.  It fails unless the total is exact, every item is counted once, and nothing that had been committed
was computed again.  The last line on stdout is one JSON object with the figures.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processes import ProcessesLeftError, descendants, wait_until_gone

from hpc.client import local_config, local_session
from hpc.synthesis import find_assembly
from hpc_local.server import Connection, attach

PROJECT = Path(__file__).parents[1]
WORKLOAD = Path(__file__).with_name("soaked.py")
LINE_BYTES = 12  # a line of the log: an item's index, padded, so that its size tells how many were begun
COMPUTE_TIMEOUT_SECONDS = 2
POLL_SECONDS = 0.005
LOOK_SECONDS = 0.1
HOST = """
import sys, threading
from pathlib import Path
from hpc_local.server import LocalServer
with LocalServer(Path(sys.argv[1]), Path(sys.argv[2]), overlay=Path(sys.argv[3])):
    print("serving", flush=True)
    threading.Event().wait()
"""


class SoakError(Exception):
    """The run broke a promise; the message says which."""


@dataclass
class Figures:
    """What happened; ``recomputed`` are computations beyond one an item."""

    items: int
    kills: int = 0
    worker_kills: int = 0
    failures: int = 0
    redrives: int = 0
    recomputed: int = 0
    most_recomputed_at_once: int = 0
    seconds: float = 0.0


@dataclass
class Stop:
    """A moment at which the run stopped: how long the log was, and which items' results were on disk."""

    log_lines: int
    committed: set[int]


@dataclass
class Soak:
    """One run under fire."""

    args: argparse.Namespace
    home: Path
    assembly: Path
    figures: Figures
    stops: list[Stop] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.overlay = self.home / "overlay"
        self.overlay.mkdir(parents=True)
        shutil.copy(WORKLOAD, self.overlay)
        self.log = self.home / "begun.log"
        self.log.touch()
        # the first kill comes before the run has begun anything
        later = random.sample(range(1, self.args.items), max(0, self.args.kills - 1))
        self.kills = sorted([0, *later][: self.args.kills])
        self.worker_kills = sorted(random.sample(range(1, self.args.items), self.args.worker_kills))

    def run(self) -> None:
        began = time.monotonic()
        arn = None
        output = None
        while output is None:
            with self._host() as (process, client, machine_arn):
                if arn is None:
                    arn = self._start(client, machine_arn)
                else:
                    self._redrive(client, arn)
                output = self._follow(process, client, arn)
        self.figures.seconds = round(time.monotonic() - began, 1)
        self._check(output)

    @contextmanager
    def _host(self) -> Iterator[tuple["subprocess.Popen[str]", Any, str]]:
        command = [sys.executable, "-c", HOST, str(self.home), str(self.assembly), str(self.overlay)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "serving\n":
                raise SoakError("the server did not start")
            connection = attach(self.home)
            assert connection is not None
            yield process, _client(connection), connection.outputs["StateMachineArn"]
        finally:
            left = descendants(process.pid)
            process.kill()
            process.communicate()
            wait_until_gone(left)

    def _start(self, client: Any, machine_arn: str) -> str:
        given = {
            "size": self.args.items,
            "workload": "soaked",
            "batch_size": self.args.batch_size,
            "params": {"log": str(self.log), "faults": self.args.faults},
        }
        return str(client.start_execution(stateMachineArn=machine_arn, input=json.dumps(given))["executionArn"])

    def _redrive(self, client: Any, arn: str) -> None:
        client.redrive_execution(executionArn=arn)
        self.figures.redrives += 1

    def _follow(self, process: "subprocess.Popen[str]", client: Any, arn: str) -> dict[str, Any] | None:
        """Follow the run to its end and return its output, or to the next kill."""
        next_look = 0.0
        while True:
            begun = self._log_lines()
            if self.kills and begun >= self.kills[0]:
                self.kills.pop(0)
                time.sleep(random.random() * 2 * POLL_SECONDS)
                self._kill(process)
                return None
            if self.worker_kills and begun >= self.worker_kills[0]:
                self.worker_kills.pop(0)
                self._kill_worker(process)
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + LOOK_SECONDS
                execution = client.describe_execution(executionArn=arn)
                if execution["status"] == "SUCCEEDED":
                    return dict(json.loads(execution["output"]))
                if execution["status"] != "RUNNING":
                    self._note_failure(execution)
                    self._redrive(client, arn)
            time.sleep(POLL_SECONDS)

    def _note_failure(self, execution: dict[str, Any]) -> None:
        self.figures.failures += 1
        if self.stops and self.stops[-1].log_lines == self._log_lines():
            raise SoakError(f"the run does not get on: {execution.get('error')}: {execution.get('cause')}")
        self._note_stop()

    def _kill(self, process: "subprocess.Popen[str]") -> None:
        left = descendants(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_until_gone(left)
        self.figures.kills += 1
        self._note_stop()

    def _kill_worker(self, process: "subprocess.Popen[str]") -> None:
        """Kill the process that was forked last, if there is any beside the one that forks."""
        workers = descendants(process.pid)[1:]
        if workers:
            os.kill(max(workers), signal.SIGKILL)
            self.figures.worker_kills += 1

    def _log_lines(self) -> int:
        return self.log.stat().st_size // LINE_BYTES

    def _note_stop(self) -> None:
        with closing(sqlite3.connect(self.home / "executions.sqlite")) as connection:
            rows = connection.execute("SELECT position FROM children WHERE status = 'SUCCEEDED'").fetchall()
        size = self.args.batch_size
        committed = {item for (position,) in rows for item in range(position * size, (position + 1) * size)}
        self.stops.append(Stop(self._log_lines(), committed))

    def _check(self, output: dict[str, Any]) -> None:
        """Raise unless every promise was kept."""
        count = self.args.items
        total = (count - 1) * count * (2 * count - 1) // 6
        found = (output["result"], output["count"], output["failed"], output["duplicates"])
        if found != (str(total), count, 0, 0):
            raise SoakError(f"result, count, failed, duplicates must be {(str(total), count, 0, 0)}, got {found}")
        begun = [int(line) for line in self.log.read_text().split()]
        if set(begun) != set(range(count)):
            raise SoakError("an item was counted that was never computed")
        self.figures.recomputed = len(begun) - count
        self._check_intervals(begun)

    def _check_intervals(self, begun: list[int]) -> None:
        """Compare what was computed between two stops with what was on disk at them."""
        before: set[int] = set()
        first = 0
        wasted = 0
        for stop in [*self.stops, Stop(len(begun), set(range(self.args.items)))]:
            computed = begun[first : stop.log_lines]
            again = before.intersection(computed)
            if again:
                raise SoakError(f"items whose results were on disk were computed again: {sorted(again)[:10]}")
            lost = sum(item not in stop.committed for item in computed)
            self.figures.most_recomputed_at_once = max(self.figures.most_recomputed_at_once, lost)
            wasted += lost
            before, first = stop.committed, stop.log_lines
        if wasted != self.figures.recomputed:
            raise SoakError(
                f"{self.figures.recomputed} computations too many, but {wasted} were not committed at a stop"
            )
        if self.figures.most_recomputed_at_once > self.args.most_at_once:
            raise SoakError(
                f"{self.figures.most_recomputed_at_once} items were lost at once, allowed are {self.args.most_at_once}"
            )


def _client(connection: Connection) -> Any:
    session = local_session(
        region=connection.region,
        access_key_id=connection.access_key_id,
        secret_access_key=connection.secret_access_key,
    )
    return session.client("stepfunctions", endpoint_url=connection.endpoint_url, config=local_config())


def assembly_with_short_timeout(folder: Path, given: Path | None) -> Path:
    """Return a copy of the project's assembly in which Compute has little time."""
    made = folder / "assembly"
    shutil.copytree(given or find_assembly(PROJECT, folder), made)
    path = made / "HpcStack.template.json"
    template = json.loads(path.read_text())
    for resource in template["Resources"].values():
        if resource.get("Properties", {}).get("Handler") == "lambdas.compute.handler":
            resource["Properties"]["Timeout"] = COMPUTE_TIMEOUT_SECONDS
    path.write_text(json.dumps(template))
    return made


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--kills", type=int, default=10, help="SIGKILLs of the runner")
    parser.add_argument("--worker-kills", type=int, default=5, help="SIGKILLs of a worker")
    parser.add_argument("--faults", type=float, default=0.00003, help="share of computations for each kind of fault")
    parser.add_argument("--most-at-once", type=int, default=2_500, help="most items that may be lost at one stop")
    parser.add_argument("--seed", type=int, default=None, help="of the moments of the kills")
    parser.add_argument("--assembly", type=Path, default=None, help="cloud assembly (synthesized)")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    seed = args.seed if args.seed is not None else random.randrange(2**32)
    random.seed(seed)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        figures = Figures(items=args.items)
        soak = Soak(args, Path(folder, "home"), assembly_with_short_timeout(Path(folder), args.assembly), figures)
        try:
            soak.run()
        except (SoakError, ProcessesLeftError) as error:
            print(json.dumps({"error": str(error), "seed": seed, **vars(figures)}))
            return 1
    print(json.dumps({"seed": seed, **vars(figures)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
