"""AWS Batch and EventBridge in a template: queues, job definitions and rules, read for this machine.

**Differs from AWS:** a job works in the folder that its image is built from, which has to be part of the cloud
assembly; a job definition has revision 1; a rule calls functions only, its other targets hear nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sfn_local.arns import Account
from sfn_local.assembly.cloudformation import Resolver, TemplateError, check_properties
from sfn_local.batch.resources import JobDefinition, JobQueue
from sfn_local.eventbridge.rules import Rule
from sfn_local.protocol.catalog import service_shape
from sfn_local.protocol.naming import to_api_names

JOB_QUEUE = "AWS::Batch::JobQueue"
JOB_DEFINITION = "AWS::Batch::JobDefinition"
RULE = "AWS::Events::Rule"
_COMPUTE_ENVIRONMENT = "AWS::Batch::ComputeEnvironment"

# Resources that change nothing on this machine, each with the reason.
WITHOUT_EFFECT = {
    _COMPUTE_ENVIRONMENT: "its vCPUs are the queue's; jobs are processes of this machine",
    **dict.fromkeys(
        [
            "AWS::EC2::InternetGateway",
            "AWS::EC2::Route",
            "AWS::EC2::RouteTable",
            "AWS::EC2::SecurityGroup",
            "AWS::EC2::SecurityGroupIngress",
            "AWS::EC2::Subnet",
            "AWS::EC2::SubnetRouteTableAssociation",
            "AWS::EC2::VPC",
            "AWS::EC2::VPCEndpoint",
            "AWS::EC2::VPCGatewayAttachment",
        ],
        "jobs reach the services on loopback, and nothing else is restricted",
    ),
}

_QUEUE_PROPERTIES = frozenset(["ComputeEnvironmentOrder", "JobQueueName", "Priority", "State", "Tags"])
_DEFINITION_PROPERTIES = frozenset(
    [
        "ContainerProperties",
        "JobDefinitionName",
        "PlatformCapabilities",
        "PropagateTags",
        "ResourceRetentionPolicy",
        "RetryStrategy",
        "Tags",
        "Timeout",
        "Type",
    ]
)
_RULE_PROPERTIES = frozenset(["Description", "EventPattern", "Name", "State", "Tags", "Targets"])
_TARGET_PROPERTIES = frozenset(["Arn", "Id", "RetryPolicy"])


class JobResources:
    """Reads these resources of one template."""

    def __init__(
        self, template: Mapping[str, Any], resolver: Resolver, images: Mapping[str, Path], account: Account
    ) -> None:
        self._resources: Mapping[str, Any] = template["Resources"]
        self._resolver = resolver
        self._account = account
        self._images = images

    def queue(self, logical_id: str, properties: Mapping[str, Any]) -> JobQueue:
        """Read a queue with the vCPUs of its compute environments."""
        check_properties(logical_id, properties, _QUEUE_PROPERTIES)
        order = sorted(properties["ComputeEnvironmentOrder"], key=lambda each: int(each["Order"]))
        arns = [str(self._resolver.value(each["ComputeEnvironment"])) for each in order]
        name = self._resolver.physical_name(logical_id)
        return JobQueue(
            name=name,
            arn=self._account.arn("batch", f"job-queue/{name}"),
            priority=int(properties["Priority"]),
            compute_environments=tuple(arns),
            max_vcpus=sum(self._max_vcpus(logical_id, arn) for arn in arns),
        )

    def _max_vcpus(self, queue: str, arn: str) -> float:
        for logical_id, resource in self._resources.items():
            if resource["Type"] == _COMPUTE_ENVIRONMENT:
                own = self._resolver.value({"Fn::GetAtt": [logical_id, "ComputeEnvironmentArn"]})
                if own == arn:
                    return float(resource["Properties"]["ComputeResources"]["MaxvCpus"])
        raise TemplateError(f"{queue}: its compute environment {arn} is not part of the template")

    def definition(self, logical_id: str, properties: Mapping[str, Any]) -> JobDefinition:
        """Read a job definition."""
        check_properties(logical_id, properties, _DEFINITION_PROPERTIES)
        values = self._resolver.value(properties)
        if values["Type"].lower() != "container":
            raise TemplateError(f"{logical_id}: job definitions of type {values['Type']} can't be run on this machine")
        container = to_api_names(service_shape("batch", "ContainerProperties"), values["ContainerProperties"])
        name = self._resolver.physical_name(logical_id)
        return JobDefinition(
            name=name,
            revision=1,
            arn=self._account.arn("batch", f"job-definition/{name}:1"),
            container=container,
            retry_strategy=to_api_names(service_shape("batch", "RetryStrategy"), values.get("RetryStrategy", {})),
            timeout=to_api_names(service_shape("batch", "JobTimeout"), values.get("Timeout", {})),
            platform_capabilities=tuple(values.get("PlatformCapabilities", ())),
            code=self._images.get(str(container["image"]).rpartition(":")[2]),
        )

    def calls_functions(self, properties: Mapping[str, Any]) -> bool:
        """Whether a rule is one of events that a function of the stack is called for; others are not made here."""
        return "EventPattern" in properties and any(
            self._is_function(each["Arn"]) for each in properties.get("Targets", ())
        )

    def _is_function(self, arn: Any) -> bool:
        try:
            return ":lambda:" in self._resolver.value(arn)
        except TemplateError:
            return False

    def rule(self, logical_id: str, properties: Mapping[str, Any]) -> Rule | None:
        """Read a rule; None if it is disabled, or none of its targets is a function."""
        check_properties(logical_id, properties, _RULE_PROPERTIES)
        if properties.get("State", "ENABLED") != "ENABLED":
            return None
        targets = self._resolver.value(properties.get("Targets", []))
        others = [each for each in targets if ":lambda:" not in each["Arn"]]
        if len(others) == len(targets):
            return None
        if others:
            raise TemplateError(
                f"{logical_id}: target {others[0]['Id']} must be a Lambda function, got {others[0]['Arn']}"
            )
        for target in targets:
            check_properties(f"{logical_id}: target {target['Id']}", target, _TARGET_PROPERTIES)
        name = self._resolver.physical_name(logical_id)
        try:
            return Rule(
                name=name,
                arn=self._account.arn("events", f"rule/{name}"),
                pattern=self._resolver.value(properties["EventPattern"]),
                targets=tuple(target["Arn"] for target in targets),
            )
        except ValueError as error:
            raise TemplateError(f"{logical_id}: {error}") from error
