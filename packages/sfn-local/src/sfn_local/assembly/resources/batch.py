"""AWS Batch in a template: job queues and job definitions.

**Differs from AWS:** a job works in the folder that its image is built from, which has to be part of the cloud
assembly; a job definition has revision 1.
"""

from collections.abc import Mapping
from typing import Any

from sfn_local.assembly.resource_types import Reading, ResourceType, TemplateError, Value, arn, check_properties
from sfn_local.batch.resources import JobDefinition, JobQueue
from sfn_local.protocol.catalog import service_shape
from sfn_local.protocol.naming import to_api_names

_COMPUTE_ENVIRONMENT = "AWS::Batch::ComputeEnvironment"

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


def _read_queue(reading: Reading, logical_id: str, properties: Mapping[str, Any]) -> JobQueue:
    """Read a queue with the vCPUs of its compute environments."""
    check_properties(logical_id, properties, _QUEUE_PROPERTIES)
    order = sorted(properties["ComputeEnvironmentOrder"], key=lambda each: int(each["Order"]))
    arns = [str(reading.resolver.value(each["ComputeEnvironment"])) for each in order]
    queue = reading.resolver.physical_name(logical_id)
    return JobQueue(
        name=queue,
        arn=reading.account.arn("batch", f"job-queue/{queue}"),
        priority=int(properties["Priority"]),
        compute_environments=tuple(arns),
        max_vcpus=sum(_max_vcpus(reading, logical_id, arn) for arn in arns),
    )


def _max_vcpus(reading: Reading, queue: str, environment_arn: str) -> float:
    for logical_id, resource in reading.resources.items():
        if resource["Type"] == _COMPUTE_ENVIRONMENT:
            own = reading.resolver.value({"Fn::GetAtt": [logical_id, "ComputeEnvironmentArn"]})
            if own == environment_arn:
                return float(resource["Properties"]["ComputeResources"]["MaxvCpus"])
    raise TemplateError(f"{queue}: its compute environment {environment_arn} is not part of the template")


def _read_definition(reading: Reading, logical_id: str, properties: Mapping[str, Any]) -> JobDefinition:
    check_properties(logical_id, properties, _DEFINITION_PROPERTIES)
    values = reading.resolver.value(properties)
    if values["Type"].lower() != "container":
        raise TemplateError(f"{logical_id}: job definitions of type {values['Type']} can't be run on this machine")
    container = to_api_names(service_shape("batch", "ContainerProperties"), values["ContainerProperties"])
    definition = reading.resolver.physical_name(logical_id)
    return JobDefinition(
        name=definition,
        revision=1,
        arn=reading.account.arn("batch", f"job-definition/{definition}:1"),
        container=container,
        retry_strategy=to_api_names(service_shape("batch", "RetryStrategy"), values.get("RetryStrategy", {})),
        timeout=to_api_names(service_shape("batch", "JobTimeout"), values.get("Timeout", {})),
        platform_capabilities=tuple(values.get("PlatformCapabilities", ())),
        code=reading.assets.images.get(str(container["image"]).rpartition(":")[2]),
    )


def _values(attribute: str, value: Value) -> dict[str, Value]:
    """Return the values of a type whose Ref is an ARN, which is also an attribute."""
    return {"Ref": value, attribute: value}


TYPES = {
    # Its vCPUs are the queue's; jobs are processes of this machine.
    _COMPUTE_ENVIRONMENT: ResourceType(
        values=_values("ComputeEnvironmentArn", arn("batch", "compute-environment/")),
        name_property="ComputeEnvironmentName",
    ),
    "AWS::Batch::JobQueue": ResourceType(
        values=_values("JobQueueArn", arn("batch", "job-queue/")), name_property="JobQueueName", read=_read_queue
    ),
    "AWS::Batch::JobDefinition": ResourceType(
        values=_values("JobDefinitionArn", lambda account, name: account.arn("batch", f"job-definition/{name}:1")),
        name_property="JobDefinitionName",
        read=_read_definition,
    ),
}
