"""The API of Amazon SQS on this machine: parameters in, result out; validated against the service model outside.

Source: Amazon SQS API reference; developer guide, "Calculating the MD5 message digest for message attributes".

**Differs from AWS:** queues are those of the stack, and standard ones; actions that are not in ``ACTIONS`` are refused
by name, and so are message groups and attributes of the system.
"""

import base64
import hashlib
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from sfn_local.arns import Account
from sfn_local.iam.api_actions import Needed, Rights
from sfn_local.protocol import ServiceError
from sfn_local.sqs.queues import Message, MessageQueue, Queues

Params = dict[str, Any]
Result = dict[str, Any]

# Source: Amazon SQS API reference, SendMessage, ReceiveMessage and ChangeMessageVisibility.
_RANGES = {
    "DelaySeconds": range(901),
    "MaxNumberOfMessages": range(1, 11),
    "VisibilityTimeout": range(43_201),
    "WaitTimeSeconds": range(21),
}
_TAKEN = frozenset(["DelaySeconds", "MessageAttributes", "MessageBody", "QueueUrl"])


class SqsService:
    """The API over the queues of a home."""

    def __init__(self, queues: Queues, account: Account) -> None:
        self.queues = queues
        self.account = account

    async def handle(self, action: str, params: Params, _principal: str) -> Result:
        """Perform ``action``; see :class:`sfn_local.protocol.Service`."""
        perform = ACTIONS.get(action)
        if perform is None:
            served = ", ".join(ACTIONS)
            raise ServiceError(
                "UnsupportedOperation", f"{action} is not available on this machine; available are {served}"
            )
        for name, allowed in _RANGES.items():
            if params.get(name, allowed.start) not in allowed:
                raise _invalid(
                    f"Value {params[name]} for parameter {name} is invalid. Reason: Must be between {allowed.start} and"
                    f" {allowed.stop - 1}, if provided."
                )
        return await perform(self, params)

    def find(self, params: Params) -> MessageQueue:
        """Find the queue that a request names; raises :class:`ServiceError`."""
        name = params.get("QueueName") or params["QueueUrl"].rstrip("/").rpartition("/")[2]
        found = self.queues.find(name)
        if found is None:
            raise ServiceError("QueueDoesNotExist", "The specified queue does not exist.")
        return found


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValue", message)


async def _send_message(service: SqsService, params: Params) -> Result:
    found = service.find(params)
    refused = sorted(set(params) - _TAKEN)
    if refused:
        raise _invalid(f"{', '.join(refused)} can't be used on this machine")
    body, attributes = params["MessageBody"], params.get("MessageAttributes", {})
    if not body:
        raise _invalid("The message body must have at least one character.")
    size = len(body.encode()) + sum(len(_packed(each)) for each in attributes.items())
    if size > found.queue.max_bytes:
        limit = f"Message must be shorter than {found.queue.max_bytes} bytes"
        raise _invalid(f"One or more parameters are invalid. Reason: {limit}.")
    kept = {name: _kept(value) for name, value in attributes.items()}
    message_id = await found.send(body, kept, params.get("DelaySeconds"))
    result = {"MD5OfMessageBody": _md5(body.encode()), "MessageId": message_id}
    return {**result, **_attributes_digest(attributes)}


async def _receive_message(service: SqsService, params: Params) -> Result:
    found = service.find(params)
    messages = await found.receive(
        params.get("MaxNumberOfMessages", 1),
        params.get("VisibilityTimeout", found.queue.visibility_seconds),
        params.get("WaitTimeSeconds", found.queue.wait_seconds),
        service.queues.dead_letters_of(found.queue),
    )
    return {"Messages": [_shown(message, params) for message in messages]} if messages else {}


async def _delete_message(service: SqsService, params: Params) -> Result:
    service.find(params).delete(params["ReceiptHandle"])
    return {}


async def _change_visibility(service: SqsService, params: Params) -> Result:
    if not service.find(params).change_visibility(params["ReceiptHandle"], params["VisibilityTimeout"]):
        raise ServiceError("MessageNotInflight", "The message of this receipt handle is not in flight.")
    return {}


async def _purge_queue(service: SqsService, params: Params) -> Result:
    service.find(params).purge()
    return {}


async def _get_queue_url(service: SqsService, params: Params) -> Result:
    return {"QueueUrl": service.find(params).queue.url}


