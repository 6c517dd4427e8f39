"""Errors of services, with the names and messages that a state machine sees.

Sources: "Handle transient Lambda service exceptions", Step Functions Developer Guide, for the names of Lambda's errors.
Of AWS Batch, causes that users of it have published: ``Batch.AWSBatchException`` with status 429 for too many calls,
``Batch.ServerException`` with status 500.  How Step Functions names a throttled call of its own is not documented;
published definitions retry ``StepFunctions.AWSStepFunctionsException``.
"""

from collections.abc import Mapping
from typing import NamedTuple

from sfn_local.language.errors import StatesError
from sfn_local.protocol import ServiceError
from sfn_local.protocol.sdk_errors import sdk_cause


class _Words(NamedTuple):
    name: str
    message: str
    service: str
    status: int
    code: str


_WORDS: Mapping[tuple[str, str], _Words] = {
    ("lambda", "throttle"): _Words(
        "Lambda.TooManyRequestsException", "Rate Exceeded.", "AWSLambda", 429, "TooManyRequestsException"
    ),
    ("lambda", "service_error"): _Words(
        "Lambda.ServiceException", "Service failed.", "AWSLambda", 500, "ServiceException"
    ),
    ("batch", "throttle"): _Words(
        "Batch.AWSBatchException", "Too Many Requests", "AWSBatch", 429, "TooManyRequestsException"
    ),
    ("batch", "service_error"): _Words("Batch.ServerException", "Service failed.", "AWSBatch", 500, "ServerException"),
    ("states", "throttle"): _Words(
        "StepFunctions.AWSStepFunctionsException", "Rate exceeded", "AWSStepFunctions", 400, "ThrottlingException"
    ),
    ("states", "service_error"): _Words(
        "StepFunctions.AWSStepFunctionsException", "Service failed.", "AWSStepFunctions", 500, "InternalFailure"
    ),
}


def service_failure(service: str, kind: str) -> StatesError:
    """Return the error of a call that a service throttles or fails; in the place of a request id it says why."""
    words = _WORDS[service, kind]
    refused = ServiceError(words.code, words.message, words.status)
    return StatesError(words.name, sdk_cause(words.service, refused, request_id="rehearsed"))
