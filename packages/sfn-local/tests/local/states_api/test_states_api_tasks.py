"""SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat: tokens that a nested execution was handed."""

import json
from collections.abc import Iterator

import pytest
from states_endpoint import PASS, States, chain, refused, serving, wait_until


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[States]:
    with serving(tmp_path_factory.mktemp("home")) as served:
        yield served


@pytest.fixture
def waiting(states: States) -> tuple[str, str]:
    """An execution that waits for a token, and the token."""
    keeper = states.create("keeper", PASS)
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution.waitForTaskToken",
        "Parameters": {"StateMachineArn": keeper, "Input": {"token.$": "$$.Task.Token"}},
    }
    execution = states.start(states.create("waiter", chain(T=task)))

    def submitted() -> bool:
        return any(event["type"] == "TaskSubmitted" for event in states.events(execution))

    wait_until(submitted)
    [event] = [event for event in states.events(execution) if event["type"] == "TaskSubmitted"]
    nested = json.loads(event["taskSubmittedEventDetails"]["output"])["ExecutionArn"]
    return execution, json.loads(states.ended(nested)["input"])["token"]


def test_success_ends_the_task_with_its_output_once(states: States, waiting: tuple[str, str]) -> None:
    execution, token = waiting
    states.client.send_task_heartbeat(taskToken=token)
    states.client.send_task_success(taskToken=token, output='{"done": 1}')
    described = states.ended(execution)
    assert (described["status"], json.loads(described["output"])) == ("SUCCEEDED", {"done": 1})
    for call in (
        lambda: states.client.send_task_success(taskToken=token, output="{}"),
        lambda: states.client.send_task_failure(taskToken=token),
        lambda: states.client.send_task_heartbeat(taskToken=token),
    ):
        with refused("TaskTimedOut"):
            call()


def test_failure_fails_the_task_with_error_and_cause(states: States, waiting: tuple[str, str]) -> None:
    execution, token = waiting
    states.client.send_task_failure(taskToken=token, error="Mine", cause="so")
    described = states.ended(execution)
    assert (described["status"], described["error"], described["cause"]) == ("FAILED", "Mine", "so")


def test_output_that_is_not_json_leaves_the_task_waiting(states: States, waiting: tuple[str, str]) -> None:
    execution, token = waiting
    with refused("InvalidOutput"):
        states.client.send_task_success(taskToken=token, output="not-json")
    states.client.send_task_success(taskToken=token, output="null")
    assert states.ended(execution)["output"] == "null"


def test_tokens_of_stopped_executions_have_timed_out(states: States, waiting: tuple[str, str]) -> None:
    execution, token = waiting
    states.client.stop_execution(executionArn=execution)
    with refused("TaskTimedOut"):
        states.client.send_task_success(taskToken=token, output="{}")


@pytest.mark.parametrize("token", ["nobody's", "A" * 2048, "ä"])
def test_foreign_tokens_are_invalid_and_not_repeated(states: States, token: str) -> None:
    with refused("InvalidToken", message="Invalid Token: 'Invalid token'"):
        states.client.send_task_heartbeat(taskToken=token)
