"""Signature version 4, server side: from the head of a request to the principal that signed it.

The signature is computed anew by botocore's own signers and compared in constant time.

A presigned URL of S3 is the same with its claims in the query string, and holds for the time that it names.

Differs from AWS: presigned URLs of other services, and of signature version 2, are refused by name; the region of the
credential scope is not compared with the region served.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPMessage
from urllib.parse import parse_qsl

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
# Source: Amazon S3 API reference, "Authenticating Requests: Using Query Parameters": seven days at most.
MAX_PRESIGNED_SECONDS = 604_800
_PRESIGNED = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")


@dataclass(frozen=True)
class Credential:
    """An access key, as the server knows it.

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
    # For a presigned URL: when it was signed, and how long it is valid.
    signed_at: str | None = None
    expires_seconds: int = MAX_CLOCK_SKEW_SECONDS


def parse_authorization(request: HttpRequest, faults: Faults) -> Authorization:
    """Read the ``Authorization`` header.

    Raises
    ------
    ServiceError
        If there is none, or it is not of signature version 4.
    """
    if "x-amz-signature" in request.query.lower():
        return _parse_presigned(request, faults)
    if "AWSAccessKeyId=" in request.query:
        message = 'signature version 2 is not supported: give boto3 Config(signature_version="s3v4") to presign a URL'
        raise faults.not_authenticated(message)
    header = request.headers.get("authorization")
    if header is None:
        raise faults.not_authenticated("request has no Authorization header")
    match = _AUTHORIZATION.fullmatch(header.strip())
    if match is None:
        message = f"Authorization must be {_ALGORITHM} Credential=.../aws4_request, SignedHeaders=..., Signature=..."
        raise faults.bad_authorization(message)
    fields = match.groupdict()
    return Authorization(**fields | {"signed_headers": tuple(fields["signed_headers"].split(";"))})


def _parse_presigned(request: HttpRequest, faults: Faults) -> Authorization:
    claims = dict(parse_qsl(request.query, keep_blank_values=True))
    given = {name: claims.get(f"X-Amz-{name}", "") for name in _PRESIGNED}
    match = _AUTHORIZATION.fullmatch(
        f"{given['Algorithm']} Credential={given['Credential']}, SignedHeaders={given['SignedHeaders']}, "
        f"Signature={given['Signature']}"
    )
    is_valid = re.fullmatch(r"[0-9]{1,6}", given["Expires"]) and 1 <= int(given["Expires"]) <= MAX_PRESIGNED_SECONDS
    if match is None or not is_valid or match["service"] != "s3":
        names = ", ".join(f"X-Amz-{name}" for name in _PRESIGNED)
        message = f"a presigned URL is of s3, has {names}, and holds for 1 to {MAX_PRESIGNED_SECONDS} s"
        raise faults.bad_authorization(message)
    fields = match.groupdict()
    signed_headers = tuple(fields.pop("signed_headers").split(";"))
    return Authorization(
        **fields, signed_headers=signed_headers, signed_at=given["Date"], expires_seconds=int(given["Expires"])
    )


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
    unsigned = "UNSIGNED-PAYLOAD" if head.authorization.signed_at is not None else payload_sha256
    digest = head.request.headers.get(_PAYLOAD_HEADER, unsigned)
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
    is_presigned = authorization.signed_at is not None
    timestamp = authorization.signed_at if is_presigned else request.headers.get("x-amz-date", "")
    assert timestamp is not None
    try:
        signed_at = datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise faults.bad_authorization(f"x-amz-date must be like 20261122T010203Z, got {timestamp!r}") from error
    if not timestamp.startswith(authorization.date):
        raise faults.bad_authorization(f"credential scope is of {authorization.date}, x-amz-date of {timestamp}")
    age_seconds = now_seconds - signed_at.timestamp()
    if is_presigned and age_seconds > authorization.expires_seconds:
        raise faults.not_authenticated("Request has expired")
    skew_seconds = max(-age_seconds, 0) if is_presigned else abs(age_seconds)
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
    query = "&".join(pair for pair in request.query.split("&") if not pair.startswith("X-Amz-Signature="))
    url = f"http://{request.headers['host']}{request.path}" + (f"?{query}" if query else "")
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
