"""Every kind of fault on the synthesized pipeline: the total stays exact, or the run fails by name and is redriven."""

import json
from pathlib import Path

import pytest
from fault_runs import check_exact, served
from job_commands import arguments
from sfn_local.server import FaultInjector, FaultSpec, FaultSpecError, LocalServer
from states_endpoint import States, chain

from hpc.cli.main import main

RETRIED = (
    "throttle Start times=2; service_error Start; throttle Compute 30%; service_error Compute item=2 times=2;"
    "slow Sum seconds=20; s3_500 Sum; s3_503 Sum; duplicate Compute 40%; duplicate Start; seed=5"
)


def test_what_is_retried_leaves_the_total_exact_and_is_the_same_for_a_seed(tmp_path: Path) -> None:
    counts = []
    for name in ("first", "second"):
        with served(tmp_path / name, RETRIED) as runs:
            check_exact(runs.run())
            counts.append(runs.injected)
    assert counts[0] == counts[1]
    assert all(counts[0].values())


def test_batch_fails_by_the_name_that_the_service_would_give(tmp_path: Path) -> None:
    faults = "crash Compute item=1; timeout Compute item=2; wrong_output Compute item=3"
    with served(tmp_path, f"{faults}; wrong_output Compute item=4 output='{{\"done\":true}}'") as runs:
        described = runs.run(tolerated_failure_percentage=100)
        errors = runs.child_errors(described["executionArn"])
        counts = runs.injected
    assert counts == {"crash": 1, "timeout": 1, "wrong_output": 2}
    assert errors.keys() == {"Runtime.ExitError", "Sandbox.Timedout", "States.Runtime"}
    assert "signal: killed" in errors["Runtime.ExitError"]
    assert "Task timed out after 900.00 seconds" in errors["Sandbox.Timedout"]
    # The output of the fourth is well-formed and no result of a batch: Sum does not take it for one.
    assert (described["status"], described["error"]) == ("FAILED", "ResultFileError")


def test_run_that_faults_end_is_redriven_each_time_until_its_total_is_exact(tmp_path: Path) -> None:
    with served(tmp_path, "crash Start; crash Compute item=3; throttle Compute item=2 times=2; timeout Sum") as runs:
        described = runs.run()
        arn = described["executionArn"]
        errors = []
        while described["status"] == "FAILED" and len(errors) < 5:
            errors.append(described["error"])
            described = runs.redrive(arn)
        check_exact(described)
    assert errors == ["Runtime.ExitError", "States.ExceedToleratedFailureThreshold", "Sandbox.Timedout"]
    marked, *faults = [json.loads(line) for line in (tmp_path / "logs" / "faults.jsonl").read_text().splitlines()]
    assert marked["spec"]["rules"][1] == {"kind": "crash", "state": "Compute", "item": [3], "times": 1}
    places = sorted((fault["kind"], fault["state"], fault["item"], fault["redrive"]) for fault in faults)
    assert places == [
        *(("crash", "Compute", 3, 1), ("crash", "Start", None, 0)),
        *(("throttle", "Compute", 2, 1), ("throttle", "Compute", 2, 1), ("timeout", "Sum", None, 2)),
    ]
    assert {line["run"] for line in (marked, *faults)} == {arn}


def test_run_that_went_on_with_a_wrong_output_keeps_it_in_a_redrive(tmp_path: Path) -> None:
    with served(tmp_path, "wrong_output Start") as runs:
        failed = runs.run()
        assert (failed["status"], failed["error"]) == ("FAILED", "States.Runtime")
        assert runs.redrive(failed["executionArn"])["error"] == "States.Runtime"


def test_outage_of_s3_that_its_client_does_not_outlast_is_outlasted_by_the_state(tmp_path: Path) -> None:
    with served(tmp_path, "s3_500 Sum times=6") as runs:
        described = runs.run()
        check_exact(described)
        assert runs.injected == {"s3_500": 6}
        events = runs.client.get_execution_history(executionArn=described["executionArn"], maxResults=1_000)["events"]
    failed = [
        event["lambdaFunctionFailedEventDetails"]["error"]
        for event in events
        if event["type"] == "LambdaFunctionFailed"
    ]
    assert failed == ["StorageUnavailableError"]


