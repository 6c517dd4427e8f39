"""Permissions with AWS Batch and the orchestrator: every statement of every role."""

import re
from typing import Any

import pytest
from synthesis import as_text, resources_of
from test_stack_permissions import (
    ABORT,
    BEGUN,
    DELIVER_LOGS,
    JOB_FILES,
    PUT,
    TRACE,
    WRITE_LOGS,
    Statement,
    allow,
    expected_statements,
    listed,
    read,
    role_of,
    statements_by_role,
)

RULE = {"events:PutTargets", "events:PutRule", "events:DescribeRule"}
ACCOUNT = "<AWS::Region>:<AWS::AccountId>"
REPOSITORIES = f"arn:<AWS::Partition>:ecr:{ACCOUNT}:repository"
JOBS = f"arn:<AWS::Partition>:batch:{ACCOUNT}:job/*"


class Names:
    """Logical names of a template, and the ARNs that policies make of them."""

    def __init__(self, template: dict[str, Any]) -> None:
        self.template = template
        [self.definition] = resources_of(template, "AWS::Batch::JobDefinition")
        [queue] = resources_of(template, "AWS::Batch::JobQueue")
        [bucket] = resources_of(template, "AWS::S3::Bucket")
        self.queue = f"<{queue}.JobQueueArn>"
        self.bucket = f"<{bucket}.Arn>"
        self.revisions = f"arn:<AWS::Partition>:batch:{ACCOUNT}:<{self.definition} part 5 of ':'>:*"

    def function(self, handler: str) -> str:
        functions = resources_of(self.template, "AWS::Lambda::Function")
        [name] = [
            name for name, each in functions.items() if each["Properties"]["Handler"] == f"lambdas.{handler}.handler"
        ]
        return name

    def function_role(self, handler: str) -> str:
        return role_of(self.template, self.template["Resources"][self.function(handler)])

    def function_log(self, handler: str) -> str:
        properties = self.template["Resources"][self.function(handler)]["Properties"]
        return f"<{properties['LoggingConfig']['LogGroup']['Ref']}.Arn>"

    def machine(self, construct: str) -> str:
        [name] = [
            name
            for name in resources_of(self.template, "AWS::StepFunctions::StateMachine")
            if f"{construct}StateMachine" in name
        ]
        return name

    def machine_role(self, construct: str) -> str:
        return role_of(self.template, self.template["Resources"][self.machine(construct)])

    def container(self, role: str) -> str:
        name: str = self.template["Resources"][self.definition]["Properties"]["ContainerProperties"][role][
            "Fn::GetAtt"
        ][0]
        return name


def array_job_statements(names: Names) -> set[Statement]:
    """Return the rights that a machine needs to run an array job with ``.sync``."""
    return {
        allow({"batch:SubmitJob"}, names.revisions, names.queue),
        allow({"batch:TagResource", "batch:TerminateJob"}, JOBS),
    }


def managed_rules(*services: str) -> Statement:
    return allow(
        RULE, *(f"arn:<AWS::Partition>:events:{ACCOUNT}:rule/StepFunctionsGetEventsFor{each}Rule" for each in services)
    )


def nested_statements(names: Names, started: str) -> set[Statement]:
    """Return the rights that a machine needs to start another one and wait for it."""
    machine = names.machine(started)
    executions = f"arn:<AWS::Partition>:states:{ACCOUNT}:execution:<{machine} part 6 of ':'>"
    return {
        allow({"states:StartExecution"}, f"<{machine}>"),
        allow({"states:DescribeExecution", "states:StopExecution"}, f"{executions}:*"),
    }


