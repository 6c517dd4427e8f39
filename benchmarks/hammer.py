"""Clients that all do what might hold a server, for a given time: it answers, has no internal error and stays small.

Each client makes state machines of `hostile`, starts them, looks at them until they have ended or stops them, sends
bodies that are hard to read, and now and then runs a machine that does nothing.  It fails if a request takes too long,
an answer is an internal error, an execution ends otherwise than its machine says, or the server's memory grows.

Run: python benchmarks/hammer.py [--seconds 300] [--clients 20].  The last line on stdout is one JSON object.
"""

import argparse
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import boto3
import psutil
from botocore.config import Config
from botocore.exceptions import ClientError
from hostile import BODIES, MACHINES, Hostile
from sfn_local.server import Connection, LocalServer, attach

ROLE_ARN = "arn:aws:iam::000000000000:role/hammer"
NOTHING = Hostile("nothing", {"StartAt": "Pass", "States": {"Pass": {"Type": "Pass", "End": True}}}, {})
INTERNAL = ("InternalError", "InternalFailure", "InternalServerError", "Runner.InternalError")
_LOOKS_SECONDS = 0.25
_STOPPED_AFTER_SECONDS = 1.0
_SAMPLE_SECONDS = 1.0
_SAMPLES_THAT_TELL = 30
_MIB = 1024 * 1024


class HammerError(AssertionError):
    """The server did what it must not."""


