"""A run under fire: killed, failing and redriven until it is complete, and what has to hold of it at every stop."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from processes import descendants, open_handles, wait_until_gone
from sfn_local.server import Connection, attach
from soaked_files import Committed

from hpc.targets.client import local_config, local_session

LINE_BYTES = 12  # a line of the log: an item's index, padded, so that its size tells how many were begun
POLL_SECONDS = 0.005
LOOK_SECONDS = 0.05
# What ends an attempt after items of its batch were computed, or computes them twice.
WASTING = ("crash", "timeout", "duplicate", "service_error", "wrong_output")
MOST_STOPS = 200
DEATH_SECONDS = 60
# Sockets that are being closed, a worker more: anything but what grows with the number of batches.
HANDLE_MARGIN = 16
HOST = """
import sys
from pathlib import Path
from sfn_local.clock import Clock
from sfn_local.server import FaultSpec, LocalServer, FaultInjector
home, assembly, overlay, spec, speed = sys.argv[1:]
faults = FaultInjector(FaultSpec.parse(spec)) if spec else None
environment = {"HPC_WORKLOADS_OVERLAY": overlay}
clock = Clock(float(speed), limits_speed=1)
with LocalServer(Path(home), Path(assembly), environment=environment, faults=faults, clock=clock):
    print("serving", flush=True)
    sys.stdin.read()