def test_wrong_output_of_the_last_state_is_the_output_of_the_run(tmp_path: Path) -> None:
    with served(tmp_path, "wrong_output Sum output=7") as runs:
        described = runs.run()
    assert (described["status"], described["output"]) == ("SUCCEEDED", "7")


def test_without_faults_nothing_is_logged(tmp_path: Path) -> None:
    with served(tmp_path, None) as runs:
        check_exact(runs.run())
    assert not (tmp_path / "logs" / "faults.jsonl").exists()


@pytest.mark.parametrize(
    ("faults", "counts"),
    [
        (
            "throttle ComputeArrayJob; service_error ComputeArrayJob; s3_503 ComputeArrayJob item=1 times=2",
            {"throttle": 1, "service_error": 1, "s3_503": 2},
        ),
        (
            "crash ComputeArrayJob item=3; timeout ComputeArrayJob item=6; duplicate ComputeArrayJob",
            {"crash": 1, "timeout": 1, "duplicate": 1},
        ),
    ],
)
def test_array_job_outlives_its_faults(tmp_path: Path, faults: str, counts: dict[str, int]) -> None:
    with served(tmp_path, faults) as runs:
        check_exact(runs.run(back_end="batch"))
        assert runs.injected == counts


def test_job_with_a_token_outlives_what_is_retried(tmp_path: Path) -> None:
    faults = "throttle ComputeCallbackJob; duplicate ComputeCallbackJob; s3_500 ComputeCallbackJob times=2"
    with served(tmp_path, faults) as runs:
        check_exact(runs.run(back_end="batch_callback"))
        assert runs.injected == {"throttle": 1, "duplicate": 1, "s3_500": 2}


def test_job_with_a_token_fails_by_name_and_is_redriven(tmp_path: Path) -> None:
    faults = "service_error ComputeCallbackJob; crash ComputeCallbackJob; timeout ComputeCallbackJob"
    with served(tmp_path, faults) as runs:
        described = runs.run(back_end="batch_callback")
        failures = []
        while described["status"] == "FAILED" and len(failures) < 5:
            failures.append((described["error"], described["cause"]))
            described = runs.redrive(described["executionArn"])
        check_exact(described)
        assert runs.injected == {"service_error": 1, "crash": 1, "timeout": 1}
    assert [error for error, _ in failures] == ["Lambda.ServiceException", "JobFailed", "JobFailed"]
    assert "exit code 137" in failures[1][1]
    assert "Job attempt duration exceeded timeout" in failures[2][1]


def test_task_that_begins_too_late_is_out_of_time(tmp_path: Path) -> None:
    late = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:listBuckets", "TimeoutSeconds": 1}
    rehearsal = FaultInjector(FaultSpec.parse("slow Late seconds=30"))
    with LocalServer(tmp_path, None, faults=rehearsal) as connection:
        states = States(connection)
        described = states.run(states.create("machine", chain(Late=late)))
    assert (described["status"], described["error"]) == ("FAILED", "States.Timeout")
    assert rehearsal.injected == {"slow": 1}


def test_faults_of_states_that_the_assembly_does_not_have_keep_the_server_from_starting(tmp_path: Path) -> None:
    with (
        pytest.raises(FaultSpecError, match="rule 1, crash Comput 5%: there is no state Comput"),
        served(tmp_path, "crash Comput 5%"),
    ):
        pass
    assert not list((tmp_path / "logs").glob("*"))


def test_orchestration_under_faults_agrees_after_its_retries_and_says_what_they_were(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HPC_HOME", str(tmp_path))
    # The first attempt at the entry loses its MapReduce; the second one is another execution, and the item is spared.
    faults = "crash Compute item=0; throttle CompareTotals; slow SyncNested seconds=0.1 item=0"
    options = ("--entries", '[{"name": "one"}]', "--faults", faults, "--output", "json")
    code = main(arguments("orchestrate", *options))
    shown = capsys.readouterr()
    result = json.loads(shown.out)
    assert (code, result["status"], result["entries"][0]["agree"]) == (0, "SUCCEEDED", True)
    assert result["faults"]["injected"] == {"crash": 1, "throttle": 1, "slow": 1}
    assert "faults that were made: 1 crash, 1 throttle, 1 slow" in shown.err
