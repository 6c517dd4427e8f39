"""Signature version 4, server side: from the head of a request to the principal that signed it.

The signature is computed anew by botocore's own signers and compared in constant time.

Differs from AWS: presigned URLs and signatures in a query string are refused by name; the region of the credential
scope is not compared with the region served.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPMessage

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from sfn_local.protocol.faults import Faults
from sfn_local.protocol.messages import HttpRequest

# Source: AWS IAM user guide, "Signature Version 4 for API requests": a request is valid for 15 minutes.
MAX_CLOCK_SKEW_SECONDS = 900

_ALGORITHM = "AWS4-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    _ALGORITHM + r" +Credential=(?P<access_key_id>[^/, ]+)/(?P<date>[0-9]{8})/(?P<region>[^/, ]+)/(?P<service>[^/, ]+)"
    r"/aws4_request, *SignedHeaders=(?P<signed_headers>[^, ]+), *Signature=(?P<signature>[0-9a-f]{64})"
)
_PAYLOAD_HEADER = "x-amz-content-sha256"


@dataclass(frozen=True)
class Credential:
    """What the server knows of an access key.

    Attributes
    ----------
    principal : str
        Who signs with it, as service cores see them.
    """

    secret_access_key: str = field(repr=False)
    principal: str


@dataclass(frozen=True)
class Authorization:
    """A parsed ``Authorization`` header: claims that nothing has verified yet."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str = field(repr=False)


def parse_authorization(request: HttpRequest, faults: Faults) -> Authorization:
    """Read the ``Authorization`` header.

    Raises
    ------
    ServiceError
        If there is none, or it is not of signature version 4.
    """
    if "x-amz-signature" in request.query.lower():
        raise faults.not_authenticated("presigned URLs are not supported, sign the Authorization header")
    header = request.headers.get("authorization")
    if header is None:
        raise faults.not_authenticated("request has no Authorization header")
    match = _AUTHORIZATION.fullmatch(header.strip())
    if match is None:
        message = f"Authorization must be {_ALGORITHM} Credential=.../aws4_request, SignedHeaders=..., Signature=..."
        raise faults.bad_authorization(message)
    fields = match.groupdict()
    return Authorization(**fields | {"signed_headers": tuple(fields["signed_headers"].split(";"))})


@dataclass(frozen=True)
class SignedHead:
    """The head of a request that names a key of this server; whether it was signed with it is not known yet."""

    request: HttpRequest
    authorization: Authorization
    credential: Credential = field(repr=False)
    timestamp: str


def check_head(
    request: HttpRequest,
    authorization: Authorization,
    credentials: Mapping[str, Credential],
    *,
    now_seconds: float,
    faults: Faults,
) -> SignedHead:
    """Check all that can be known of a request before its body: its body is read for holders of a key only.

    Parameters
    ----------
    now_seconds : float
        Seconds since the epoch.

    Raises
    ------
    ServiceError
        With the name that the service gives to what is wrong.
    """
    credential = credentials.get(authorization.access_key_id)
    if credential is None:
        raise faults.unknown_access_key(f"no such access key: {authorization.access_key_id}")
    _check_token(request, faults)
    timestamp = _check_time(request, authorization, now_seconds, faults)
    _check_signed_headers(request, authorization, faults)
    return SignedHead(request, authorization, credential, timestamp)


def authenticate(head: SignedHead, *, payload_sha256: str | None, faults: Faults) -> str:
    """Verify the signature of a request and return the principal that signed it.

    Parameters
    ----------
    payload_sha256 : str or None
        Digest in hex of the payload that arrived; None for S3, which signs what its ``x-amz-content-sha256`` header
        says, to be compared as the payload streams in.

    Raises
    ------
    ServiceError
        As `check_head`.
    """
    digest = head.request.headers.get(_PAYLOAD_HEADER, payload_sha256)
    if digest is None:
        raise faults.validation(f"missing header: {_PAYLOAD_HEADER}")
    if payload_sha256 not in (None, digest):
        raise faults.bad_signature(f"the payload that arrived has another SHA-256 than the header {_PAYLOAD_HEADER}")
    try:
        signature = _sign(head, digest)
    except ValueError as error:
        raise faults.bad_authorization(f"nothing can be signed for this host and path: {error}") from error
    if not hmac.compare_digest(signature, head.authorization.signature):
        raise faults.bad_signature("the signature of the request does not match, check the secret access key")
    return head.credential.principal


def _check_token(request: HttpRequest, faults: Faults) -> None:
    if request.headers.get("x-amz-security-token"):
        raise faults.bad_token("the request has a session token, and no access key here has one")


def _check_time(request: HttpRequest, authorization: Authorization, now_seconds: float, faults: Faults) -> str:
    timestamp = request.headers.get("x-amz-date", "")
    try:
        signed_at = datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise faults.bad_authorization(f"x-amz-date must be like 20261122T010203Z, got {timestamp!r}") from error
    if not timestamp.startswith(authorization.date):
        raise faults.bad_authorization(f"credential scope is of {authorization.date}, x-amz-date of {timestamp}")
    skew_seconds = abs(signed_at.timestamp() - now_seconds)
    if skew_seconds > MAX_CLOCK_SKEW_SECONDS:
        message = f"request was signed {skew_seconds:.0f} s from now, at most {MAX_CLOCK_SKEW_SECONDS} s are allowed"
        raise faults.clock_skew(message)
    return timestamp


def _check_signed_headers(request: HttpRequest, authorization: Authorization, faults: Faults) -> None:
    signed = set(authorization.signed_headers)
    missing = sorted(signed - request.headers.keys())
    if missing:
        raise faults.bad_authorization(f"signed headers that the request does not have: {', '.join(missing)}")
    required = {"host"} | {name for name in request.headers if name.startswith("x-amz-")}
    unsigned = sorted(required - signed)
    if unsigned:
        raise faults.not_authenticated(f"headers that must be signed and are not: {', '.join(unsigned)}")


def _sign(head: SignedHead, payload_sha256: str) -> str:
    request, authorization = head.request, head.authorization
    signer_class = _S3AsSent if authorization.service == "s3" else _AsSent
    key = ReadOnlyCredentials(authorization.access_key_id, head.credential.secret_access_key, None)
    signer = signer_class(key, authorization.service, authorization.region)
    url = f"http://{request.headers['host']}{request.path}" + (f"?{request.query}" if request.query else "")
    copy = AWSRequest(method=request.method, url=url)
    for name in authorization.signed_headers:
        copy.headers[name] = request.headers[name]
    copy.context.update({"timestamp": head.timestamp, "payload_sha256": payload_sha256})
    return signer.signature(signer.string_to_sign(copy, signer.canonical_request(copy)), copy)


class _AsSent(SigV4Auth):
    """Signs what the client says that it signed, instead of choosing."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPMessage:
        return request.headers

    def payload(self, request: AWSRequest) -> str:
        return str(request.context["payload_sha256"])


class _S3AsSent(_AsSent, S3SigV4Auth):
    """The same for S3, which signs the path as it is sent."""