"""


class SoakError(Exception):
    """The run broke a promise; the message says which."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is computed, and what goes wrong.

    Attributes
    ----------
    faults : sequence of str
        Fault specs of the first servers; the last one is that of all later ones, "" for none.
    kills : sequence of int
        Numbers of items begun at which the runner is killed, rising.
    most_at_once : int
        Most items that may be lost at one stop beyond those that a fault hit.
    speed : float
        Speed of the clock of the state machines; their time-outs are as long as ever.
    watches_handles : bool
        Whether another run follows, after which the server must not have more handles open.
    """

    items: int
    batch_size: int
    back_end: str = "lambda"
    tolerated_failure_percentage: float = 100
    faults: Sequence[str] = ("",)
    kills: Sequence[int] = ()
    most_at_once: int = 2_500
    speed: float = 30.0
    watches_handles: bool = False


@dataclass
class Figures:
    """What happened; ``recomputed`` are computations beyond one an item."""

    items: int
    kills: int = 0
    failures: int = 0
    redrives: int = 0
    runs: int = 1
    faults: Counter[str] = field(default_factory=Counter)
    recomputed: int = 0
    most_recomputed_at_once: int = 0
    handles: int = 0
    seconds: float = 0.0


@dataclass
class Soak:
    """One computation, over all servers and runs that it takes."""

    plan: Plan
    home: Path
    assembly: Path
    workload: Path

    def __post_init__(self) -> None:
        self.figures = Figures(self.plan.items)
        self._overlay = self.home / "overlay"
        self._overlay.mkdir(parents=True)
        (self._overlay / self.workload.name).write_bytes(self.workload.read_bytes())
        self._log = self.home / "begun.log"
        self._log.touch()
        self._kills = list(self.plan.kills)
        self._hosts = 0
        self._arn = ""
        self._before: set[int] = set()
        self._begun = 0
        self._faults_seen = 0
        self._stops = 0
        self._kills_itself = False
        self._below: list[int] = []

    def run(self) -> None:
        """Compute everything, and check what came out; SoakError says what does not hold."""
        began = time.monotonic()
        is_done = False
        while not is_done:
            with self._host() as (process, client, connection):
                committed = Committed(self.home, connection.outputs["ResultsBucketName"], self.plan.back_end)
                output = self._go_on(process, client, connection, committed)
                if output is None:
                    continue
                self._check(output)
                is_done = True
                if self.plan.watches_handles:
                    self._check_handles(process, client, connection)
        self.figures.seconds = round(time.monotonic() - began, 1)

    @contextmanager
    def _host(self) -> Iterator[tuple["subprocess.Popen[str]", Any, Connection]]:
        spec = self.plan.faults[min(self._hosts, len(self.plan.faults) - 1)]
        self._kills_itself = "kill_runner" in spec
        self._hosts += 1
        arguments = [str(self.home), str(self.assembly), str(self._overlay), spec, str(self.plan.speed)]
        command = [sys.executable, "-c", HOST, *arguments]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        left: list[int] = []
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "serving\n":
                raise SoakError("the server did not start")
            connection = attach(self.home)
            assert connection is not None
            yield process, _client(connection), connection
            left = descendants(process.pid)
            process.communicate()
            if process.returncode not in (0, -signal.SIGKILL):
                raise SoakError(f"the server ended with {process.returncode}")
        finally:
            process.kill()
            process.communicate()
            wait_until_gone(left)

    def _go_on(
        self, process: "subprocess.Popen[str]", client: Any, connection: Connection, committed: Committed
    ) -> dict[str, Any] | None:
        """Take the computation as far as this server lives; return its output when it is complete."""
        try:
            if not self._arn:
                self._start(client, connection, self._input())
            while True:
                execution = self._wait(process, client)
                if execution is None:
                    break
                self._note_stop(committed, lost=execution["status"] != "SUCCEEDED")
                if execution["status"] != "SUCCEEDED":
                    client.redrive_execution(executionArn=self._arn)
                    self.figures.redrives += 1
                    continue
                output = dict(json.loads(execution["output"]))
                if output["complete"]:
                    return output
                self._start(client, connection, {"redrive_of": self._arn.rpartition(":")[2]})
                self.figures.runs += 1
        except (BotoCoreError, ClientError):
            # It may be dying: its sockets go before it does.
            with suppress(subprocess.TimeoutExpired):
                process.wait(DEATH_SECONDS)
            if process.poll() is None:
                raise
        process.wait()
        wait_until_gone(self._below)
        self.figures.kills += 1
        self._note_stop(committed, lost=True)
        return None

    def _input(self) -> dict[str, Any]:
        return {
            "size": self.plan.items,
            "workload": self.workload.stem,
            "batch_size": self.plan.batch_size,
            "tolerated_failure_percentage": self.plan.tolerated_failure_percentage,
            "back_end": self.plan.back_end,
            "params": {"log": str(self._log)},
        }

    def _start(self, client: Any, connection: Connection, given: dict[str, Any]) -> None:
        if "redrive_of" in given:
            given = {**given, "batch_size": self.plan.batch_size}
        name = f"run-{self.figures.runs}-{self._hosts}-{self._stops}"
        machine = connection.outputs["StateMachineArn"]
        arn = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
        client.start_execution(stateMachineArn=machine, name=name, input=json.dumps(given))
        self._arn = arn

    def _wait(self, process: "subprocess.Popen[str]", client: Any) -> dict[str, Any] | None:
        """Return the run's description once it has ended; None when the runner is dead."""
        next_look = 0.0
        while process.poll() is None:
            if self._kills and self._log_lines() >= self._kills[0]:
                self._kills.pop(0)
                left = descendants(process.pid)
                process.send_signal(signal.SIGKILL)
                process.wait()
                wait_until_gone(left)
                return None
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + LOOK_SECONDS
                if self._kills_itself:
                    self._below = descendants(process.pid)
                execution = dict(client.describe_execution(executionArn=self._arn))
                if execution["status"] != "RUNNING":
                    self.figures.failures += execution["status"] == "FAILED"
                    return execution
            time.sleep(POLL_SECONDS)
        return None

    def _log_lines(self) -> int:
        return self._log.stat().st_size // LINE_BYTES

    def _note_stop(self, committed: Committed, *, lost: bool) -> None:
        """Compare what was computed since the last stop with what was on disk at both."""
        self._stops += 1
        if self._stops > MOST_STOPS:
            raise SoakError(f"not complete after {MOST_STOPS} stops")
        with self._log.open("rb") as file:
            file.seek(self._begun * LINE_BYTES)
            computed = [int(line) for line in file.read().splitlines()]
        self._begun += len(computed)
        after = committed.items()
        again = self._before.intersection(computed)
        if again:
            raise SoakError(f"items whose results were on disk were computed again: {sorted(again)[:10]}")
        if not self._before <= after <= self._before.union(computed):
            raise SoakError("results on disk were lost, or are of items that were not computed")
        wasted = len(computed) - len(after - self._before)
        faults = self._new_faults()
        allowed = self.plan.batch_size * sum(faults[kind] for kind in WASTING) + self.plan.most_at_once * lost
        if self.plan.back_end == "lambda" and wasted > allowed:
            raise SoakError(f"{wasted} items were computed and not kept at one stop, {allowed} are explained")
        self.figures.faults += faults
        self.figures.recomputed += wasted
        self.figures.most_recomputed_at_once = max(self.figures.most_recomputed_at_once, wasted)
        self._before = after

    def _new_faults(self) -> Counter[str]:
        path = self.home / "logs" / "faults.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        new, self._faults_seen = lines[self._faults_seen :], len(lines)
        return Counter(fault["kind"] for fault in map(json.loads, new) if "kind" in fault)

    def _check(self, output: dict[str, Any]) -> None:
        """Raise unless the result is that of every item, each counted once."""
        count = self.plan.items
        total = (count - 1) * count * (2 * count - 1) // 6
        found = (output["result"], output["count"], output["failed"], output["duplicates"])
        if found != (str(total), count, 0, 0):
            raise SoakError(f"result, count, failed, duplicates must be {(str(total), count, 0, 0)}, got {found}")
        if self._before != set(range(count)):
            raise SoakError("an item was counted whose result is not on disk")

    def _check_handles(self, process: "subprocess.Popen[str]", client: Any, connection: Connection) -> None:
        """Compare the server's open handles before and after another run with faults."""
        before = open_handles(process.pid)
        self._start(client, connection, self._input() | {"size": min(self.plan.items, 200), "batch_size": 1})
        self._wait(process, client)
        self.figures.handles = open_handles(process.pid)
        if self.figures.handles > before + HANDLE_MARGIN:
            raise SoakError(f"the server has {self.figures.handles} open handles, it had {before}")


def _client(connection: Connection) -> Any:
    session = local_session(
        region=connection.region,
        access_key_id=connection.access_key_id,
        secret_access_key=connection.secret_access_key,
    )
    return session.client("stepfunctions", endpoint_url=connection.endpoint_url, config=local_config())