class Hammer:
    """The clients of one server.

    Attributes
    ----------
    slowest : list of tuple
        Seconds and name of the requests that took longest.
    """

    def __init__(self, connection: Connection, *, clients: int, seconds: float, answers_within: float) -> None:
        self._connection = connection
        self._clients = clients
        self._answers_within = answers_within
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self.requests = 0
        self.ended: Counter[str] = Counter()
        self.slowest: list[tuple[float, str]] = []
        self.faults: list[str] = []

    def run(self) -> None:
        threads = [threading.Thread(target=self._work, args=(number,)) for number in range(self._clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, number: int) -> None:
        chosen = random.Random(number)
        client = self._client()
        try:
            while time.monotonic() < self._end and not self.faults:
                if chosen.random() < 0.1:
                    self._send_body(client, *chosen.choice(BODIES))
                elif chosen.random() < 0.3:
                    self._run_to_end(client, NOTHING)
                else:
                    self._run_to_end(client, chosen.choice(MACHINES))
        except Exception as error:  # whatever it is, it is told of
            self._note_fault(f"{type(error).__name__}: {error}"[:500])

    def _client(self) -> Any:
        return boto3.client(
            "stepfunctions",
            endpoint_url=self._connection.endpoint_url,
            region_name=self._connection.region,
            aws_access_key_id=self._connection.access_key_id,
            aws_secret_access_key=self._connection.secret_access_key,
            config=Config(
                inject_host_prefix=False,
                proxies={},
                parameter_validation=False,
                read_timeout=self._answers_within * 4,
                retries={"max_attempts": 0},
            ),
        )

    def _call(self, call: Callable[..., Any], what: str, /, **given: Any) -> Any:
        began = time.monotonic()
        try:
            return call(**given)
        except ClientError as error:
            if error.response["Error"]["Code"] in INTERNAL:
                raise HammerError(f"{what}: {error}") from None
            raise
        finally:
            self._note(time.monotonic() - began, what)

    def _note(self, seconds: float, name: str) -> None:
        with self._lock:
            self.requests += 1
            self.slowest = sorted([*self.slowest, (round(seconds, 2), name)], reverse=True)[:5]
        if seconds > self._answers_within:
            raise HammerError(f"{name} was answered after {seconds:.1f} s")

    def _note_fault(self, fault: str) -> None:
        with self._lock:
            self.faults.append(fault)

    def _run_to_end(self, client: Any, hostile: Hostile) -> None:
        definition, payload = hostile.texts
        name = f"{hostile.name}-{uuid.uuid4()}"
        given = {"name": name, "definition": definition, "roleArn": ROLE_ARN, "type": hostile.type}
        arn = self._call(client.create_state_machine, f"create {hostile.name}", **given)["stateMachineArn"]
        starting = self._call(client.start_execution, f"start {hostile.name}", stateMachineArn=arn, input=payload)
        started = starting["executionArn"]
        if hostile.type == "EXPRESS":  # nobody can look at it or stop it; its machine's deletion ends it
            time.sleep(_STOPPED_AFTER_SECONDS)
            self._call(client.delete_state_machine, "delete", stateMachineArn=arn)
            return
        if not hostile.status:
            time.sleep(_STOPPED_AFTER_SECONDS)
            self._call(client.stop_execution, f"stop {hostile.name}", executionArn=started)
        while True:
            seen = self._call(client.describe_execution, f"describe {hostile.name}", executionArn=started)
            if seen["status"] != "RUNNING":
                break
            time.sleep(_LOOKS_SECONDS)
        if seen.get("error") in INTERNAL or seen["status"] != (hostile.status or "ABORTED"):
            raise HammerError(f"{hostile.name} ended as {seen['status']}, {seen.get('error')}: {seen.get('cause')}")
        self.ended[seen["status"]] += 1
        self._call(client.delete_state_machine, "delete", stateMachineArn=arn)

    def _send_body(self, client: Any, name: str, definition: str) -> None:
        given = {"name": f"body-{name}", "definition": definition, "roleArn": ROLE_ARN}
        with contextlib.suppress(ClientError):
            self._call(client.create_state_machine, f"body {name}", **given)
            raise HammerError(f"the body {name} was taken")


class Memory:
    """The server's memory over time, sampled in a thread."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._is_over = threading.Event()
        self.samples: list[int] = []

    @contextlib.contextmanager
    def sampled(self) -> Iterator[None]:
        thread = threading.Thread(target=self._sample)
        thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            thread.join()

    def _sample(self) -> None:
        while not self._is_over.wait(_SAMPLE_SECONDS):
            self.samples.append(self._process.memory_info().rss // _MIB)

    def by_tenth(self) -> list[int]:
        """Median of each tenth of the time."""
        size = max(1, len(self.samples) // 10)
        return [int(median(self.samples[start : start + size])) for start in range(0, len(self.samples), size)]

    def growth_mib(self) -> int:
        """Median of the last third above that of the middle third; 0 for a run too short to tell."""
        third = len(self.samples) // 3
        if third < _SAMPLES_THAT_TELL:
            return 0
        return int(median(self.samples[-third:]) - median(self.samples[third : 2 * third]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--answers-within", type=float, default=5, help="seconds that a request may take")
    parser.add_argument("--growth-mib", type=int, default=64, help="memory that may be kept")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hammer-") as folder, serving(Path(folder)) as (connection, pid):
        hammer = Hammer(connection, clients=args.clients, seconds=args.seconds, answers_within=args.answers_within)
        memory = Memory(pid)
        with memory.sampled():
            hammer.run()
    growth = memory.growth_mib()
    if growth > args.growth_mib:
        hammer.faults.append(f"the server kept {growth} MiB more")
    figures = {
        "requests": hammer.requests,
        "ended": hammer.ended,
        "slowest": hammer.slowest,
        "memory_mib": [min(memory.samples, default=0), max(memory.samples, default=0)],
        "growth_mib": growth,
        "memory_by_tenth_mib": memory.by_tenth(),
        "faults": hammer.faults,
    }
    print(json.dumps(figures))
    return 1 if hammer.faults else 0


@contextlib.contextmanager
def serving(home: Path) -> Iterator[tuple[Connection, int]]:
    """Serve in a process of its own, whose memory is the server's."""
    process = subprocess.Popen([sys.executable, __file__, "--serve", str(home)], stdin=subprocess.PIPE)
    try:
        while (connection := attach(home)) is None:
            if process.poll() is not None:
                raise HammerError("the server did not start")
            time.sleep(0.05)
        yield connection, process.pid
    finally:
        process.communicate()


def serve(home: Path) -> None:
    """Serve until stdin ends."""
    with LocalServer(home, None, worker_count=1):
        sys.stdin.read()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]))
    else:
        sys.exit(main())
