"""AWS Batch in the stack: what is there with the option, and that nothing is without it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthesis import ROOT, as_text, definitions_of, resources_of, run_app

from hpc_stack.config import FARGATE_MEMORY_MIB, HpcConfig

Synthesize = Callable[..., dict[str, Any]]
GIVEN = {"vpc_id": "vpc-0123456789abcdef0", "subnet_ids": "subnet-01234567,subnet-0123456789abcdef0"}


@pytest.fixture(scope="module")
def private(synthesize: Synthesize) -> dict[str, Any]:
    return synthesize(batch=True, packages_layer=False, subnet_access="private")


@pytest.fixture(scope="module")
def changed(synthesize: Synthesize) -> dict[str, Any]:
    """Every setting of jobs at another value than its default."""
    return synthesize(
        batch=True,
        packages_layer=False,
        batch_image="docker.io/team/hpc:1.2",
        batch_architecture="x86_64",
        batch_spot=True,
        batch_vcpus=0.5,
        batch_memory_mib=1_024,
        batch_max_vcpus=12,
        batch_timeout_seconds=60,
        batch_run_timeout_seconds=7_200,
        callback_heartbeat_seconds=600,
        log_retention_days=7,
        subnet_access="private",
        **GIVEN,
    )


def one(template: dict[str, Any], resource_type: str) -> dict[str, Any]:
    [resource] = resources_of(template, resource_type).values()
    properties: dict[str, Any] = resource["Properties"]
    return properties


def container(template: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = one(template, "AWS::Batch::JobDefinition")["ContainerProperties"]
    return properties


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
    template: dict[str, Any], batch_template: dict[str, Any], changed: dict[str, Any]
) -> None:
    plain, variables = start_variables(template), start_variables(batch_template)
    assert plain["BACK_ENDS"] == "lambda"
    assert variables == plain | {"BACK_ENDS": "lambda,batch,batch_callback", "MAX_ARRAY_SIZE": "24"}
    assert start_variables(changed)["MAX_ARRAY_SIZE"] == str(4 * 24)


def test_jobs_run_on_fargate_up_to_the_quota(batch_template: dict[str, Any], changed: dict[str, Any]) -> None:
    resources = one(batch_template, "AWS::Batch::ComputeEnvironment")["ComputeResources"]
    assert (resources["Type"], resources["MaxvCpus"]) == ("FARGATE", 6)
    resources = one(changed, "AWS::Batch::ComputeEnvironment")["ComputeResources"]
    assert (resources["Type"], resources["MaxvCpus"]) == ("FARGATE_SPOT", 12)
    assert resources["Subnets"] == GIVEN["subnet_ids"].split(",")


def test_queue_has_the_one_compute_environment(batch_template: dict[str, Any]) -> None:
    [name] = resources_of(batch_template, "AWS::Batch::ComputeEnvironment")
    [order] = one(batch_template, "AWS::Batch::JobQueue")["ComputeEnvironmentOrder"]
    assert as_text(order["ComputeEnvironment"]) == f"<{name}.ComputeEnvironmentArn>"


def test_job_definition_is_as_the_defaults_say(batch_template: dict[str, Any]) -> None:
    definition = one(batch_template, "AWS::Batch::JobDefinition")
    assert definition["PlatformCapabilities"] == ["FARGATE"]
    assert definition["Timeout"] == {"AttemptDurationSeconds": 14_400}
    assert definition["ResourceRetentionPolicy"] == {"SkipDeregisterOnUpdate": True}
    [bucket] = resources_of(batch_template, "AWS::S3::Bucket")
    properties = container(batch_template)
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
    assert one(batch_template, "AWS::Batch::JobDefinition")["RetryStrategy"] == {
        "Attempts": 3,
        "EvaluateOnExit": [
            {"Action": "RETRY", "OnStatusReason": "Your Spot Task was interrupted*"},
            {"Action": "RETRY", "OnStatusReason": "Timeout waiting for network interface*"},
            {"Action": "RETRY", "OnStatusReason": "ResourceInitializationError*"},
            {"Action": "EXIT", "OnReason": "*"},
        ],
    }


def test_job_definition_follows_the_settings(changed: dict[str, Any]) -> None:
    properties = container(changed)
    assert one(changed, "AWS::Batch::JobDefinition")["Timeout"] == {"AttemptDurationSeconds": 60}
    assert properties["RuntimePlatform"]["CpuArchitecture"] == "X86_64"
    assert {each["Type"]: each["Value"] for each in properties["ResourceRequirements"]} == {
        "VCPU": "0.5",
        "MEMORY": "1024",
    }
    assert {"Name": "HEARTBEAT_SECONDS", "Value": "600"} in properties["Environment"]
    states = definitions_of(changed)["MapReduce"]["States"]
    assert states["ComputeArrayJob"]["TimeoutSeconds"] == 7_200
    assert (states["ComputeCallbackJob"]["TimeoutSeconds"], states["ComputeCallbackJob"]["HeartbeatSeconds"]) == (
        7_200,
        600,
    )


def test_job_logs_to_a_group_that_is_kept_for_the_days_set(changed: dict[str, Any]) -> None:
    configuration = container(changed)["LogConfiguration"]
    assert configuration["LogDriver"] == "awslogs"
    log_group = changed["Resources"][configuration["Options"]["awslogs-group"]["Ref"]]
    assert (log_group["Properties"]["RetentionInDays"], log_group["DeletionPolicy"]) == (7, "Delete")


@pytest.mark.parametrize(
    ("fixture", "assigned"), [("batch_template", "ENABLED"), ("private", "DISABLED"), ("changed", "DISABLED")]
)
def test_job_has_a_public_address_in_public_subnets_only(
    fixture: str, assigned: str, request: pytest.FixtureRequest
) -> None:
    network = container(request.getfixturevalue(fixture))["NetworkConfiguration"]
    assert network == {"AssignPublicIp": assigned}


def test_own_vpc_has_public_subnets_and_no_nat(batch_template: dict[str, Any]) -> None:
    assert resources_of(batch_template, "AWS::EC2::NatGateway") == {}
    assert resources_of(batch_template, "AWS::EC2::VPCEndpoint") == {}
    assert len(resources_of(batch_template, "AWS::EC2::Subnet")) == 2
    routes = [each["Properties"] for each in resources_of(batch_template, "AWS::EC2::Route").values()]
    assert [route["DestinationCidrBlock"] for route in routes] == ["0.0.0.0/0"] * 2
    assert all("GatewayId" in route for route in routes)


def test_own_vpc_without_a_way_out_has_the_endpoints_that_fargate_and_the_job_need(private: dict[str, Any]) -> None:
    for resource_type in ("NatGateway", "InternetGateway", "Route"):
        assert resources_of(private, f"AWS::EC2::{resource_type}") == {}
    endpoints = [each["Properties"] for each in resources_of(private, "AWS::EC2::VPCEndpoint").values()]
    services = {as_text(each["ServiceName"]).partition("<AWS::Region>.")[2]: each for each in endpoints}
    assert set(services) == {"s3", "ecr.api", "ecr.dkr", "logs", "states"}
    assert len(services.pop("s3")["RouteTableIds"]) == 2
    jobs, endpoint_group = security_groups(private)
    for endpoint in services.values():
        assert (endpoint["VpcEndpointType"], endpoint["PrivateDnsEnabled"]) == ("Interface", True)
        assert endpoint["SecurityGroupIds"] == [{"Fn::GetAtt": [endpoint_group, "GroupId"]}]
        assert len(endpoint["SubnetIds"]) == 2
    ingress = one(private, "AWS::EC2::SecurityGroupIngress")
    assert ingress["SourceSecurityGroupId"] == {"Fn::GetAtt": [jobs, "GroupId"]}
    assert (ingress["FromPort"], ingress["ToPort"], ingress["IpProtocol"]) == (443, 443, "tcp")


def security_groups(template: dict[str, Any]) -> tuple[str, str]:
    """Return the groups of jobs and of endpoints."""
    [jobs] = [
        each["Fn::GetAtt"][0]
        for each in one(template, "AWS::Batch::ComputeEnvironment")["ComputeResources"]["SecurityGroupIds"]
    ]
    [other] = set(resources_of(template, "AWS::EC2::SecurityGroup")) - {jobs}
    return jobs, other


@pytest.mark.parametrize("fixture", ["batch_template", "private", "changed"])
def test_jobs_take_no_connection_and_make_theirs_over_https(fixture: str, request: pytest.FixtureRequest) -> None:
    template = request.getfixturevalue(fixture)
    [jobs] = one(template, "AWS::Batch::ComputeEnvironment")["ComputeResources"]["SecurityGroupIds"]
    group = template["Resources"][jobs["Fn::GetAtt"][0]]["Properties"]
    assert "SecurityGroupIngress" not in group
    [egress] = group["SecurityGroupEgress"]
    assert (egress["FromPort"], egress["ToPort"], egress["IpProtocol"]) == (443, 443, "tcp")


def test_given_subnets_are_used_and_no_network_is_made(changed: dict[str, Any]) -> None:
    made = {name for name, each in changed["Resources"].items() if each["Type"].startswith("AWS::EC2::")}
    assert made == set(resources_of(changed, "AWS::EC2::SecurityGroup"))
    assert one(changed, "AWS::EC2::SecurityGroup")["VpcId"] == GIVEN["vpc_id"]


def test_given_subnets_synthesize_without_a_warning(tmp_path: Path) -> None:
    done = run_app(tmp_path, batch="true", packages_layer="false", **GIVEN)
    assert (done.returncode, done.stderr) == (0, "")


def test_image_is_staged_without_docker_and_holds_what_the_dockerfile_copies(full_assembly: Path) -> None:
    assets = json.loads((full_assembly / "HpcStack.assets.json").read_text())
    [image] = assets["dockerImages"].values()
    source = image["source"]
    assert (source["dockerFile"], source["platform"]) == ("lambdas/Dockerfile", "linux/arm64")
    folder = full_assembly / source["directory"]
    assert [path.name for path in folder.iterdir()] == ["lambdas"]
    files = {str(path.relative_to(folder / "lambdas")) for path in (folder / "lambdas").rglob("*") if path.is_file()}
    sources = {str(path.relative_to(ROOT / "lambdas")) for path in (ROOT / "lambdas").rglob("*.py")}
    assert files == sources | {"Dockerfile", "requirements.txt"}


def test_given_image_is_used_and_none_is_built(changed: dict[str, Any]) -> None:
    assert container(changed)["Image"] == "docker.io/team/hpc:1.2"


def test_image_of_ecr_may_have_a_digest(synthesize: Synthesize) -> None:
    reference = f"team/hpc@sha256:{'0' * 64}"
    template = synthesize(
        batch=True, packages_layer=False, batch_image=f"111122223333.dkr.ecr.us-east-1.amazonaws.com/{reference}"
    )
    assert as_text(container(template)["Image"]) == f"111122223333.dkr.ecr.us-east-1.<AWS::URLSuffix>/{reference}"


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
        "detail": {"status": ["FAILED"], "jobQueue": [{"Fn::GetAtt": [queue, "JobQueueArn"]}]},
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
