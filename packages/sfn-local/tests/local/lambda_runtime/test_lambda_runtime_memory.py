"""A function that uses more memory than it has is killed, as on Lambda, and its log says so."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lambda_workers import Workers, lambda_workers

APP = """
import os, subprocess, sys, time

def fill(mib):
    return [bytearray(os.urandom(1024)) * 1024 for _ in range(mib)]

BESIDE = {
    "child": "",
    "grandchild": "if os.fork(): os.wait(); os._exit(0)",
    "orphan": "if os.fork(): os._exit(0)",
    "orphan_in_a_session": "if os.fork(): os._exit(0)\\nos.setsid()",
}

def handler(event, context):
    if event["where"] in BESIDE:
        held = "held = [os.urandom(1 << 20) for _ in range(%d)]; time.sleep(60)" % event["mib"]
        subprocess.run([sys.executable, "-c", "import os, time\\n%s\\n%s" % (BESIDE[event["where"]], held)])
        time.sleep(60)
    held = fill(event["mib"])
    if event["mib"] > 200:
        time.sleep(60)
    return len(held)
"""


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    with lambda_workers(tmp_path_factory.mktemp("memory")) as running:
        running.register("app", APP, memory_mib=256)
        yield running


ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose such a process is")


@pytest.mark.parametrize(
    "where",
    ["worker", "child", "grandchild", "orphan", pytest.param("orphan_in_a_session", marks=ON_LINUX)],
)
def test_function_that_passes_its_memory_is_killed(workers: Workers, where: str) -> None:
    arn = workers.register(where, APP, memory_mib=256)
    failure = workers.failure(arn, {"where": where, "mib": 400})
    cause = json.loads(failure.cause)
    assert failure.name == cause["errorType"] == "Runtime.ExitError"
    assert "Error: Runtime exited with error: signal: killed" in cause["errorMessage"]
    assert "the function has 256: raise MemorySize" in cause["errorMessage"]
    [log] = (workers.folder / "log").glob(f"{where}.log")
    report = next(line for line in log.read_text().splitlines() if line.startswith("REPORT"))
    assert "Memory Size: 256 MB" in report
    assert report.endswith("Status: error\tError Type: Runtime.OutOfMemory")


def test_function_within_its_memory_is_left_alone_and_reports_its_peak(workers: Workers) -> None:
    arn = workers.register("modest", APP, memory_mib=256)
    assert workers.invoke(arn, {"where": "worker", "mib": 60}) == 60
    log: Path = workers.folder / "log" / "modest.log"
    report = next(line for line in log.read_text().splitlines() if line.startswith("REPORT"))
    used = int(report.partition("Max Memory Used: ")[2].split()[0])
    assert 60 < used < 256
