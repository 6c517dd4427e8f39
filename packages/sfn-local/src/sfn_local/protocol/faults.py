"""Names that a service gives to the faults of a request, before its own code has seen it."""

from __future__ import annotations

from dataclasses import dataclass

from sfn_local.protocol import ServiceError


@dataclass(frozen=True)
class Fault:
    """One kind of fault: call it with a message to get the error."""

    code: str
    status: int = 400

    def __call__(self, message: str) -> ServiceError:
        return ServiceError(self.code, message, self.status)


@dataclass(frozen=True, kw_only=True)
class Faults:
    """The faults that a request can have on its way to a service core."""

    validation: Fault
    malformed: Fault
    too_large: Fault
    unknown_operation: Fault
    not_authenticated: Fault
    bad_authorization: Fault
    unknown_access_key: Fault
    bad_token: Fault
    bad_signature: Fault
    clock_skew: Fault
    internal: Fault


# Source: AWS API references, "Common Errors" (JSON services) and Amazon S3 API reference, "Error responses".
JSON_FAULTS = Faults(
    validation=Fault("ValidationException"),
    malformed=Fault("SerializationException"),
    too_large=Fault("RequestEntityTooLargeException", 413),
    unknown_operation=Fault("UnknownOperationException"),
    not_authenticated=Fault("MissingAuthenticationTokenException"),
    bad_authorization=Fault("IncompleteSignatureException"),
    unknown_access_key=Fault("UnrecognizedClientException"),
    bad_token=Fault("UnrecognizedClientException"),
    bad_signature=Fault("InvalidSignatureException"),
    clock_skew=Fault("InvalidSignatureException"),
    internal=Fault("InternalFailure", 500),
)

# AWS Batch has two errors of its own and reports a bad parameter as the first.
BATCH_FAULTS = Faults(
    validation=Fault("ClientException"),
    malformed=Fault("SerializationException"),
    too_large=Fault("RequestEntityTooLargeException", 413),
    unknown_operation=Fault("UnknownOperationException", 404),
    not_authenticated=Fault("MissingAuthenticationTokenException", 403),
    bad_authorization=Fault("IncompleteSignatureException", 403),
    unknown_access_key=Fault("UnrecognizedClientException", 403),
    bad_token=Fault("UnrecognizedClientException", 403),
    bad_signature=Fault("InvalidSignatureException", 403),
    clock_skew=Fault("InvalidSignatureException", 403),
    internal=Fault("ServerException", 500),
)

S3_FAULTS = Faults(
    validation=Fault("InvalidArgument"),
    malformed=Fault("MalformedXML"),
    too_large=Fault("MaxMessageLengthExceeded"),
    unknown_operation=Fault("MethodNotAllowed", 405),
    not_authenticated=Fault("AccessDenied", 403),
    bad_authorization=Fault("AuthorizationHeaderMalformed"),
    unknown_access_key=Fault("InvalidAccessKeyId", 403),
    bad_token=Fault("InvalidToken"),
    bad_signature=Fault("SignatureDoesNotMatch", 403),
    clock_skew=Fault("RequestTimeTooSkewed", 403),
    internal=Fault("InternalError", 500),
)
