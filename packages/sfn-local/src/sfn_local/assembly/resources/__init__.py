"""Every type of resource that the runner knows.  A module of a service registers its types in ``TYPES``."""

from sfn_local.assembly.resource_types import ResourceType
from sfn_local.assembly.resources import batch, events, iam, lambda_functions, logs, network, s3, sqs, state_machines

RESOURCE_TYPES: dict[str, ResourceType] = {
    # It describes the construct library.
    "AWS::CDK::Metadata": ResourceType(),
    **batch.TYPES,
    **events.TYPES,
    **iam.TYPES,
    **lambda_functions.TYPES,
    **logs.TYPES,
    **network.TYPES,
    **s3.TYPES,
    **sqs.TYPES,
    **state_machines.TYPES,
}
