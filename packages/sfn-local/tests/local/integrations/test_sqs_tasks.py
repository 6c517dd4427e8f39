"""``sqs:sendMessage`` of a stack with queues, served as a user would see it: boto3 receives and answers the token."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from sfn_local.server import Connection, LocalServer

QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/000000000000/Stack-Queue"
ALLOWED = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": {"Fn::GetAtt": ["Queue", "Arn"]}}
TRUST = {
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "states.amazonaws.com"}},
    ]
}


def definition(resource: str, **parameters: Any) -> dict[str, Any]:
    task = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Parameters": parameters, "End": True}
    return {"StartAt": "Send", "States": {"Send": task}}


def template(sent: dict[str, Any], statement: dict[str, Any] | None = None, **queue: Any) -> dict[str, Any]:
    policy = {"PolicyName": "send", "PolicyDocument": {"Statement": [statement or ALLOWED]}}
    role = {"AssumeRolePolicyDocument": TRUST, "Policies": [policy]}
    machine = {"RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}, "DefinitionString": json.dumps(sent)}
    return {
        "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": queue},
            "Dead": {"Type": "AWS::SQS::Queue"},
            "Role": {"Type": "AWS::IAM::Role", "Properties": role},
            "Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": machine},
        },
        "Outputs": {"Url": {"Value": {"Ref": "Queue"}}, "Machine": {"Value": {"Ref": "Machine"}}},
    }


class Stack:
    """A server of one stack, with clients."""

    def __init__(self, connection: Connection) -> None:
        self.outputs = connection.outputs
        given = {
            "endpoint_url": connection.endpoint_url,
            "region_name": connection.region,
            "aws_access_key_id": connection.access_key_id,
            "aws_secret_access_key": connection.secret_access_key,
            "config": Config(retries={"total_max_attempts": 1}),
        }
        self.sqs = boto3.client("sqs", **given)
        self.states = boto3.client("stepfunctions", **given)

    def run(self, **payload: Any) -> str:
        started = self.states.start_execution(stateMachineArn=self.outputs["Machine"], input=json.dumps(payload))
        return str(started["executionArn"])

    def ended(self, arn: str) -> dict[str, Any]:
        while (seen := self.states.describe_execution(executionArn=arn))["status"] == "RUNNING":
            pass
        return seen

    def receive(self, **given: Any) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(QueueUrl=QUEUE_URL, WaitTimeSeconds=20, **given)
        return answer.get("Messages", [])


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Any]:
    """Return a function that serves a template over one home; a second call ends the first server."""
    running: list[LocalServer] = []

    def serve(described: dict[str, Any]) -> Stack:
        end()
        folder = tmp_path / "cdk.out"
        folder.mkdir(exist_ok=True)
        (folder / "Stack.template.json").write_text(json.dumps(described))
        stack = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "Stack.template.json"}}
        (folder / "manifest.json").write_text(json.dumps({"artifacts": {"Stack": stack}}))
        running.append(LocalServer(tmp_path / "home", folder))
        return Stack(running[0].__enter__())

    def end() -> None:
        while running:
            running.pop().__exit__(None, None, None)

    yield serve
    end()


def test_message_is_sent_and_its_answer_is_the_result(served: Any) -> None:
    body = {"QueueUrl": QUEUE_URL, "MessageBody": {"size.$": "$.size"}}
    stack = served(template(definition("sqs:sendMessage", **body)))
    assert stack.outputs["Url"] == QUEUE_URL
    seen = stack.ended(stack.run(size=8))
    output = json.loads(seen["output"])
    (message,) = stack.receive(MessageSystemAttributeNames=["All"])
    assert message["Body"] == '{"size":8}'
    assert output["MessageId"] == message["MessageId"]
    assert output["MD5OfMessageBody"] == hashlib.md5(b'{"size":8}').hexdigest() == message["MD5OfBody"]
    assert output["SdkHttpMetadata"]["HttpStatusCode"] == 200
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    kinds = [event["type"] for event in stack.states.get_execution_history(executionArn=seen["executionArn"])["events"]]
    assert kinds[2:5] == ["TaskScheduled", "TaskStarted", "TaskSucceeded"]


def test_task_waits_until_a_receiver_answers_its_token(served: Any) -> None:
    body = {"QueueUrl": QUEUE_URL, "MessageBody": {"token.$": "$$.Task.Token"}}
    stack = served(template(definition("sqs:sendMessage.waitForTaskToken", **body)))
    arn = stack.run()
    (message,) = stack.receive()
    stack.states.send_task_success(taskToken=json.loads(message["Body"])["token"], output='"done"')
    assert json.loads(stack.ended(arn)["output"]) == "done"
    stack.sqs.delete_message(QueueUrl=QUEUE_URL, ReceiptHandle=message["ReceiptHandle"])


def test_queue_that_is_missing_is_an_error_by_its_name(served: Any) -> None:
    body = {"QueueUrl": QUEUE_URL.replace("Stack", "Other"), "MessageBody": "x"}
    allowed = {**ALLOWED, "Resource": "*"}
    stack = served(template(definition("sqs:sendMessage", **body), allowed))
    seen = stack.ended(stack.run())
    assert (seen["status"], seen["error"]) == ("FAILED", "SQS.QueueDoesNotExistException")
    assert seen["cause"].startswith("The specified queue does not exist. (Service: AmazonSQS; Status Code: 400;")
    assert "Error Code: AWS.SimpleQueueService.NonExistentQueue;" in seen["cause"]


def test_role_decides_whether_its_machine_may_send(served: Any) -> None:
    other = {**ALLOWED, "Resource": {"Fn::GetAtt": ["Dead", "Arn"]}}
    stack = served(template(definition("sqs:sendMessage", QueueUrl=QUEUE_URL, MessageBody="x"), other))
    seen = stack.ended(stack.run())
    assert seen["error"] == "SQS.AmazonSQSException"
    assert "is not authorized to perform: sqs:SendMessage on resource: arn:aws:sqs:us-east-1:" in seen["cause"]


@pytest.mark.parametrize("parameters", [{"QueueUrl": QUEUE_URL}, {"MessageBody": "x"}, {"MessageGroupId": "g"}])
def test_parameters_that_lack_or_are_not_known_are_named(served: Any, parameters: dict[str, Any]) -> None:
    stack = served(template(definition("sqs:sendMessage", **parameters)))
    seen = stack.ended(stack.run())
    assert seen["error"] == "States.Runtime"
    assert "of sqs:sendMessage" in seen["cause"]


def test_messages_outlive_the_server(served: Any) -> None:
    described = template(definition("sqs:sendMessage", QueueUrl=QUEUE_URL, MessageBody="half \\ud800"))
    first = served(described)
    names = {"n": {"DataType": "Number", "StringValue": "7"}, "b": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}
    sent = first.sqs.send_message(QueueUrl=QUEUE_URL, MessageBody="kept", MessageAttributes=names)
    second = served(described)
    (message,) = second.receive(MessageAttributeNames=["All"])
    assert (message["Body"], message["MessageAttributes"]) == ("kept", names)
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    second.sqs.delete_message(QueueUrl=QUEUE_URL, ReceiptHandle=message["ReceiptHandle"])
    third = served(described)
    assert counts(third, QUEUE_URL) == (0, 0)


def counts(stack: Stack, url: str) -> tuple[int, int]:
    """Return how many messages are visible, and how many are in flight."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    given = stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(given[names[0]]), int(given[names[1]])


