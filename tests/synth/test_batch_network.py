"""Network of jobs: a VPC of the stack with a way out or with endpoints, or given subnets."""

from pathlib import Path
from typing import Any

import pytest
from synthesis import GIVEN_SUBNETS, GIVEN_VPC, as_text, container_of, properties_of, resources_of

from app import make_app, read_context
from hpc_stack import pythons


@pytest.mark.parametrize(
    ("fixture", "assigned"),
    [("batch_template", "ENABLED"), ("private_template", "DISABLED"), ("changed_template", "DISABLED")],
)
def test_job_has_a_public_address_in_public_subnets_only(
    fixture: str, assigned: str, request: pytest.FixtureRequest
) -> None:
    network = container_of(request.getfixturevalue(fixture))["NetworkConfiguration"]
    assert network == {"AssignPublicIp": assigned}


def test_own_vpc_has_public_subnets_and_no_nat(batch_template: dict[str, Any]) -> None:
    assert resources_of(batch_template, "AWS::EC2::NatGateway") == {}
    assert resources_of(batch_template, "AWS::EC2::VPCEndpoint") == {}
    assert len(resources_of(batch_template, "AWS::EC2::Subnet")) == 2
    routes = [each["Properties"] for each in resources_of(batch_template, "AWS::EC2::Route").values()]
    assert [route["DestinationCidrBlock"] for route in routes] == ["0.0.0.0/0"] * 2
    assert all("GatewayId" in route for route in routes)


def test_own_vpc_without_a_way_out_has_the_endpoints_that_fargate_and_the_job_need(
    private_template: dict[str, Any],
) -> None:
    for resource_type in ("NatGateway", "InternetGateway", "Route"):
        assert resources_of(private_template, f"AWS::EC2::{resource_type}") == {}
    endpoints = [each["Properties"] for each in resources_of(private_template, "AWS::EC2::VPCEndpoint").values()]
    names = [as_text(each["ServiceName"]).partition(".<AWS::Region>.") for each in endpoints]
    services = {name: each for (_, _, name), each in zip(names, endpoints, strict=True)}
    [condition] = private_template["Conditions"].keys() - {"CDKMetadataAvailable"}
    assert private_template["Conditions"][condition] == {"Fn::Equals": [{"Ref": "AWS::Partition"}, "aws-cn"]}
    prefixed = f"<cn.com.amazonaws if {condition} else com.amazonaws>"
    assert {name: prefix for prefix, _, name in names if name != "s3"} == {
        "ecr.api": prefixed,
        "ecr.dkr": prefixed,
        "states": prefixed,
        "logs": "com.amazonaws",
    }
    assert set(services) == {"s3", "ecr.api", "ecr.dkr", "logs", "states"}
    assert len(services.pop("s3")["RouteTableIds"]) == 2
    jobs, endpoint_group = security_groups(private_template)
    for endpoint in services.values():
        assert (endpoint["VpcEndpointType"], endpoint["PrivateDnsEnabled"]) == ("Interface", True)
        assert endpoint["SecurityGroupIds"] == [{"Fn::GetAtt": [endpoint_group, "GroupId"]}]
        assert len(endpoint["SubnetIds"]) == 2
    ingress = properties_of(private_template, "AWS::EC2::SecurityGroupIngress")
    assert ingress["SourceSecurityGroupId"] == {"Fn::GetAtt": [jobs, "GroupId"]}
    assert (ingress["FromPort"], ingress["ToPort"], ingress["IpProtocol"]) == (443, 443, "tcp")


def security_groups(template: dict[str, Any]) -> tuple[str, str]:
    """Return the groups of jobs and of endpoints."""
    [jobs] = [
        each["Fn::GetAtt"][0]
        for each in properties_of(template, "AWS::Batch::ComputeEnvironment")["ComputeResources"]["SecurityGroupIds"]
    ]
    [other] = set(resources_of(template, "AWS::EC2::SecurityGroup")) - {jobs}
    return jobs, other


@pytest.mark.parametrize("fixture", ["batch_template", "private_template", "changed_template"])
def test_jobs_take_no_connection_and_make_theirs_over_https(fixture: str, request: pytest.FixtureRequest) -> None:
    template = request.getfixturevalue(fixture)
    [jobs] = properties_of(template, "AWS::Batch::ComputeEnvironment")["ComputeResources"]["SecurityGroupIds"]
    group = template["Resources"][jobs["Fn::GetAtt"][0]]["Properties"]
    assert "SecurityGroupIngress" not in group
    [egress] = group["SecurityGroupEgress"]
    assert (egress["FromPort"], egress["ToPort"], egress["IpProtocol"]) == (443, 443, "tcp")


def test_given_subnets_are_used_and_no_network_is_made(changed_template: dict[str, Any]) -> None:
    made = {name for name, each in changed_template["Resources"].items() if each["Type"].startswith("AWS::EC2::")}
    assert made == set(resources_of(changed_template, "AWS::EC2::SecurityGroup"))
    assert properties_of(changed_template, "AWS::EC2::SecurityGroup")["VpcId"] == GIVEN_VPC


def test_given_subnets_synthesize_without_a_warning(tmp_path: Path) -> None:
    # Another Python than this one would be warned of.
    settings = {"batch": True, "packages_layer": False, "python": pythons.running()}
    settings |= {"vpc_id": GIVEN_VPC, "subnet_ids": GIVEN_SUBNETS}
    app = make_app(str(tmp_path), read_context() | {f"hpc:{name}": value for name, value in settings.items()})
    assert app.synth().stacks[0].messages == []
