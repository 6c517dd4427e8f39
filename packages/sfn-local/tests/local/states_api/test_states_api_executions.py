"""Executions through the API: what recorded answers of the service say."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from states_endpoint import EXECUTION_ARN, MACHINE_ARN, PASS, WAIT, States, chain, refused, serving, wait_until

FAIL = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Bad", "Cause": "so"}}}


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[States]:
    with serving(tmp_path_factory.mktemp("home")) as served:
        yield served


def test_describe_tells_how_an_execution_succeeded(states: States) -> None:
    described = states.run(states.create("pass"), {"x": [1, "ä"]})
    assert described["status"] == "SUCCEEDED"
    assert json.loads(described["output"]) == json.loads(described["input"]) == {"x": [1, "ä"]}
    assert described["inputDetails"] == described["outputDetails"] == {"included": True}
    assert described["stateMachineArn"] == f"{MACHINE_ARN}:pass"
    assert described["executionArn"] == f"{EXECUTION_ARN}:pass:{described['name']}"
    assert described["startDate"] <= described["stopDate"]
    assert (described["redriveCount"], described["redriveStatus"]) == (0, "NOT_REDRIVABLE")
    assert described["redriveStatusReason"] == "Execution is SUCCEEDED and cannot be redriven"


def test_describe_tells_how_an_execution_failed(states: States) -> None:
    described = states.run(states.create("fail", FAIL))
    assert (described["status"], described["error"], described["cause"]) == ("FAILED", "Bad", "so")
    assert described["redriveStatus"] == "REDRIVABLE"
    assert not {"output", "outputDetails", "redriveStatusReason"} & set(described)


def test_describe_tells_that_an_execution_runs(states: States) -> None:
    execution = states.start(states.create("wait", WAIT))
    described = states.client.describe_execution(executionArn=execution)
    assert described["status"] == "RUNNING"
    assert described["redriveStatusReason"] == "Execution is RUNNING and cannot be redriven"
    assert not {"stopDate", "output", "outputDetails", "error", "cause"} & set(described)
    states.client.stop_execution(executionArn=execution)


def test_describe_leaves_data_out_where_only_metadata_is_wanted(states: States) -> None:
    execution = states.run(states.create("pass"), {"secret": 1})["executionArn"]
    described = states.client.describe_execution(executionArn=execution, includedData="METADATA_ONLY")
    assert described["inputDetails"] == described["outputDetails"] == {"included": False}
    assert not {"input", "output"} & set(described)


def test_execution_timed_out_follows_nothing_and_has_no_error(states: States) -> None:
    definition = {**chain(Wait={"Type": "Wait", "Seconds": 600}), "TimeoutSeconds": 1}
    described = states.run(states.create("timeout", definition))
    assert (described["status"], described["redriveStatus"]) == ("TIMED_OUT", "REDRIVABLE")
    assert states.chain_of(described["executionArn"]) == [
        (1, 0, "ExecutionStarted"),
        (2, 0, "WaitStateEntered"),
        (3, 0, "ExecutionTimedOut"),
    ]


def test_stop_aborts_with_what_the_caller_says_and_once(states: States) -> None:
    execution = states.start(states.create("wait", WAIT))
    wait_until(lambda: len(states.events(execution)) == 2)
    first = states.client.stop_execution(executionArn=execution, error="Enough", cause="because")
    described = states.client.describe_execution(executionArn=execution)
    assert (described["status"], described["error"], described["cause"]) == ("ABORTED", "Enough", "because")
    assert described["stopDate"] == first["stopDate"]
    assert states.client.stop_execution(executionArn=execution, error="Other")["stopDate"] == first["stopDate"]
    assert states.client.describe_execution(executionArn=execution)["error"] == "Enough"
    [_started, _entered, aborted] = states.events(execution)
    assert (aborted["type"], aborted["id"], aborted["previousEventId"]) == ("ExecutionAborted", 3, 0)
    assert aborted["executionAbortedEventDetails"] == {"error": "Enough", "cause": "because"}


def test_start_with_the_name_of_a_running_execution_and_its_input_is_that_execution(states: States) -> None:
    arn = states.create("wait", WAIT)
    first = states.client.start_execution(stateMachineArn=arn, name="one", input='{"a": 1}')
    again = states.client.start_execution(stateMachineArn=arn, name="one", input='{"a":1}')
    assert (again["executionArn"], again["startDate"]) == (first["executionArn"], first["startDate"])
    with refused("ExecutionAlreadyExists", message=f"Execution Already Exists: '{first['executionArn']}'"):
        states.client.start_execution(stateMachineArn=arn, name="one", input='{"a": 2}')
    states.client.stop_execution(executionArn=first["executionArn"])
    with refused("ExecutionAlreadyExists"):
        states.client.start_execution(stateMachineArn=arn, name="one", input='{"a": 1}')


@pytest.mark.parametrize("text", ["", "  ", "not JSON", "{'a': 1}", "NaN", "[1", "[" * 100_000])
def test_start_refuses_what_is_not_json(states: States, text: str) -> None:
    with refused("InvalidExecutionInput", message="Invalid State Machine Execution Input: '"):
        states.client.start_execution(stateMachineArn=states.create("pass"), input=text)


@pytest.mark.parametrize("text", ["null", "1", '"text"', "[]"])
def test_start_takes_any_json(states: States, text: str) -> None:
    execution = states.client.start_execution(stateMachineArn=states.create("pass"), input=text)["executionArn"]
    assert states.ended(execution)["output"] == text


def test_start_without_input_is_an_empty_object(states: States) -> None:
    execution = states.client.start_execution(stateMachineArn=states.create("pass"))["executionArn"]
    assert states.ended(execution)["output"] == "{}"


def test_start_takes_as_much_as_a_payload_may_have(states: States) -> None:
    arn, text = states.create("pass"), json.dumps("x" * (262_144 - 2))
    execution = states.client.start_execution(stateMachineArn=arn, input=text)["executionArn"]
    assert states.ended(execution)["output"] == text
    with refused("ValidationException"):
        states.client.start_execution(stateMachineArn=arn, input=text + " ")


@pytest.mark.parametrize(
    ("name", "code"), [("a b", "InvalidName"), ("a" * 81, "ValidationException"), ("", "ValidationException")]
)
def test_start_refuses_bad_names(states: States, name: str, code: str) -> None:
    with refused(code):
        states.client.start_execution(stateMachineArn=states.create("pass"), name=name)


@pytest.mark.parametrize(
    ("arn", "code", "message"),
    [
        ("nothing", "InvalidArn", "Invalid Arn: 'Invalid ARN prefix: nothing'"),
        (
            "arn:aws:states:us-east-1:000000000000:express:a:b:c",
            "InvalidArn",
            "Resource type not valid in this context: express",
        ),
        (
            f"{EXECUTION_ARN}:pass:nobody",
            "ExecutionDoesNotExist",
            f"Execution Does Not Exist: '{EXECUTION_ARN}:pass:nobody'",
        ),
        (f"{EXECUTION_ARN}:pass/Label:nobody", "ExecutionDoesNotExist", "Execution Does Not Exist"),
        ("arn:aws:s3:::bucket", "InvalidArn", "Invalid Arn"),
    ],
)
def test_execution_arns_are_checked(states: States, arn: str, code: str, message: str) -> None:
    actions = (
        "describe_execution",
        "stop_execution",
        "get_execution_history",
        "list_map_runs",
        "describe_state_machine_for_execution",
    )
    for action in actions:
        with refused(code, message=message):
            getattr(states.client, action)(executionArn=arn)


def test_list_pages_newest_first_while_others_start(states: States) -> None:
    arn = states.create("listed")
    names = [f"e{number:02}" for number in range(11)]
    for name in names:
        states.start(arn, name=name)
    wait_until(lambda: not states.client.list_executions(stateMachineArn=arn, statusFilter="RUNNING")["executions"])
    first = states.client.list_executions(stateMachineArn=arn, maxResults=4)
    states.run(arn)  # appears before what is still to be listed, so it must not shift the pages
    second = states.client.list_executions(stateMachineArn=arn, maxResults=4, nextToken=first["nextToken"])
    third = states.client.list_executions(stateMachineArn=arn, maxResults=4, nextToken=second["nextToken"])
    found = [execution["name"] for page in (first, second, third) for execution in page["executions"]]
    assert found == names[::-1]
    assert "nextToken" not in third
    with refused("InvalidToken"):
        states.client.list_executions(stateMachineArn=arn, statusFilter="FAILED", nextToken=first["nextToken"])


def test_list_keeps_to_one_status(states: States) -> None:
    arn = states.create("by-status", WAIT)
    execution = states.start(arn, name="running")
    states.client.stop_execution(executionArn=states.start(arn, name="stopped"))

    def listed(**parameters: Any) -> list[tuple[str, str]]:
        found = states.client.list_executions(stateMachineArn=arn, **parameters)["executions"]
        return [(entry["name"], entry["status"]) for entry in found]

    assert listed(statusFilter="RUNNING") == [("running", "RUNNING")]
    assert listed(statusFilter="ABORTED") == [("stopped", "ABORTED")]
    assert listed(statusFilter="PENDING_REDRIVE") == []
    assert len(listed()) == 2
    states.client.stop_execution(executionArn=execution)
    with refused("ValidationException"):
        listed(statusFilter="succeeded")


def test_list_wants_one_of_state_machine_and_map_run(states: States) -> None:
    with refused("ValidationException"):
        states.client.list_executions()
    with refused("ValidationException"):
        states.client.list_executions(
            stateMachineArn=f"{MACHINE_ARN}:a", mapRunArn="arn:aws:states:us-east-1:0:mapRun:a"
        )


def test_start_sync_returns_the_end_of_an_express_execution(states: States) -> None:
    arn = states.create("express", type="EXPRESS")
    answer = states.client.start_sync_execution(stateMachineArn=arn, name="one", input='{"a":1}')
    assert (answer["status"], answer["output"], answer["name"]) == ("SUCCEEDED", '{"a":1}', "one")
    assert answer["inputDetails"] == answer["outputDetails"] == {"included": True}
    assert answer["executionArn"].startswith("arn:aws:states:us-east-1:000000000000:express:express:one:")
    assert answer["billingDetails"] == {"billedDurationInMilliseconds": 100, "billedMemoryUsedInMB": 64}
    failed = states.client.start_sync_execution(stateMachineArn=states.create("express-fail", FAIL, type="EXPRESS"))
    assert (failed["status"], failed["error"], failed["cause"]) == ("FAILED", "Bad", "so")


def test_start_sync_refuses_a_standard_state_machine(states: States) -> None:
    with refused(
        "StateMachineTypeNotSupported", message="This operation is not supported by this type of state machine"
    ):
        states.client.start_sync_execution(stateMachineArn=states.create("pass"))


def test_start_sync_is_not_sent_to_us_by_a_client_that_changes_the_host(states: States) -> None:
    """StartSyncExecution needs AWS_DISABLE_HOST_PREFIX_INJECTION, which `hpc serve` prints."""
    credentials = states.client._get_credentials()
    client = boto3.client(
        "stepfunctions",
        endpoint_url=states.client.meta.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
    )
    with pytest.raises(EndpointConnectionError, match="sync-127"):
        client.start_sync_execution(stateMachineArn=f"{MACHINE_ARN}:express")


def test_express_executions_leave_no_record(states: States) -> None:
    arn = states.create("express", type="EXPRESS")
    execution = states.start(arn)
    for action in ("describe_execution", "stop_execution", "get_execution_history"):
        with refused("InvalidArn", message="Resource type not valid in this context: express"):
            getattr(states.client, action)(executionArn=execution)
    with refused("StateMachineTypeNotSupported"):
        states.client.list_executions(stateMachineArn=arn)


def test_express_may_have_the_same_name_twice(states: States) -> None:
    arn = states.create("express-wait", WAIT, type="EXPRESS")
    assert states.start(arn, name="same") != states.start(arn, name="same")


def test_describe_state_machine_for_execution_tells_its_revision(states: States) -> None:
    arn = states.create("revised")
    states.client.update_state_machine(stateMachineArn=arn, definition=json.dumps(WAIT))
    states.client.update_state_machine(stateMachineArn=arn, definition=json.dumps(PASS))
    revision = states.client.describe_state_machine(stateMachineArn=arn)["revisionId"]
    execution = states.run(arn)["executionArn"]
    assert states.client.describe_state_machine_for_execution(executionArn=execution)["revisionId"] == revision


@pytest.mark.parametrize("start", ["text", "", 1.5, True, None, [], {}, -(2**63), 2**63, 10**400])
def test_a_token_that_was_made_up_is_refused(states: States, start: Any) -> None:
    """Each list's own token, with another place in it."""
    arn = states.create("made-up-tokens")
    execution = states.run(arn)["executionArn"]
    states.run(arn)
    lists: list[tuple[Any, dict[str, Any]]] = [
        (states.client.list_executions, {"stateMachineArn": arn}),
        (states.client.get_execution_history, {"executionArn": execution}),
    ]
    if not isinstance(start, str):
        lists.append((states.client.list_state_machines, {}))
        states.create("made-up-tokens-2")
    for call, given in lists:
        of_list, _place = json.loads(base64.urlsafe_b64decode(call(**given, maxResults=1)["nextToken"]))
        token = base64.urlsafe_b64encode(json.dumps([of_list, start]).encode()).decode()
        with refused("InvalidToken"):
            call(**given, nextToken=token)