def test_message_comes_again_after_its_visibility_and_then_goes_to_the_dead_letters(served: Any) -> None:
    redrive = {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 2}
    stack = served(template(definition("sqs:sendMessage"), RedrivePolicy=redrive, VisibilityTimeout=0))
    stack.sqs.send_message(QueueUrl=QUEUE_URL, MessageBody="again")
    assert [stack.receive()[0]["Body"] for _ in range(2)] == ["again", "again"]
    assert "Messages" not in stack.sqs.receive_message(QueueUrl=QUEUE_URL)
    dead = QUEUE_URL.replace("Queue", "Dead")
    assert counts(stack, dead) == (1, 0)
    (message,) = stack.sqs.receive_message(QueueUrl=dead)["Messages"]
    assert message["Body"] == "again"
    assert counts(stack, dead) == (0, 1)
    stack.sqs.change_message_visibility(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    assert counts(stack, dead) == (1, 0)
    stack.sqs.purge_queue(QueueUrl=dead)
    assert counts(stack, dead) == (0, 0)


def test_receipt_of_an_earlier_receiver_is_void(served: Any) -> None:
    stack = served(template(definition("sqs:sendMessage"), VisibilityTimeout=0))
    stack.sqs.send_message(QueueUrl=QUEUE_URL, MessageBody="once")
    (first,), (second,) = stack.receive(), stack.receive(VisibilityTimeout=600)
    stack.sqs.delete_message(QueueUrl=QUEUE_URL, ReceiptHandle=first["ReceiptHandle"])
    assert counts(stack, QUEUE_URL) == (0, 1)
    stack.sqs.delete_message(QueueUrl=QUEUE_URL, ReceiptHandle=second["ReceiptHandle"])
    assert counts(stack, QUEUE_URL) == (0, 0)


@pytest.mark.parametrize(
    ("action", "params", "message"),
    [
        ("send_message", {"MessageBody": "x" * 1_048_577}, "Message must be shorter than 1048576 bytes"),
        ("send_message", {"MessageBody": "x", "DelaySeconds": 901}, "Must be between 0 and 900"),
        ("send_message", {"MessageBody": "x", "MessageGroupId": "g"}, "MessageGroupId can't be used on this machine"),
        ("receive_message", {"MaxNumberOfMessages": 11}, "Must be between 1 and 10"),
        ("delete_queue", {}, "DeleteQueue is not available on this machine; available are ChangeMessageVisibility,"),
    ],
)
def test_requests_that_are_refused_say_why(served: Any, action: str, params: dict[str, Any], message: str) -> None:
    stack = served(template(definition("sqs:sendMessage")))
    with pytest.raises(ClientError, match=message):
        getattr(stack.sqs, action)(QueueUrl=QUEUE_URL, **params)
