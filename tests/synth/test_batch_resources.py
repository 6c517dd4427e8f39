"""AWS Batch in the stack: what is there with the option, and that nothing is without it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from synthesis import GIVEN_SUBNETS, ROOT, as_text, container_of, definitions_of, properties_of, resources_of

from hpc_stack import pythons
from hpc_stack.config import FARGATE_MEMORY_MIB, HpcConfig

Synthesize = Callable[..., dict[str, Any]]


def start_variables(template: dict[str, Any]) -> dict[str, Any]:
    [start] = [
        each["Properties"]
        for each in resources_of(template, "AWS::Lambda::Function").values()
        if each["Properties"]["Handler"] == "lambdas.start.handler"
    ]
    variables: dict[str, Any] = start["Environment"]["Variables"]
    return variables


def test_without_the_option_there_is_no_vpc_and_nothing_of_aws_batch(template: dict[str, Any]) -> None:
    services = {each["Type"].split("::")[1] for each in template["Resources"].values()}
    assert services == {"S3", "Logs", "IAM", "Lambda", "StepFunctions", "S3AutoDeleteObjects"}
    assert set(template["Outputs"]) == {"StateMachineArn", "ResultsBucketName"}


def test_without_the_option_map_reduce_is_the_same_but_for_the_choice(
    template: dict[str, Any], batch_template: dict[str, Any]
) -> None:
    plain, with_jobs = (definitions_of(each)["MapReduce"] for each in (template, batch_template))
    states = with_jobs["States"]
    del states["ChooseBackEnd"], states["ComputeArrayJob"], states["ComputeCallbackJob"]
    states["Start"]["Next"] = "ComputeMap"
    assert with_jobs == plain


def test_start_knows_the_back_ends_and_the_largest_array(
    template: dict[str, Any], batch_template: dict[str, Any], changed_template: dict[str, Any]
) -> None:
    plain, variables = start_variables(template), start_variables(batch_template)
    assert plain["BACK_ENDS"] == "lambda"
    assert variables == plain | {"BACK_ENDS": "lambda,batch,batch_callback", "MAX_ARRAY_SIZE": "24"}
    assert start_variables(changed_template)["MAX_ARRAY_SIZE"] == str(4 * 24)


def test_jobs_run_on_fargate_up_to_the_quota(batch_template: dict[str, Any], changed_template: dict[str, Any]) -> None:
    resources = properties_of(batch_template, "AWS::Batch::ComputeEnvironment")["ComputeResources"]
    assert (resources["Type"], resources["MaxvCpus"]) == ("FARGATE", 6)
    resources = properties_of(changed_template, "AWS::Batch::ComputeEnvironment")["ComputeResources"]
    assert (resources["Type"], resources["MaxvCpus"]) == ("FARGATE_SPOT", 12)
    assert resources["Subnets"] == GIVEN_SUBNETS.split(",")


def test_queue_has_the_one_compute_environment(batch_template: dict[str, Any]) -> None:
    [name] = resources_of(batch_template, "AWS::Batch::ComputeEnvironment")
    [order] = properties_of(batch_template, "AWS::Batch::JobQueue")["ComputeEnvironmentOrder"]
    assert as_text(order["ComputeEnvironment"]) == f"<{name}.ComputeEnvironmentArn>"


def test_job_definition_is_as_the_defaults_say(batch_template: dict[str, Any]) -> None:
    definition = properties_of(batch_template, "AWS::Batch::JobDefinition")
    assert definition["PlatformCapabilities"] == ["FARGATE"]
    assert definition["Timeout"] == {"AttemptDurationSeconds": 14_400}
    assert definition["ResourceRetentionPolicy"] == {"SkipDeregisterOnUpdate": True}
    [bucket] = resources_of(batch_template, "AWS::S3::Bucket")
    properties = container_of(batch_template)
    assert properties["ReadonlyRootFilesystem"] is True
    assert properties["Command"] == ["python", "-m", "lambdas.job"]
    assert properties["User"] == "65534:65534"
    assert properties["RuntimePlatform"] == {"CpuArchitecture": "ARM64", "OperatingSystemFamily": "LINUX"}
    assert {each["Type"]: each["Value"] for each in properties["ResourceRequirements"]} == {
        "VCPU": "1",
        "MEMORY": "2048",
    }
    assert {each["Name"]: each["Value"] for each in properties["Environment"]} == {
        "RESULTS_BUCKET": {"Ref": bucket},
        "HEARTBEAT_SECONDS": "3600",
        "AWS_DEFAULT_REGION": {"Ref": "AWS::Region"},
    }


def test_job_is_tried_again_only_for_what_it_can_not_be_blamed_for(batch_template: dict[str, Any]) -> None:
    assert properties_of(batch_template, "AWS::Batch::JobDefinition")["RetryStrategy"] == {
        "Attempts": 3,
        "EvaluateOnExit": [
            {"Action": "RETRY", "OnStatusReason": "Your Spot Task was interrupted*"},
            {"Action": "RETRY", "OnStatusReason": "Timeout waiting for network interface*"},
            {"Action": "RETRY", "OnStatusReason": "ResourceInitializationError*"},
            {"Action": "EXIT", "OnReason": "*"},
        ],
    }


def test_job_definition_follows_the_settings(changed_template: dict[str, Any]) -> None:
    properties = container_of(changed_template)
    assert properties_of(changed_template, "AWS::Batch::JobDefinition")["Timeout"] == {"AttemptDurationSeconds": 60}
    assert properties["RuntimePlatform"]["CpuArchitecture"] == "X86_64"
    assert {each["Type"]: each["Value"] for each in properties["ResourceRequirements"]} == {
        "VCPU": "0.5",
        "MEMORY": "1024",
    }
    assert {"Name": "HEARTBEAT_SECONDS", "Value": "600"} in properties["Environment"]
    states = definitions_of(changed_template)["MapReduce"]["States"]
    assert states["ComputeArrayJob"]["TimeoutSeconds"] == 7_200
    assert (states["ComputeCallbackJob"]["TimeoutSeconds"], states["ComputeCallbackJob"]["HeartbeatSeconds"]) == (
        7_200,
        600,
    )


def test_job_logs_to_a_group_that_is_kept_for_the_days_set(changed_template: dict[str, Any]) -> None:
    configuration = container_of(changed_template)["LogConfiguration"]
    assert configuration["LogDriver"] == "awslogs"
    log_group = changed_template["Resources"][configuration["Options"]["awslogs-group"]["Ref"]]
    assert (log_group["Properties"]["RetentionInDays"], log_group["DeletionPolicy"]) == (7, "Delete")


def test_image_is_staged_without_docker_and_holds_what_the_dockerfile_copies(full_assembly: Path) -> None:
    assets = json.loads((full_assembly / "HpcStack.assets.json").read_text())
    [image] = assets["dockerImages"].values()
    source = image["source"]
    assert (source["dockerFile"], source["platform"]) == ("lambdas/Dockerfile", "linux/arm64")
    folder = full_assembly / source["directory"]
    assert source["dockerBuildArgs"] == {"PYTHON_IMAGE": pythons.base_image(pythons.choose("auto", pythons.running()))}
    assert sorted(path.name for path in folder.iterdir()) == ["constraints.txt", "lambdas", "requirements-uv.txt"]
    files = {str(path.relative_to(folder / "lambdas")) for path in (folder / "lambdas").rglob("*") if path.is_file()}
    sources = {str(path.relative_to(ROOT / "lambdas")) for path in (ROOT / "lambdas").rglob("*.py")}
    assert files == sources | {"Dockerfile", "requirements.txt"}


def test_given_image_is_used_and_none_is_built(changed_template: dict[str, Any]) -> None:
    assert container_of(changed_template)["Image"] == "docker.io/team/hpc:1.2"


def test_image_of_ecr_may_have_a_digest(synthesize: Synthesize) -> None:
    reference = f"team/hpc@sha256:{'0' * 64}"
    template = synthesize(
        batch=True, packages_layer=False, batch_image=f"111122223333.dkr.ecr.us-east-1.amazonaws.com/{reference}"
    )
    assert as_text(container_of(template)["Image"]) == f"111122223333.dkr.ecr.us-east-1.<AWS::URLSuffix>/{reference}"


def test_rules_listen_to_failed_jobs_of_our_queue_and_ended_executions_of_our_machines(
    full_template: dict[str, Any],
) -> None:
    [queue] = resources_of(full_template, "AWS::Batch::JobQueue")
    patterns = [
        each["Properties"]["EventPattern"] for each in resources_of(full_template, "AWS::Events::Rule").values()
    ]
    by_source = {pattern["source"][0]: pattern for pattern in patterns}
    assert by_source["aws.batch"] == {
        "source": ["aws.batch"],
        "detail-type": ["Batch Job State Change"],
        "detail": {
            "status": ["FAILED"],
            "jobQueue": [{"Fn::GetAtt": [queue, "JobQueueArn"]}],
            "container": {"environment": {"name": ["TASK_TOKEN"]}},
        },
    }
    detail = by_source["aws.states"]["detail"]
    assert by_source["aws.states"]["detail-type"] == ["Step Functions Execution Status Change"]
    assert detail["status"] == ["ABORTED", "FAILED", "TIMED_OUT"]
    machines = [as_text(arn) for arn in detail["stateMachineArn"]]
    assert [name for name in ("MapReduce", "SyncNested") if any(name in machine for machine in machines)] == [
        "MapReduce",
        "SyncNested",
    ]
    assert len(machines) == 2


def test_function_of_events_knows_the_machines_that_its_rule_names(full_template: dict[str, Any]) -> None:
    [variables] = [
        each["Properties"]["Environment"]["Variables"]
        for each in resources_of(full_template, "AWS::Lambda::Function").values()
        if each["Properties"]["Handler"] == "lambdas.job_events.handler"
    ]
    [arns] = [
        each["Properties"]["EventPattern"]["detail"]["stateMachineArn"]
        for each in resources_of(full_template, "AWS::Events::Rule").values()
        if "stateMachineArn" in each["Properties"]["EventPattern"]["detail"]
    ]
    assert [variables["MAP_REDUCE_ARN"], variables["SYNC_NESTED_ARN"]] == arns


def test_outputs_name_queue_definition_and_orchestrator(
    batch_template: dict[str, Any], full_template: dict[str, Any]
) -> None:
    plain = {"StateMachineArn", "ResultsBucketName"}
    assert set(batch_template["Outputs"]) == plain | {"JobQueueArn", "JobDefinitionArn"}
    assert set(full_template["Outputs"]) == plain | {"JobQueueArn", "JobDefinitionArn", "OrchestratorArn"}
    assert "ComplexOrchestrator" in as_text(full_template["Outputs"]["OrchestratorArn"]["Value"])


@given(st.sampled_from(sorted(FARGATE_MEMORY_MIB)), st.integers(0, 3), st.data())
def test_array_is_four_children_for_each_that_runs_at_once(vcpus: float, factor: int, data: st.DataObject) -> None:
    memory = data.draw(st.sampled_from(list(FARGATE_MEMORY_MIB[vcpus])))
    maximum = max(1, int(vcpus * 10**factor))
    config = HpcConfig(batch=True, batch_vcpus=vcpus, batch_memory_mib=memory, batch_max_vcpus=maximum)
    assert config.max_array_size == max(2, min(10_000, 4 * int(maximum / vcpus)))


def test_compute_environment_is_replaced_where_it_cannot_be_updated(batch_template: dict[str, Any]) -> None:
    properties = properties_of(batch_template, "AWS::Batch::ComputeEnvironment")
    assert properties["ReplaceComputeEnvironment"] is True
    # With it the service would update in place, which a Fargate environment refuses for most changes.
    assert "UpdatePolicy" not in properties
    assert "ComputeEnvironmentName" not in properties


def test_keys_of_source_buckets_may_be_used_by_what_reads_them(synthesize: Synthesize) -> None:
    key = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    template = synthesize(batch=True, packages_layer=False, source_buckets=["data-1"], source_kms_keys=[key])
    users = {
        policy["Properties"]["Roles"][0]["Ref"]
        for policy in resources_of(template, "AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == "kms:Decrypt" and statement["Resource"] == key
    }
    assert len(users) == 3
    assert all(any(name in user for name in ("Start", "Compute", "JobRole")) for user in users)
