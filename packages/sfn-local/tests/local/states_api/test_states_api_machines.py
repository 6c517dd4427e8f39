"""State machines through the API: what recorded answers of the service say, and what outlives a restart."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from states_endpoint import MACHINE_ARN, PASS, ROLE_ARN, WAIT, States, chain, refused, serving, wait_until


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[States]:
    with serving(tmp_path_factory.mktemp("home")) as served:
        yield served


def test_create_describes_what_it_was_given(states: States) -> None:
    definition = ' {\r\n "StartAt": "A", "States": {"A": {"Type": "Pass", "End": true, "Comment": "λ"}}}\n'
    created = states.client.create_state_machine(name="exact", definition=definition, roleArn=ROLE_ARN)
    described = states.client.describe_state_machine(stateMachineArn=created["stateMachineArn"])
    assert created["stateMachineArn"] == f"{MACHINE_ARN}:exact"
    assert described["definition"] == definition
    assert (described["status"], described["type"], described["roleArn"]) == ("ACTIVE", "STANDARD", ROLE_ARN)
    assert described["loggingConfiguration"] == {"level": "OFF", "includeExecutionData": False}
    assert described["tracingConfiguration"] == {"enabled": False}
    assert described["creationDate"] == created["creationDate"]
    assert "revisionId" not in described


def test_create_twice_is_one_state_machine_whatever_role_and_tags(states: States) -> None:
    first = states.client.create_state_machine(name="twice", definition=json.dumps(PASS), roleArn=ROLE_ARN)
    again = states.client.create_state_machine(
        name="twice", definition=json.dumps(PASS), roleArn=f"{ROLE_ARN}-other", tags=[{"key": "a", "value": "b"}]
    )
    assert again["creationDate"] == first["creationDate"]
    assert states.client.describe_state_machine(stateMachineArn=again["stateMachineArn"])["roleArn"] == ROLE_ARN


@pytest.mark.parametrize(
    "changes",
    [{"definition": WAIT}, {"type": "EXPRESS"}, {"tracingConfiguration": {"enabled": True}}],
    ids=lambda changes: next(iter(changes)),
)
def test_create_refuses_a_name_in_use_for_another_state_machine(states: States, changes: dict[str, Any]) -> None:
    states.create("in-use")
    with refused("StateMachineAlreadyExists", message=f"State Machine Already Exists: '{MACHINE_ARN}:in-use'"):
        states.create("in-use", **changes)


@pytest.mark.parametrize("name", ["a b", "a:b", "a/b", "a*", "a\n", "a#b", "a\x7f"])
def test_create_refuses_names_with_bad_characters(states: States, name: str) -> None:
    with refused("InvalidName", message="Invalid Name"):
        states.create(name)


@pytest.mark.parametrize(
    ("code", "parameters"),
    [
        ("ValidationException", {"name": "a" * 81}),
        ("InvalidArn", {"roleArn": "role"}),
        ("InvalidArn", {"roleArn": "arn:aws:s3:::bucket"}),
        ("ValidationException", {"publish": True}),
        ("ValidationException", {"versionDescription": "first"}),
        ("ValidationException", {"type": "FAST"}),
        ("InvalidLoggingConfiguration", {"loggingConfiguration": {"level": "ALL"}}),
        ("InvalidEncryptionConfiguration", {"encryptionConfiguration": {"type": "CUSTOMER_MANAGED_KMS_KEY"}}),
        ("TooManyTags", {"tags": [{"key": str(number), "value": ""} for number in range(51)]}),
        ("InvalidDefinition", {"definition": "{}"}),
        ("InvalidDefinition", {"definition": "not JSON"}),
    ],
)
def test_create_refuses_bad_parameters(states: States, code: str, parameters: dict[str, Any]) -> None:
    given = {"name": "bad", "definition": json.dumps(PASS), "roleArn": ROLE_ARN, **parameters}
    with refused(code):
        states.client.create_state_machine(**given)
    with refused("StateMachineDoesNotExist"):
        states.client.describe_state_machine(stateMachineArn=f"{MACHINE_ARN}:bad")


def test_create_names_what_is_wrong_with_a_definition_and_where(states: States) -> None:
    refusal = refused("InvalidDefinition", message="Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: ")
    with refusal:
        states.create("bad", {"StartAt": "A", "States": {}})
    with refused("InvalidDefinition", message="/States/A/Foo"):
        states.create("bad", {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True, "Foo": 1}}})


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "Parameters": {}},
        {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "Parameters": {}},
        {
            "Type": "Map",
            "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **PASS},
        },
    ],
    ids=["sync", "callback", "distributed"],
)
def test_express_refuses_what_only_standard_has(states: States, state: dict[str, Any]) -> None:
    with refused("InvalidDefinition", message="Express state machine does not support"):
        states.create("express", chain(A=state), type="EXPRESS")


@pytest.mark.parametrize(
    ("arn", "code", "message"),
    [
        ("no-arn", "InvalidArn", "Invalid Arn: 'Invalid ARN prefix: no-arn'"),
        ("arn:aws:states:us-east-1:000000000000", "InvalidArn", "Invalid Arn"),
        (
            "arn:aws:states:us-east-1:000000000000:execution:a:b",
            "InvalidArn",
            "Resource type not valid in this context: execution",
        ),
        (f"{MACHINE_ARN}:nobody", "StateMachineDoesNotExist", f"State Machine Does Not Exist: '{MACHINE_ARN}:nobody'"),
        (f"{MACHINE_ARN}:nobody:1", "StateMachineDoesNotExist", "State Machine Does Not Exist"),
    ],
)
def test_state_machine_arns_are_checked(states: States, arn: str, code: str, message: str) -> None:
    for action in ("describe_state_machine", "list_executions", "start_execution", "start_sync_execution"):
        with refused(code, message=message):
            getattr(states.client, action)(stateMachineArn=arn)


def test_update_gives_a_revision_only_where_something_changes(states: States) -> None:
    arn = states.create("updated")
    first = states.client.update_state_machine(stateMachineArn=arn, definition=json.dumps(WAIT))
    second = states.client.update_state_machine(stateMachineArn=arn, definition=json.dumps(WAIT))
    third = states.client.update_state_machine(stateMachineArn=arn, roleArn=f"{ROLE_ARN}-new")
    described = states.client.describe_state_machine(stateMachineArn=arn)
    assert first["revisionId"] == second["revisionId"] != third["revisionId"] == described["revisionId"]
    assert (described["definition"], described["roleArn"]) == (json.dumps(WAIT), f"{ROLE_ARN}-new")
    with refused("MissingRequiredParameter", message="Either the definition, the role ARN"):
        states.client.update_state_machine(stateMachineArn=arn)
    with refused("InvalidDefinition"):
        states.client.update_state_machine(stateMachineArn=arn, definition="{}")


def test_update_leaves_running_executions_with_what_they_started_with(states: States) -> None:
    arn = states.create("kept", WAIT)
    execution = states.start(arn)
    states.client.update_state_machine(stateMachineArn=arn, definition=json.dumps(PASS), roleArn=f"{ROLE_ARN}-new")
    started_with = states.client.describe_state_machine_for_execution(executionArn=execution)
    assert (started_with["definition"], started_with["roleArn"]) == (json.dumps(WAIT), ROLE_ARN)
    assert (started_with["stateMachineArn"], started_with["name"]) == (arn, "kept")
    assert states.run(arn)["status"] == "SUCCEEDED"
    states.client.stop_execution(executionArn=execution)


def test_delete_is_complete_at_once_when_nothing_runs_and_may_be_repeated(states: States) -> None:
    arn = states.create("deleted")
    execution = states.run(arn)["executionArn"]
    states.client.delete_state_machine(stateMachineArn=arn)
    states.client.delete_state_machine(stateMachineArn=arn)
    with refused("StateMachineDoesNotExist"):
        states.client.describe_state_machine(stateMachineArn=arn)
    assert states.create("deleted", WAIT) == arn
    with refused("ExecutionDoesNotExist"):
        states.client.describe_execution(executionArn=execution)


def test_delete_waits_for_running_executions_which_fail_at_their_next_event(states: States) -> None:
    arn = states.create("deleting", chain(Wait={"Type": "Wait", "Seconds": 1}, After={"Type": "Pass"}))
    execution = states.start(arn)
    states.client.delete_state_machine(stateMachineArn=arn)
    assert states.client.describe_state_machine(stateMachineArn=arn)["status"] == "DELETING"
    for change in (
        lambda: states.start(arn),
        lambda: states.create("deleting"),
        lambda: states.client.update_state_machine(stateMachineArn=arn, roleArn=ROLE_ARN),
    ):
        with refused("StateMachineDeleting", message=f"State Machine is being deleted: '{arn}'"):
            change()
    last: list[dict[str, Any]] = []

    def is_gone() -> bool:
        try:
            last[:] = states.events(execution)
        except states.client.exceptions.ExecutionDoesNotExist:
            return True
        return False

    wait_until(is_gone)
    assert "After" not in json.dumps(last, default=str)
    with refused("StateMachineDoesNotExist"):
        states.client.describe_state_machine(stateMachineArn=arn)


def test_list_pages_by_name_and_refuses_foreign_tokens(states: States) -> None:
    names = [f"listed-{number:02}" for number in range(7)]
    for name in reversed(names):
        states.create(name)
    pages = list(states.client.get_paginator("list_state_machines").paginate(PaginationConfig={"PageSize": 3}))
    found = [machine["name"] for page in pages for machine in page["stateMachines"]]
    assert [name for name in found if name.startswith("listed-")] == names
    assert found == sorted(found)
    assert all(len(page["stateMachines"]) <= 3 for page in pages)
    token = pages[0]["nextToken"]
    for bad in ("AAAA", "!", token[:-4], "bnVsbA=="):
        with refused("InvalidToken", message="Invalid Token: 'Invalid token'"):
            states.client.list_state_machines(nextToken=bad)
    with refused("InvalidToken"):
        states.client.list_executions(stateMachineArn=states.create("listed-00"), nextToken=token)
    with refused("ValidationException"):
        states.client.list_state_machines(maxResults=1001)


def test_tags_are_merged_replaced_and_removed(states: States) -> None:
    arn = states.create("tagged", tags=[{"key": "Mode", "value": "first"}])
    states.client.tag_resource(
        resourceArn=arn, tags=[{"key": "Mode", "value": "changed"}, {"key": "mode", "value": ""}]
    )
    states.client.untag_resource(resourceArn=arn, tagKeys=["mode", "missing"])
    assert states.client.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "Mode", "value": "changed"}]
    assert "revisionId" not in states.client.describe_state_machine(stateMachineArn=arn)
    with refused("ResourceNotFound"):
        states.client.list_tags_for_resource(resourceArn=f"{MACHINE_ARN}:nobody")


@pytest.mark.parametrize(
    ("definition", "code", "location"),
    [
        ("{}\nnot", "INVALID_JSON_DESCRIPTION", '[Source: (String)"{}\nnot"; line: 2, column: 4]'),
        ('{"StartAt": "B", "States": {"A": {"Type": "Pass", "End": true}}}', "MISSING_TRANSITION_TARGET", "/StartAt"),
        ('{"StartAt": "A", "States": {"A": {"Type": "Pass"}}}', "SCHEMA_VALIDATION_FAILED", "/States/A"),
    ],
)
def test_validate_tells_what_is_wrong_and_where(states: States, definition: str, code: str, location: str) -> None:
    answer = states.client.validate_state_machine_definition(definition=definition)
    [diagnostic] = answer["diagnostics"]
    assert answer["result"] == "FAIL"
    assert (diagnostic["severity"], diagnostic["code"], diagnostic["location"]) == ("ERROR", code, location)


def test_validate_tells_the_errors_of_every_state_up_to_the_limit(states: States) -> None:
    broken = {"Type": "Pass", "Next": "Nowhere", "Speed": 1}
    definition = {"StartAt": "A", "States": {"A": broken, "B": {"Type": "Task", "End": True}, "C": PASS, "D": broken}}
    answer = states.client.validate_state_machine_definition(definition=json.dumps(definition))
    places = [diagnostic["location"] for diagnostic in answer["diagnostics"]]
    assert places == ["/States/A/Speed", "/States/B", "/States/C/Type", "/States/D/Speed"]
    assert answer["diagnostics"][1]["message"] == "These fields are required: [Resource]"
    limited = states.client.validate_state_machine_definition(definition=json.dumps(definition), maxResults=3)
    assert limited["diagnostics"] == answer["diagnostics"][:3]
    assert (answer["truncated"], limited["truncated"]) == (False, True)


@pytest.mark.parametrize("text", [" ", "[]", "1", '"text"', "null"])
def test_validate_wants_an_object(states: States, text: str) -> None:
    [diagnostic] = states.client.validate_state_machine_definition(definition=text)["diagnostics"]
    assert diagnostic == {
        "severity": "ERROR",
        "code": "SCHEMA_VALIDATION_FAILED",
        "message": "Definition must be a valid JSON object",
    }


def test_equal_update_leaves_the_date(states: States) -> None:
    arn = states.create("equal-update")
    changed = states.client.update_state_machine(stateMachineArn=arn, definition=json.dumps(WAIT))
    again = states.client.update_state_machine(stateMachineArn=arn, definition=json.dumps(WAIT))
    assert (again["updateDate"], again["revisionId"]) == (changed["updateDate"], changed["revisionId"])


def test_request_over_several_constraints_is_refused_with_all_of_them(states: States) -> None:
    with refused("ValidationException", message="2 validation errors detected: Value '1001' at 'maxResults' failed"):
        states.client.list_executions(stateMachineArn="arn", maxResults=1001, statusFilter="ENDED")


def test_validate_accepts_what_create_accepts(states: States) -> None:
    answer = states.client.validate_state_machine_definition(definition=json.dumps(PASS), type="EXPRESS")
    assert (answer["result"], answer["diagnostics"], answer["truncated"]) == ("OK", [], False)


def test_actions_that_are_not_here_are_refused_by_name(states: States) -> None:
    with refused("UnknownOperationException", message="CreateActivity is not available"):
        states.client.create_activity(name="a")


def test_state_machines_outlive_the_server_with_revision_and_tags(tmp_path: Path) -> None:
    with serving(tmp_path) as states:
        arn = states.create("lasting", tags=[{"key": "a", "value": "b"}])
        states.client.update_state_machine(stateMachineArn=arn, definition=json.dumps(chain(B={"Type": "Pass"})))
        before = states.client.describe_state_machine(stateMachineArn=arn)
    with serving(tmp_path) as states:
        after = states.client.describe_state_machine(stateMachineArn=arn)
        for answer in (before, after):
            del answer["ResponseMetadata"]
        assert after == before
        assert states.client.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "a", "value": "b"}]
        assert states.run(arn)["status"] == "SUCCEEDED"
