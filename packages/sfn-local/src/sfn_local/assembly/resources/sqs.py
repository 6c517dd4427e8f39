"""SQS queues in a template.

**Differs from AWS:** a queue with the property ``FifoQueue`` is refused by name.
"""

import json
from collections.abc import Mapping
from typing import Any

from sfn_local.arns import Account
from sfn_local.assembly.resource_types import Reading, ResourceType, TemplateError, arn, check_properties, name
from sfn_local.sqs.queues import Queue

QUEUE_POLICY = "AWS::SQS::QueuePolicy"

# Encryption changes nothing on this machine.
_PROPERTIES = frozenset(
    [
        "DelaySeconds",
        "KmsDataKeyReusePeriodSeconds",
        "KmsMasterKeyId",
        "MaximumMessageSize",
        "MessageRetentionPeriod",
        "QueueName",
        "ReceiveMessageWaitTimeSeconds",
        "RedrivePolicy",
        "SqsManagedSseEnabled",
        "Tags",
        "VisibilityTimeout",
    ]
)


def queue_url(account: Account, queue: str) -> str:
    return f"https://sqs.{account.region}.amazonaws.com/{account.account_id}/{queue}"


def _read(reading: Reading, logical_id: str, properties: Mapping[str, Any]) -> Queue:
    check_properties(logical_id, properties, _PROPERTIES)
    given = reading.resolver.value(properties)
    redrive = given.get("RedrivePolicy", {})
    if isinstance(redrive, str):
        try:
            redrive = json.loads(redrive)
        except ValueError as error:
            raise TemplateError(f"{logical_id}: RedrivePolicy is not JSON: {error}") from error
    own = {
        "delay_seconds": "DelaySeconds",
        "max_bytes": "MaximumMessageSize",
        "retention_seconds": "MessageRetentionPeriod",
        "visibility_seconds": "VisibilityTimeout",
        "wait_seconds": "ReceiveMessageWaitTimeSeconds",
    }
    queue = reading.resolver.physical_name(logical_id)
    return Queue(
        name=queue,
        url=queue_url(reading.account, queue),
        arn=reading.account.arn("sqs", queue),
        dead_letter_arn=redrive.get("deadLetterTargetArn"),
        max_receive_count=int(redrive.get("maxReceiveCount", 0)),
        **{field: int(given[name]) for field, name in own.items() if name in given},
    )


TYPES = {
    "AWS::SQS::Queue": ResourceType(
        values={"Ref": queue_url, "QueueUrl": queue_url, "Arn": arn("sqs", ""), "QueueName": name},
        name_property="QueueName",
        read=_read,
    ),
    # `sfn_local.assembly.iam_resources` reads it.
    QUEUE_POLICY: ResourceType(),
}
