"""Stacks with resources that are not made here, and several stacks in an assembly."""

import json
from pathlib import Path
from typing import Any

import pytest
from sfn_local.arns import Account
from sfn_local.assembly.read import AssemblyError, Stack, load
from sfn_local.assembly.resources.state_machines import StateMachine

TABLE = {"Type": "AWS::DynamoDB::Table", "Properties": {"Tags": [{"Ref": "Topic"}]}}
TOPIC = {"Type": "AWS::SNS::Topic"}
MACHINE = {
    "Type": "AWS::StepFunctions::StateMachine",
    "Properties": {"DefinitionString": "{}", "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}},
}
ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
}
POLICY = {
    "Type": "AWS::IAM::Policy",
    "Properties": {
        "PolicyName": "Publish",
        "PolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "sns:Publish", "Resource": {"Ref": "Topic"}}],
        },
        "Roles": [{"Ref": "Role"}],
    },
}


def read(folder: Path, **templates: dict[str, Any]) -> Stack:
    artifacts = {}
    for name, template in templates.items():
        (folder / f"{name}.json").write_text(json.dumps(template))
        artifacts[name] = {"type": "aws:cloudformation:stack", "properties": {"templateFile": f"{name}.json"}}
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    return load(folder, Account())


def test_resources_of_other_services_are_named_and_their_outputs_left_out(tmp_path: Path) -> None:
    resources = {"Table": TABLE, "Topic": TOPIC, "Role": ROLE, "Policy": POLICY, "Machine": MACHINE}
    outputs = {"Topic": {"Value": {"Ref": "Topic"}}, "Machine": {"Value": {"Ref": "Machine"}}}
    stack = read(tmp_path, Stack={"Resources": resources, "Outputs": outputs})
    assert stack.not_made == (("Table", "AWS::DynamoDB::Table"), ("Topic", "AWS::SNS::Topic"))
    assert stack.outputs.keys() == {"Machine"}
    assert [machine.name for machine in stack.all(StateMachine)] == ["Stack-Machine"]


@pytest.mark.parametrize(
    ("metadata", "is_made"), [({"sfn-local:not-made": True}, False), ({"aws:cdk:path": "x"}, True)]
)
def test_resource_that_its_app_does_not_want_here_is_named_and_not_read(
    tmp_path: Path, metadata: dict[str, Any], is_made: bool
) -> None:
    machine = {**MACHINE, "Metadata": metadata}
    stack = read(tmp_path, Stack={"Resources": {"Role": ROLE, "Machine": machine}})
    assert (("Machine", "AWS::StepFunctions::StateMachine") in stack.not_made) != is_made
    assert len(stack.all(StateMachine)) == is_made


def test_a_machine_that_refers_to_what_is_not_made_is_refused_by_name(tmp_path: Path) -> None:
    properties = {**MACHINE["Properties"], "DefinitionString": {"Fn::Sub": "${Topic}"}}  # type: ignore[dict-item]
    machine = {**MACHINE, "Properties": properties}
    with pytest.raises(AssemblyError, match=r"Topic \(AWS::SNS::Topic\) has no value on this machine"):
        read(tmp_path, Stack={"Resources": {"Topic": TOPIC, "Role": ROLE, "Machine": machine}})


def test_stacks_are_read_as_one_with_outputs_under_their_stacks_names(tmp_path: Path) -> None:
    outputs = {"Arn": {"Value": {"Ref": "Machine"}}}
    template = {"Resources": {"Role": ROLE, "Machine": MACHINE}, "Outputs": outputs}
    stack = read(tmp_path, One=template, Two=template, Empty={})
    assert [machine.name for machine in stack.all(StateMachine)] == ["One-Machine", "Two-Machine"]
    assert set(stack.policies.roles) == {"One-Role", "Two-Role"}
    assert stack.outputs.keys() == {"One.Arn", "Two.Arn"}


def test_resources_that_are_not_made_are_counted_by_type_over_all_stacks(tmp_path: Path) -> None:
    template = {"Resources": {"One": TOPIC, "Table": TABLE, "Two": TOPIC}}
    counts = read(tmp_path, First=template, Second=template).not_made_by_type()
    assert list(counts.items()) == [("AWS::SNS::Topic", 4), ("AWS::DynamoDB::Table", 2)]


def test_assembly_without_a_stack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssemblyError, match="must hold a stack, it holds none"):
        read(tmp_path)