def job_statements(names: Names, machines: tuple[str, ...]) -> dict[str, set[Statement]]:
    bucket, template = names.bucket, names.template
    [repository] = [
        as_text(resource)
        for policy in resources_of(template, "AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "ecr:BatchGetImage" in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    ]
    assert repository == f"{REPOSITORIES}/cdk-hnb659fds-container-assets-<AWS::AccountId>-<AWS::Region>"
    options = template["Resources"][names.definition]["Properties"]["ContainerProperties"]["LogConfiguration"][
        "Options"
    ]
    arns = [f"<{names.machine(machine)}>" for machine in machines]
    return {
        names.container("JobRoleArn"): {
            read(bucket, (*BEGUN, "batches.jsonl", *JOB_FILES), f"{bucket}/uploads/*"),
            allow(PUT, f"{bucket}/runs/*/parts/*", *(f"{bucket}/runs/*/{file}" for file in JOB_FILES)),
            allow(ABORT, *(f"{bucket}/runs/*/{file}" for file in JOB_FILES)),
            allow({f"states:SendTask{answer}" for answer in ("Success", "Failure", "Heartbeat")}, *arns),
        },
        names.container("ExecutionRoleArn"): {
            allow(WRITE_LOGS, f"<{options['awslogs-group']['Ref']}.Arn>"),
            allow({"ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"}, repository),
            allow({"ecr:GetAuthorizationToken"}, "*"),
        },
        names.function_role("submit_job"): {
            allow(WRITE_LOGS, names.function_log("submit_job")),
            allow({"batch:SubmitJob"}, names.revisions, names.queue),
            allow({"batch:ListJobs"}, "*"),
            allow({"batch:TagResource", "batch:TerminateJob"}, JOBS),
        },
        names.function_role("job_events"): {
            allow(WRITE_LOGS, names.function_log("job_events")),
            allow({"states:SendTaskFailure"}, *arns),
            allow({"batch:ListJobs"}, "*"),
            allow({"batch:TerminateJob"}, JOBS),
        },
    }


def map_reduce_statements(names: Names) -> set[Statement]:
    executions = f"arn:<AWS::Partition>:states:{ACCOUNT}:execution:<{names.machine('MapReduce')} part 6 of ':'>"
    invoked = [f"<{names.function(each)}.Arn>" for each in ("start", "compute", "sum", "submit_job")]
    return {
        allow({"lambda:InvokeFunction"}, *invoked),
        allow({"s3:GetObject"}, f"{names.bucket}/runs/*/batches.jsonl"),
        allow({"s3:GetObject", "s3:ListMultipartUploadParts", *PUT, *ABORT}, f"{names.bucket}/runs/*/map/*"),
        *nested_statements(names, "MapReduce"),
        allow({"states:RedriveExecution"}, f"{executions}/ComputeMap:*"),
        *array_job_statements(names),
        managed_rules("BatchJobs"),
        allow(DELIVER_LOGS | TRACE | {"batch:DescribeJobs"}, "*"),
    }


def test_roles_with_aws_batch_may_do_just_this(template: dict[str, Any], batch_template: dict[str, Any]) -> None:
    names = Names(batch_template)
    plain = expected_statements(template)
    plain.pop(names.machine_role("MapReduce"))
    expected = {
        **plain,
        **job_statements(names, ("MapReduce",)),
        names.machine_role("MapReduce"): map_reduce_statements(names),
    }
    assert statements_by_role(batch_template) == expected


def test_roles_with_the_orchestrator_may_do_just_this(template: dict[str, Any], full_template: dict[str, Any]) -> None:
    names = Names(full_template)
    plain = expected_statements(template)
    plain.pop(names.machine_role("MapReduce"))
    invoked = [f"<{names.function(each)}.Arn>" for each in ("notify", "start", "submit_job", "sum", "compare")]
    expected = {
        **plain,
        **job_statements(names, ("MapReduce", "SyncNested")),
        names.machine_role("MapReduce"): map_reduce_statements(names),
        names.machine_role("CallbackNotify"): {
            *nested_statements(names, "MapReduce"),
            managed_rules("StepFunctionsExecution"),
            allow(DELIVER_LOGS | TRACE, "*"),
        },
        names.machine_role("SyncNested"): {
            allow({"lambda:InvokeFunction"}, *invoked),
            *nested_statements(names, "CallbackNotify"),
            *array_job_statements(names),
            managed_rules("BatchJobs", "StepFunctionsExecution"),
            allow(DELIVER_LOGS | TRACE | {"batch:DescribeJobs"}, "*"),
        },
        names.machine_role("ComplexOrchestrator"): {
            *nested_statements(names, "SyncNested"),
            managed_rules("StepFunctionsExecution"),
            allow(DELIVER_LOGS | TRACE, "*"),
        },
        names.function_role("notify"): {
            allow(WRITE_LOGS, names.function_log("notify")),
            allow({"states:SendTaskSuccess", "states:SendTaskFailure"}, f"<{names.machine('SyncNested')}>"),
        },
        names.function_role("compare"): {
            allow(WRITE_LOGS, names.function_log("compare")),
            read(names.bucket, ("result.json", "result.bin", "result.npy", "results.jsonl")),
        },
    }
    assert statements_by_role(full_template) == expected


@pytest.mark.parametrize("role", ["JobRoleArn", "ExecutionRoleArn"])
def test_roles_of_the_job_trust_tasks_only(full_template: dict[str, Any], role: str) -> None:
    names = Names(full_template)
    document = full_template["Resources"][names.container(role)]["Properties"]["AssumeRolePolicyDocument"]
    [statement] = document["Statement"]
    condition = statement.get("Condition")
    assert statement["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    assert (condition is None) is (role == "ExecutionRoleArn")
    if condition is not None:
        assert condition["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
        assert as_text(condition["ArnLike"]["aws:SourceArn"]) == f"arn:<AWS::Partition>:ecs:{ACCOUNT}:*"


def test_events_may_call_the_function_of_events_only(full_template: dict[str, Any]) -> None:
    rules = resources_of(full_template, "AWS::Events::Rule")
    permissions = resources_of(full_template, "AWS::Lambda::Permission").values()
    assert {each["Properties"]["SourceArn"]["Fn::GetAtt"][0] for each in permissions} == set(rules)
    called = {each["Properties"]["FunctionName"]["Fn::GetAtt"][0] for each in permissions}
    assert called == {Names(full_template).function("job_events")}
    assert {each["Properties"]["Principal"] for each in permissions} == {"events.amazonaws.com"}


def test_source_buckets_are_read_by_jobs_too(synthesize: Any) -> None:
    template = synthesize(batch=True, packages_layer=False, source_buckets="data-1")
    statements = statements_by_role(template)[Names(template).container("JobRoleArn")]
    [reading] = [resources for actions, resources, _ in statements if actions == {"s3:GetObject"}]
    assert "arn:<AWS::Partition>:s3:::data-1/*" in reading


def test_execution_role_pulls_the_given_image_of_ecr_only(synthesize: Any) -> None:
    image = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/hpc:1.2"
    template = synthesize(batch=True, packages_layer=False, batch_image=image)
    statements = statements_by_role(template)[Names(template).container("ExecutionRoleArn")]
    [pulled] = [resources for actions, resources, _ in statements if "ecr:BatchGetImage" in actions]
    assert pulled == {"arn:<AWS::Partition>:ecr:eu-west-1:111122223333:repository/team/hpc"}


def test_public_image_needs_no_right(synthesize: Any) -> None:
    template = synthesize(batch=True, packages_layer=False, batch_image="docker.io/team/hpc:1.2")
    names = Names(template)
    statements = statements_by_role(template)[names.container("ExecutionRoleArn")]
    assert {actions for actions, _, _ in statements} == {frozenset(WRITE_LOGS)}
    assert (
        template["Resources"][names.definition]["Properties"]["ContainerProperties"]["Image"]
        == "docker.io/team/hpc:1.2"
    )


def test_policies_are_those_of_compute_and_of_the_job_and_leave_room_for_what_sources_need(synthesize: Any) -> None:
    policies = [f"arn:aws:iam::aws:policy/P{number}" for number in range(4)]
    template = synthesize(
        batch=True,
        packages_layer=False,
        policies=policies,
        source_buckets=[f"b{number:02}-{'x' * 24}" for number in range(100)],
        source_kms_keys=[f"arn:aws:kms:us-east-1:111122223333:key/{number:036}" for number in range(100)],
        kms=True,
    )
    roles = resources_of(template, "AWS::IAM::Role")
    own = {name: role["Properties"].get("ManagedPolicyArns", []) for name, role in roles.items()}
    with_policies = [name for name, arns in own.items() if set(policies) <= set(map(str, arns))]
    assert [re.search(r"(Compute|Job)Role", name)[0] for name in sorted(with_policies)] == ["JobRole", "ComputeRole"]  # type: ignore[index]
    assert not any(set(policies) & set(map(str, arns)) for name, arns in own.items() if name not in with_policies)
    overflown = [
        role["Ref"]
        for policy in resources_of(template, "AWS::IAM::ManagedPolicy").values()
        for role in policy["Properties"].get("Roles", [])
    ]
    assert all(overflown.count(name) + len(arns) <= 10 for name, arns in own.items())
