"""Commands that look while the server that they ask ends: what became of the runs is on disk."""

import argparse
import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber
from stubs import MACHINE, deployed_stack, ended_execution

from hpc.cli.looking import FAILURES, LOGS, REPLAY, REPORT, RESULT, RUNS, STATUS
from hpc.cli.main import build_parser
from hpc.commands import redrive
from hpc.commands.runs import runs
from hpc.errors import LostRunError, NotStartedError, UnansweredError
from hpc.runs.find import open_run, retry_if_server_gone
from hpc.targets import local, looking
from hpc.targets.client import Target, explained
from hpc.targets.home import STORE, Home

LONG = "n" * 300
EXECUTION = ended_execution("SUCCEEDED")
Answer = Callable[[Stubber], None]


def answers(*executions: dict[str, Any], token: str | None = None) -> Answer:
    more = {"nextToken": token} if token is not None else {}
    return lambda stub: stub.add_response("list_executions", {"executions": list(executions), **more})


def ends(stub: Stubber) -> None:
    stub.add_client_error("list_executions", "ServiceUnavailable", "the server is ending", http_status_code=503)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[list[Answer]]]:
    """Let looks meet servers that answer so, one after the other; return those that are left."""
    monkeypatch.setenv("HPC_HOME", str(tmp_path))

    def prepare(*servers: list[Answer]) -> list[list[Answer]]:
        left = list(servers)

        @contextmanager
        def served(_home: Home, *, is_short_lived: bool) -> Iterator[Target]:
            target = replace(deployed_stack(MACHINE), is_local=True)
            with Stubber(target.stepfunctions) as stub:
                for answer in left.pop(0):
                    answer(stub)
                yield target

        monkeypatch.setattr(looking, "looking_target", served)
        return left

    return prepare


def list_runs(*argv: str) -> int:
    return runs(build_parser().parse_args(["runs", "--output", "json", *argv]))


@pytest.mark.parametrize("command", [RUNS, STATUS, RESULT, FAILURES, REPLAY, LOGS, REPORT], ids=lambda each: each.name)
def test_every_look_is_one_that_looks_twice(command: Any) -> None:
    assert inspect.unwrap(command.load()) is not command.load()


def test_look_at_a_server_that_ends_is_one_at_the_disk(serve: Any, capsys: pytest.CaptureFixture[str]) -> None:
    left = serve([ends], [answers(EXECUTION)])
    assert list_runs() == 0
    assert [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()] == ["run-1"]
    assert not left


def test_look_is_given_up_the_second_time(serve: Any) -> None:
    left = serve([ends], [ends], [answers(EXECUTION)])
    with pytest.raises(UnansweredError, match="the server is ending"):
        list_runs()
    assert len(left) == 1


def test_lines_that_were_written_are_not_written_again(serve: Any, capsys: pytest.CaptureFixture[str]) -> None:
    left = serve([answers(EXECUTION, token="more"), ends], [answers(EXECUTION)])
    with pytest.raises(LostRunError, match="the server is ending; what was written is not all"):
        list_runs()
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert len(left) == 1


def test_second_look_is_at_the_same_run_though_another_has_become_the_latest(serve: Any) -> None:
    later = EXECUTION | {"executionArn": f"{EXECUTION['executionArn']}-later", "name": "run-1-later"}

    def described(execution: dict[str, Any]) -> Answer:
        known = {**execution, "input": "{}"}
        return lambda stub: stub.add_response("describe_execution", known)

    serve([answers(EXECUTION), described(EXECUTION)], [described(EXECUTION), answers(later)])
    seen = []

    @retry_if_server_gone
    def look(args: argparse.Namespace) -> int:
        with open_run(args) as run, explained(LostRunError):
            seen.append(run.name)
            if len(seen) == 1:
                raise UnansweredError("nothing answers", LostRunError.exit_code)
        return 0

    assert look(argparse.Namespace(aws=False, run=None)) == 0
    assert seen == ["run-1", "run-1"]


def test_look_at_aws_is_not_repeated() -> None:
    count = 0

    @retry_if_server_gone
    def look(_args: argparse.Namespace) -> int:
        nonlocal count
        count += 1
        raise UnansweredError("ServiceUnavailable", LostRunError.exit_code)

    with pytest.raises(UnansweredError):
        look(argparse.Namespace(aws=True))
    assert count == 1


def test_redrive_where_nothing_ran_is_refused_before_anything_is_synthesized(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve()

    def synthesized(*_given: object, **_settings: object) -> None:
        pytest.fail("there is nothing to synthesize for")

    monkeypatch.setattr(redrive, "open_target", synthesized)
    with pytest.raises(NotStartedError, match=r"nothing ran in .* yet: hpc run starts a run"):
        redrive.redrive(build_parser().parse_args(["redrive"]))


@pytest.mark.parametrize("kept", ["", "/", "\0", LONG, f"/{LONG}"])
def test_look_where_the_last_assembly_is_not_known_is_one_with_that_of_the_sources(
    kept: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / STORE).touch()
    (tmp_path / local.LAST_ASSEMBLY).write_text(kept)
    served: list[Path | None] = []

    @contextmanager
    def serve(_home: Home, assembly: Path | None, *, is_short_lived: bool) -> Iterator[Target]:
        assert is_short_lived
        served.append(assembly)
        yield deployed_stack(MACHINE)

    monkeypatch.setattr(looking, "local_target", serve)
    with looking.looking_target(Home(tmp_path, tmp_path)):
        assert served == [None]