async def _list_queues(service: SqsService, params: Params) -> Result:
    prefix = params.get("QueueNamePrefix", "")
    urls = sorted(each.queue.url for each in service.queues if each.queue.name.startswith(prefix))
    return {"QueueUrls": urls} if urls else {}


async def _get_queue_attributes(service: SqsService, params: Params) -> Result:
    found = service.find(params)
    queue = found.queue
    values = {
        "QueueArn": queue.arn,
        "DelaySeconds": queue.delay_seconds,
        "MaximumMessageSize": queue.max_bytes,
        "MessageRetentionPeriod": queue.retention_seconds,
        "ReceiveMessageWaitTimeSeconds": queue.wait_seconds,
        "VisibilityTimeout": queue.visibility_seconds,
        **found.counts(),
    }
    names = params.get("AttributeNames", ())
    chosen = {name: str(value) for name, value in values.items() if name in names or "All" in names}
    return {"Attributes": chosen} if chosen else {}


ACTIONS: Mapping[str, Callable[[SqsService, Params], Awaitable[Result]]] = {
    "ChangeMessageVisibility": _change_visibility,
    "DeleteMessage": _delete_message,
    "GetQueueAttributes": _get_queue_attributes,
    "GetQueueUrl": _get_queue_url,
    "ListQueues": _list_queues,
    "PurgeQueue": _purge_queue,
    "ReceiveMessage": _receive_message,
    "SendMessage": _send_message,
}


def sqs_rights(account: Account) -> Mapping[str, Rights]:
    """Return the rights that the operations take.  Source: Service Authorization Reference, "Amazon SQS"."""

    def on_queue(action: str) -> Rights:
        def rights(params: Mapping[str, Any]) -> Iterator[Needed]:
            name = params.get("QueueName") or str(params.get("QueueUrl", "*")).rstrip("/").rpartition("/")[2]
            yield Needed(f"sqs:{action}", account.arn("sqs", name))

        return rights

    return {action: on_queue(action) for action in ACTIONS}


def _shown(message: Message, params: Params) -> Result:
    shown: Result = {
        "MessageId": message.uuid,
        "ReceiptHandle": message.receipt,
        "MD5OfBody": _md5(message.body.encode()),
        "Body": message.body,
    }
    of_system = {
        "ApproximateFirstReceiveTimestamp": str(round(message.first_received * 1000)),
        "ApproximateReceiveCount": str(message.received),
        "SentTimestamp": str(round(message.sent * 1000)),
    }
    wanted = [*params.get("AttributeNames", ()), *params.get("MessageSystemAttributeNames", ())]
    chosen = {name: value for name, value in of_system.items() if name in wanted or "All" in wanted}
    own = {name: _given(value) for name, value in message.attributes.items()}
    asked = {
        name: value
        for name, value in own.items()
        if any(_names(pattern, name) for pattern in params.get("MessageAttributeNames", ()))
    }
    if asked:
        shown |= {"MessageAttributes": asked, "MD5OfMessageAttributes": _attributes_digest(asked)[_DIGEST]}
    return {**shown, **({"Attributes": chosen} if chosen else {})}


def _names(pattern: str, name: str) -> bool:
    return pattern in ("All", ".*", name) or (pattern.endswith(".*") and name.startswith(pattern[:-2]))


_DIGEST = "MD5OfMessageAttributes"


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _attributes_digest(attributes: Mapping[str, Any]) -> Result:
    if not attributes:
        return {}
    return {_DIGEST: _md5(b"".join(_packed(each) for each in sorted(attributes.items())))}


def _packed(attribute: tuple[str, Mapping[str, Any]]) -> bytes:
    """Encode an attribute as its digest takes it: name, type, kind of value, value, each after its length."""
    name, value = attribute
    is_binary = "BinaryValue" in value
    data: bytes = value["BinaryValue"] if is_binary else value.get("StringValue", "").encode()
    head = b"".join(struct.pack(">I", len(part.encode())) + part.encode() for part in (name, value["DataType"]))
    return head + (b"\x02" if is_binary else b"\x01") + struct.pack(">I", len(data)) + data


def _kept(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an attribute as JSON can hold it."""
    if "BinaryValue" not in value:
        return dict(value)
    return {**value, "BinaryValue": base64.b64encode(value["BinaryValue"]).decode()}


def _given(value: Mapping[str, Any]) -> dict[str, Any]:
    return {**value, "BinaryValue": base64.b64decode(value["BinaryValue"])} if "BinaryValue" in value else dict(value)
