"""A run that is followed to a failure, while the server that it was started on ends."""

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
from stubs import MACHINE, answering, deployed_stack, ended_execution

from hpc.commands.follow import FollowedRun
from hpc.errors import UnansweredError
from hpc.targets.home import Home

FAILED_JOB = {"JobId": "job-1", "ArrayProperties": {"Size": 4}, "Status": "FAILED"}
FAILED = ended_execution("FAILED") | {"cause": json.dumps(FAILED_JOB)}


def follow(home: Path, *, is_guest: bool) -> int:
    """Follow a run whose server does not answer any more when it is asked which of its jobs failed."""
    target = replace(deployed_stack(MACHINE), is_local=True, is_guest=is_guest)
    with answering(target.stepfunctions) as states, answering(target.batch) as batch:
        states.add_response("describe_execution", FAILED)
        states.add_response("list_map_runs", {"mapRuns": []})
        batch.add_client_error("list_jobs", "ServiceUnavailable", "the server is ending", http_status_code=503)
        return FollowedRun(target, Home(home, home), "run-1", Namespace(output="text")).follow()


def test_guest_asks_another_server_which_jobs_failed(tmp_path: Path) -> None:
    with pytest.raises(UnansweredError, match="the server is ending"):
        follow(tmp_path, is_guest=True)


def test_run_fails_as_it_did_though_its_failed_jobs_cannot_be_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert follow(tmp_path, is_guest=False) == 1
    assert "the failed jobs can't be named: asking about job job-1: Service" in capsys.readouterr().err
