"""Subnets and security group of jobs: in a given VPC, or in a VPC of their own."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

HTTPS = ec2.Port.tcp(443)
# Services that a task on Fargate and its job call: for the image, the log and the answer to a task.
# Source: "Amazon ECR interface VPC endpoints", "Considerations"; S3 has a gateway besides.
ENDPOINT_SERVICES = {"EcrApi": "ecr.api", "EcrDocker": "ecr.dkr", "Logs": "logs", "StepFunctions": "states"}
# Endpoints of these services have a prefix in China.  Source: aws-cdk-lib, which knows the
# prefix for named Regions only; this stack is for any Region.
PREFIXED_IN_CHINA = frozenset({"ecr.api", "ecr.dkr", "states"})


class JobNetwork(Construct):
    """Subnets and security group of jobs.

    Parameters
    ----------
    vpc_id, subnet_ids
        An existing VPC and subnets of it; both empty for a VPC of two zones that costs nothing while it is public.
        Private subnets that are given need a way out of their own: NAT, or endpoints.
    is_public
        Whether the subnets are public: a job has a public address then, which is its only way out.

    Attributes
    ----------
    vpc : ec2.IVpc
    subnets : ec2.SubnetSelection
    security_group : ec2.SecurityGroup
        Lets nothing in, and HTTPS out.
    is_public : bool
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, vpc_id: str, subnet_ids: Sequence[str], is_public: bool
    ) -> None:
        super().__init__(scope, construct_id)
        self.is_public = is_public
        if vpc_id:
            # Zones are asked for, and of no account here: nothing that is used looks at them.
            self.vpc: ec2.IVpc = ec2.Vpc.from_vpc_attributes(self, "Vpc", vpc_id=vpc_id, availability_zones=["any"])
            given = [ec2.Subnet.from_subnet_id(self, f"Subnet-{subnet_id}", subnet_id) for subnet_id in subnet_ids]
            for subnet in given:
                cdk.Annotations.of(subnet).acknowledge_warning(
                    "@aws-cdk/aws-ec2:noSubnetRouteTableId", "Nothing here asks for a route table"
                )
            self.subnets = ec2.SubnetSelection(subnets=given)
            self.security_group = self._define_security_group()
            return
        subnet_type = ec2.SubnetType.PUBLIC if is_public else ec2.SubnetType.PRIVATE_ISOLATED
        vpc = ec2.Vpc(
            self,
            "Vpc",
            max_azs=2,
            nat_gateways=0,
            subnet_configuration=[ec2.SubnetConfiguration(name="Jobs", subnet_type=subnet_type)],
            # Nothing is in the default group, and emptying it would take a function of its own.
            restrict_default_security_group=False,
        )
        self.vpc = vpc
        self.subnets = ec2.SubnetSelection(subnet_type=subnet_type)
        self.security_group = self._define_security_group()
        if not is_public:
            self._define_endpoints(vpc)

    def _define_security_group(self) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            self, "Jobs", vpc=self.vpc, description="Jobs: HTTPS out, nothing in", allow_all_outbound=False
        )
        group.add_egress_rule(ec2.Peer.any_ipv4(), HTTPS, "Services of AWS")
        return group

    def _define_endpoints(self, vpc: ec2.Vpc) -> None:
        vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        group = ec2.SecurityGroup(
            self, "Endpoints", vpc=vpc, description="Endpoints: HTTPS from jobs", allow_all_outbound=False
        )
        group.add_ingress_rule(self.security_group, HTTPS, "Jobs")
        is_china = cdk.CfnCondition(self, "IsChina", expression=cdk.Fn.condition_equals(cdk.Aws.PARTITION, "aws-cn"))
        china_prefix = cdk.Fn.condition_if(is_china.logical_id, "cn.com.amazonaws", "com.amazonaws").to_string()
        for name, service in ENDPOINT_SERVICES.items():
            prefix = china_prefix if service in PREFIXED_IN_CHINA else "com.amazonaws"
            vpc.add_interface_endpoint(
                name,
                service=ec2.InterfaceVpcEndpointService(f"{prefix}.{cdk.Aws.REGION}.{service}", 443),
                private_dns_enabled=True,
                subnets=self.subnets,
                security_groups=[group],
                open=False,
            )
