"""Log streams: Lambda's own lines around what a handler prints, one worker at a time in a file."""

import re
from concurrent.futures import wait
from pathlib import Path

import pytest
from lambda_workers import Workers, lambda_workers
from sfn_local.lambda_runtime.function import FunctionError
from sfn_local.lambda_runtime.log_streams import LogStreams

TALKER = """
import os, time
print("import")
def handler(event, context):
    print(event, end="" if event == "half a line" else "\\n")
    if event == "exit":
        os._exit(3)
    if event == "raise":
        raise ValueError("bad")
    if isinstance(event, dict):
        for _ in range(20):
            print(event["name"], context.aws_request_id)
            time.sleep(0.002)
    return context.aws_request_id
"""
REPORT = re.compile(
    r"REPORT RequestId: [0-9a-f-]{36}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB"
    r"\tMax Memory Used: \d+ MB(\tInit Duration: \d+\.\d\d ms)?"
)


def streams(workers: Workers, name: str) -> dict[str, list[str]]:
    """Return the lines of a function's log files by their names."""
    paths = sorted((workers.folder / "log").glob(f"{name}.*log"))
    return {path.name: path.read_text(encoding="utf-8").splitlines() for path in paths}


def test_lines_of_an_invocation_stand_between_its_start_and_its_end(tmp_path: Path) -> None:
    with lambda_workers(tmp_path, worker_count=1) as workers:
        arn = workers.register("talker", TALKER)
        first, second = (workers.invoke(arn, word) for word in ("eins", "half a line"))
        with pytest.raises(FunctionError, match="ValueError"):
            workers.invoke(arn, "raise")
        lines = streams(workers, "talker")["talker.log"]
    assert lines[0].startswith("INIT_START Runtime Version: python:3.")
    assert lines[1:5] == ["import", f"START RequestId: {first} Version: $LATEST", "eins", f"END RequestId: {first}"]
    assert lines[6:9] == [f"START RequestId: {second} Version: $LATEST", "half a line", f"END RequestId: {second}"]
    assert lines[11] == "raise"
    assert "[ERROR] ValueError: bad" in lines[12:-2]
    reports = [REPORT.fullmatch(line) for line in lines if line.startswith("REPORT")]
    assert [match and match[1] is not None for match in reports] == [True, False, False]
    assert lines[-2].startswith("END RequestId: ")


def test_lines_of_invocations_that_run_at_once_do_not_mix(tmp_path: Path) -> None:
    with lambda_workers(tmp_path, worker_count=2) as workers:
        arn = workers.register("talker", TALKER)
        futures = [workers.start(arn, {"name": f"n{number}"}) for number in range(8)]
        wait(futures, timeout=30)
        files = streams(workers, "talker")
    assert sorted(files) == ["talker.1.log", "talker.log"]
    printed = 0
    for lines in files.values():
        request_id = None
        for line in lines:
            if line.startswith("START"):
                request_id = line.split()[2]
            elif re.match(r"n\d ", line):
                assert line.split()[1] == request_id
                printed += 1
    assert printed == 8 * 20


def test_worker_that_died_has_no_end_and_its_successor_goes_on_in_the_same_file(tmp_path: Path) -> None:
    with lambda_workers(tmp_path, worker_count=1) as workers:
        arn = workers.register("talker", TALKER)
        with pytest.raises(FunctionError, match="exit status 3"):
            workers.invoke(arn, "exit")
        workers.invoke(arn, "zwei")
        (lines,) = streams(workers, "talker").values()
    kinds = [line.split()[0] for line in lines]
    assert kinds == ["INIT_START", "import", "START", "exit", "INIT_START", "import", "START", "zwei", "END", "REPORT"]


def test_worker_that_is_stopped_writes_no_error_of_its_runtime_client(tmp_path: Path) -> None:
    with lambda_workers(tmp_path) as workers:
        arn = workers.register("talker", TALKER)
        for _ in range(5):
            workers.invoke(arn, "eins")
            workers.register("talker", TALKER)  # replaces the function: its waiting worker is killed
    text = (tmp_path / "log" / "talker.log").read_text()
    assert "LAMBDA_RUNTIME" not in text
    assert "Traceback" not in text
    assert "terminate" not in text


def test_file_is_free_when_the_process_has_ended() -> None:
    names = LogStreams()
    assert [names.take(identity, "one") for identity in "abc"] == ["one.log", "one.1.log", "one.2.log"]
    assert names.take("d", "two") == "two.log"
    names.release("b")
    names.release("unknown")
    assert [names.take(identity, "one") for identity in "ef"] == ["one.1.log", "one.3.log"]
    names.release_all()
    assert names.take("a", "one") == "one.log"
