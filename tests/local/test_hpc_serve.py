"""`hpc serve` as a process: what it prints, who can use it, how it ends."""

import errno
import json
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import boto3
import pytest
from hpc_commands import assembly, call, command, environment, hpc

from hpc_local.batch.service import BatchService

VARIABLES = [
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_DISABLE_HOST_PREFIX_INJECTION",
]
Serve = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a server of this test's home and wait until it serves."""
    processes = []

    def start(*arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            command("serve", "--assembly", str(assembly()), *arguments),
            env=environment(tmp_path),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stderr is not None
        first = process.stderr.readline()
        assert first.startswith("serving arn:aws:states:"), first + process.stderr.read()
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def exports(process: "subprocess.Popen[str]") -> dict[str, str]:
    """Let a shell read what the server printed, and return the variables that it then has."""
    assert process.stdout is not None
    lines = "".join(process.stdout.readline() for _ in VARIABLES)
    assert [line.partition("=")[0] for line in lines.splitlines()] == [f"export {name}" for name in VARIABLES]
    listed = subprocess.run(["sh", "-c", f"{lines}env -0"], env={}, capture_output=True, text=True, check=True)
    return dict(entry.split("=", 1) for entry in listed.stdout.split("\0") if entry.startswith("AWS_"))


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_server_serves_until_a_signal_which_is_success(serve: Serve, ending: signal.Signals) -> None:
    process = serve()
    process.send_signal(ending)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.count("export ") == len(VARIABLES)


def test_exports_are_all_that_a_client_needs(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in exports(serve()).items():
        monkeypatch.setenv(name, value)
    states = boto3.session.Session().client("stepfunctions")
    [machine] = states.list_state_machines()["stateMachines"]
    execution = states.start_execution(
        stateMachineArn=machine["stateMachineArn"], input=json.dumps({"size": 4, "workload": "squares"})
    )
    assert states.describe_execution(executionArn=execution["executionArn"])["status"] in ("RUNNING", "SUCCEEDED")
    express = states.create_state_machine(
        name="express",
        type="EXPRESS",
        roleArn="arn:aws:iam::000000000000:role/r",
        definition='{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}',
    )
    assert states.start_sync_execution(stateMachineArn=express["stateMachineArn"])["status"] == "SUCCEEDED"
    assert boto3.session.Session().client("s3").list_buckets()["Buckets"]


def test_hpc_run_uses_the_server_that_serves(serve: Serve, tmp_path: Path) -> None:
    variables = exports(serve())
    ran = hpc(tmp_path, "run", "--size", "4", "--workload", "squares")
    assert (ran.returncode, ran.stdout.split()[1]) == (0, "14")
    states = boto3.client(
        "stepfunctions",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        region_name=variables["AWS_DEFAULT_REGION"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    )
    [machine] = states.list_state_machines()["stateMachines"]
    [execution] = states.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]
    assert execution["status"] == "SUCCEEDED"


def test_key_is_on_stdout_and_in_a_file_of_its_owner_only(serve: Serve, tmp_path: Path) -> None:
    process = serve()
    secret = exports(process)["AWS_SECRET_ACCESS_KEY"]
    holders = [path for path in tmp_path.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert [path.name for path in holders] == ["server.json"]
    assert stat.S_IMODE(holders[0].stat().st_mode) == 0o600
    command_line = Path(f"/proc/{process.pid}/cmdline")
    assert not command_line.exists() or secret not in command_line.read_text()


def test_second_server_of_one_home_is_refused(serve: Serve, tmp_path: Path) -> None:
    process = serve()
    refused = hpc(tmp_path, "serve", "--assembly", str(assembly()))
    assert refused.returncode == 2
    assert f"process {process.pid} serves" in refused.stderr
    assert refused.stdout == ""


def test_port_is_the_one_that_was_asked_for_and_a_taken_one_is_refused(serve: Serve, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = hpc(tmp_path, "serve", "--assembly", str(assembly()), "--port", str(port))
        assert (refused.returncode, refused.stdout) == (2, "")
        assert f"--port {port} can't be listened on" in refused.stderr
    assert exports(serve("--port", str(port)))["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{port}"


def test_home_that_can_not_be_written_is_named_and_not_the_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HPC_HOME", str(tmp_path))
    (tmp_path / "logs").write_text("a file where a folder has to be")
    refused = call(capsys, "serve", "--assembly", str(assembly()))
    assert refused.returncode == 2
    assert str(tmp_path / "logs") in refused.stderr
    assert "--port" not in refused.stderr


@pytest.mark.parametrize("port", ["65536", "-1", "http", "1.5", ""])
def test_ports_that_there_are_not_are_refused(
    port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HPC_HOME", str(tmp_path))
    refused = call(capsys, "serve", f"--port={port}")
    assert refused.returncode == 2
    assert "argument --port" in refused.stderr
    assert not list(tmp_path.iterdir())


def test_server_whose_event_loop_cannot_be_made_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> NoReturn:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setenv("HPC_HOME", str(tmp_path))
    monkeypatch.setattr("asyncio.events.new_event_loop", fail)
    refused = call(capfd, "serve", "--assembly", str(assembly()))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "Too many open files" in refused.stderr


def test_end_that_fails_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> NoReturn:
        raise KeyboardInterrupt

    async def fail(_batch: BatchService) -> NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setenv("HPC_HOME", str(tmp_path))
    monkeypatch.setattr("hpc.serve.wait_for_signal", interrupt)
    monkeypatch.setattr(BatchService, "stop", fail)
    ended = call(capfd, "serve", "--assembly", str(assembly()))
    assert ended.returncode == 1
    assert ended.stderr.endswith("hpc serve: [Errno 5] Input/output error\n")
    assert not (tmp_path / "server.json").exists()


def test_exports_file_is_of_its_server_alone(tmp_path: Path, serve: Serve) -> None:
    file = tmp_path / "exports.sh"
    file.write_text("export AWS_ENDPOINT_URL=http://127.0.0.1:1\n")
    file.chmod(0o644)
    process = serve("--exports", str(file))
    lines = file.read_text().splitlines()
    assert [line.removeprefix("export ").partition("=")[0] for line in lines] == VARIABLES
    assert "127.0.0.1:1\n" not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    second = hpc(tmp_path, "serve", "--assembly", str(assembly()), "--exports", str(file))
    assert second.returncode == 2
    assert file.read_text().splitlines() == lines
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert not file.exists()
    assert process.communicate()[0] == ""


@pytest.mark.parametrize("kind", ["file", "link", "folder", "place"])
def test_exports_file_overwrites_nothing(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "home"))
    file = tmp_path / "exports.sh"
    match kind:
        case "file":
            file.write_text("of mine")
        case "link":
            file.symlink_to(tmp_path / "elsewhere")
        case "folder":
            file.mkdir()
        case _:
            file = tmp_path / "no such folder" / "exports.sh"
    refused = call(capfd, "serve", "--assembly", str(assembly()), "--exports", str(file))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"--exports {file}" in refused.stderr
    assert kind != "file" or file.read_text() == "of mine"
