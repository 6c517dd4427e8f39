"""AWS Batch and EventBridge resources of a template: those that are made here, and those that are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from sfn_local.arns import Account
from sfn_local.assembly.read import AssemblyError, Stack, load
from sfn_local.batch.resources import JobDefinition, JobQueue
from sfn_local.eventbridge.rules import Rule
from sfn_local.lambda_runtime.function import Function

ACCOUNT = Account()
CODE = {"S3Bucket": "assets", "S3Key": "code.zip"}
FUNCTION = {"Handler": "a.handler", "Runtime": "python3.13", "Code": CODE, "Role": "role"}
ENVIRONMENT = {"Type": "managed", "ComputeResources": {"MaxvCpus": 6, "Type": "FARGATE", "SubnetId": {"Ref": "Subnet"}}}
QUEUE = {
    "ComputeEnvironmentOrder": [
        {"ComputeEnvironment": {"Fn::GetAtt": ["Environment", "ComputeEnvironmentArn"]}, "Order": 1}
    ],
    "Priority": 1,
    "State": "ENABLED",
}
CONTAINER = {
    "Command": ["python", "-m", "job"],
    "Environment": [{"Name": "QUEUE", "Value": {"Ref": "Queue"}}],
    "Image": {"Fn::Sub": "${AWS::AccountId}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}/assets:tag"},
    "LogConfiguration": {"LogDriver": "awslogs", "Options": {"Kept-As-It-Is": "x"}},
    "ResourceRequirements": [{"Type": "VCPU", "Value": "0.5"}, {"Type": "MEMORY", "Value": "2048"}],
}
DEFINITION = {
    "Type": "container",
    "ContainerProperties": CONTAINER,
    "RetryStrategy": {"Attempts": 2, "EvaluateOnExit": [{"Action": "EXIT", "OnReason": "*"}]},
    "Timeout": {"AttemptDurationSeconds": 60},
}
RULE = {
    "EventPattern": {"source": ["aws.batch"], "detail": {"jobQueue": [{"Ref": "Queue"}]}},
    "State": "ENABLED",
    "Targets": [{"Arn": {"Fn::GetAtt": ["Function", "Arn"]}, "Id": "Target0", "RetryPolicy": {}}],
}


def resources(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "Function": {"Type": "AWS::Lambda::Function", "Properties": FUNCTION},
        "Environment": {"Type": "AWS::Batch::ComputeEnvironment", "Properties": ENVIRONMENT},
        "Queue": {"Type": "AWS::Batch::JobQueue", "Properties": QUEUE},
        "Definition": {"Type": "AWS::Batch::JobDefinition", "Properties": DEFINITION},
        "Rule": {"Type": "AWS::Events::Rule", "Properties": RULE},
    }
    for name, properties in changes.items():
        made[name] = {**made[name], "Properties": {**made[name]["Properties"], **properties}}
    return made


def write_assembly(folder: Path, made: dict[str, Any]) -> Path:
    stack = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "template.json"}}
    (folder / "manifest.json").write_text(json.dumps({"artifacts": {"Stack": stack}}))
    outputs = {"Definition": {"Value": {"Ref": "Definition"}}, "Queue": {"Value": {"Ref": "Queue"}}}
    (folder / "template.json").write_text(json.dumps({"Resources": made, "Outputs": outputs}))
    (folder / "asset.code").mkdir()
    (folder / "asset.image").mkdir()
    code = {"source": {"path": "asset.code"}, "destinations": {"here": {"objectKey": "code.zip"}}}
    image = {"source": {"directory": "asset.image"}, "destinations": {"here": {"imageTag": "tag"}}}
    (folder / "Stack.assets.json").write_text(json.dumps({"files": {"code": code}, "dockerImages": {"image": image}}))
    return folder


def read(folder: Path, **changes: Any) -> Stack:
    return load(write_assembly(folder, resources(**changes)), ACCOUNT)


def test_queue_has_the_vcpus_of_its_compute_environment(tmp_path: Path) -> None:
    (queue,) = read(tmp_path).all(JobQueue)
    assert (queue.name, queue.max_vcpus) == ("Stack-Queue", 6)
    assert queue.arn == "arn:aws:batch:us-east-1:000000000000:job-queue/Stack-Queue"
    assert queue.compute_environments == ("arn:aws:batch:us-east-1:000000000000:compute-environment/Stack-Environment",)


def test_definition_is_in_the_names_of_the_api_with_its_values_resolved(tmp_path: Path) -> None:
    stack = read(tmp_path)
    (definition,) = stack.all(JobDefinition)
    assert definition.arn == "arn:aws:batch:us-east-1:000000000000:job-definition/Stack-Definition:1"
    assert definition.arn == stack.outputs["Definition"]
    assert definition.vcpus == 0.5
    assert definition.container["environment"] == [{"name": "QUEUE", "value": stack.outputs["Queue"]}]
    assert definition.container["logConfiguration"]["options"] == {"Kept-As-It-Is": "x"}
    assert definition.retry_strategy == {"attempts": 2, "evaluateOnExit": [{"action": "EXIT", "onReason": "*"}]}
    assert definition.timeout == {"attemptDurationSeconds": 60}
    assert definition.code == tmp_path / "asset.image"


def test_image_from_elsewhere_has_no_code_here(tmp_path: Path) -> None:
    container = {**CONTAINER, "Image": "public.example/image:1"}
    (definition,) = read(tmp_path, Definition={"ContainerProperties": container}).all(JobDefinition)
    assert definition.code is None


def test_rule_names_its_function_and_queue(tmp_path: Path) -> None:
    stack = read(tmp_path)
    (rule,) = stack.all(Rule)
    assert rule.pattern == {"source": ["aws.batch"], "detail": {"jobQueue": [stack.outputs["Queue"]]}}
    assert rule.targets == (stack.all(Function)[0].arn,)


def test_disabled_rule_is_left_out(tmp_path: Path) -> None:
    assert read(tmp_path, Rule={"State": "DISABLED"}).all(Rule) == ()


def test_rule_that_calls_no_function_is_named_as_not_made(tmp_path: Path) -> None:
    stack = read(tmp_path, Rule={"Targets": [{"Arn": "arn:aws:sqs:a:b:c", "Id": "x"}]})
    assert (stack.all(Rule), stack.not_made) == ((), (("Rule", "AWS::Events::Rule"),))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Queue": {"SchedulingPolicyArn": "x"}}, "Queue: property SchedulingPolicyArn has no meaning here"),
        ({"Definition": {"NodeProperties": {}}}, "Definition: property NodeProperties has no meaning here"),
        ({"Definition": {"Type": "multinode"}}, "type multinode can't be run"),
        ({"Rule": {"ScheduleExpression": "rate(1 day)"}}, "Rule: property ScheduleExpression has no meaning here"),
        ({"Rule": {"Targets": [*RULE["Targets"], {"Arn": "arn:aws:sqs:a:b:c", "Id": "x"}]}}, "must be a Lambda"),
        ({"Rule": {"Targets": [{**RULE["Targets"][0], "Input": "{}"}]}}, "property Input has no meaning here"),
        ({"Rule": {"EventPattern": {"source": [{"prefix": "aws"}]}}}, "EventPattern.source must be a list"),
        (
            {"Queue": {"ComputeEnvironmentOrder": [{"ComputeEnvironment": "arn:other", "Order": 1}]}},
            "arn:other is not part of the template",
        ),
    ],
)
def test_what_would_be_dropped_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AssemblyError, match=message.replace("(", r"\(").replace(")", r"\)")):
        read(tmp_path, **changes)
