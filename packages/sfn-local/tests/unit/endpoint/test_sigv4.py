"""Signatures: what botocore's signers sign is accepted, anything changed on the way is not."""

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from sfn_local.endpoint.sigv4 import MAX_CLOCK_SKEW_SECONDS, Credential, authenticate, check_head, parse_authorization
from sfn_local.protocol import ServiceError
from sfn_local.protocol.faults import JSON_FAULTS, S3_FAULTS
from sfn_local.protocol.messages import HttpRequest
from sfn_local.server import Connection

CREDENTIALS = {"AKIDALICE": Credential("alice's secret", "alice")}


def signed(
    service: str,
    *,
    method: str = "POST",
    target: str = "/",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    key: Credentials | None = None,
) -> HttpRequest:
    """Sign a request as botocore does."""
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    url = f"http://127.0.0.1:8000{target}"
    request = AWSRequest(method=method, url=url, data=body, headers={"Host": "127.0.0.1:8000"} | (headers or {}))
    signer(key or Credentials("AKIDALICE", "alice's secret"), service, "us-east-1").add_auth(request)
    parts = urlsplit(url)
    names = {name.lower(): value for name, value in request.headers.items()}
    return HttpRequest(method, parts.path, parts.query, names)


def signed_at(request: HttpRequest) -> float:
    return datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


def verify(request: HttpRequest, body: bytes | None, *, late_seconds: float = 0) -> str:
    """Verify; ``body`` is None for S3."""
    faults = S3_FAULTS if body is None else JSON_FAULTS
    authorization = parse_authorization(request, faults)
    head = check_head(request, authorization, CREDENTIALS, now_seconds=signed_at(request) + late_seconds, faults=faults)
    return authenticate(head, payload_sha256=None if body is None else sha256(body).hexdigest(), faults=faults)


def refusal(request: HttpRequest, body: bytes | None, *, late_seconds: float = 0) -> str:
    with pytest.raises(ServiceError) as raised:
        verify(request, body, late_seconds=late_seconds)
    assert "secret" not in raised.value.message.replace("secret access key", "")
    return raised.value.code


@given(
    key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    query=st.dictionaries(st.text("abc-", min_size=1), st.text("xy z/+&=é")),
    body=st.binary(),
)
def test_request_that_botocore_signs_for_s3_is_its_signers(key: str, query: dict[str, str], body: bytes) -> None:
    text = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.items())
    request = signed("s3", method="PUT", target=f"/bkt/{quote(key, safe='/~')}?{text}", body=body)
    assert verify(request, None) == "alice"


@given(body=st.binary())
def test_request_that_botocore_signs_for_a_json_service_is_its_signers(body: bytes) -> None:
    assert verify(signed("states", body=body), body) == "alice"


@pytest.mark.parametrize(("service", "code"), [("s3", "InvalidToken"), ("states", "UnrecognizedClientException")])
def test_session_token_is_refused(service: str, code: str) -> None:
    request = signed(service, key=Credentials("AKIDALICE", "alice's secret", "token"))
    assert refusal(request, None if service == "s3" else b"") == code


@pytest.mark.parametrize(
    ("service", "code"), [("s3", "SignatureDoesNotMatch"), ("states", "InvalidSignatureException")]
)
def test_wrong_secret_is_refused(service: str, code: str) -> None:
    request = signed(service, key=Credentials("AKIDALICE", "a guess"))
    assert refusal(request, None if service == "s3" else b"") == code


@pytest.mark.parametrize(("service", "code"), [("s3", "InvalidAccessKeyId"), ("states", "UnrecognizedClientException")])
def test_unknown_access_key_is_refused(service: str, code: str) -> None:
    request = signed(service, key=Credentials("AKIDEVE", "alice's secret"))
    assert refusal(request, None if service == "s3" else b"") == code


def test_each_part_of_a_request_is_covered_by_its_signature() -> None:
    request = signed("s3", method="PUT", target="/bkt/key?x=1", headers={"x-amz-meta-a": "1"})
    changed = [
        replace(request, method="GET"),
        replace(request, path="/bkt/other"),
        replace(request, query="x=2"),
        replace(request, query="x=1&y=2"),
        with_header(request, "host", "127.0.0.1:9000"),
        with_header(request, "x-amz-meta-a", "2"),
        with_header(request, "x-amz-content-sha256", sha256(b"other").hexdigest()),
        with_header(request, "authorization", request.headers["authorization"].replace("us-east-1", "eu-west-1")),
    ]
    assert verify(request, None) == "alice"
    assert {refusal(other, None) for other in changed} == {"SignatureDoesNotMatch"}


def with_header(request: HttpRequest, name: str, value: str) -> HttpRequest:
    return replace(request, headers=dict(request.headers) | {name: value})


def test_body_of_a_json_service_is_covered_by_its_signature() -> None:
    request = signed("states", body=b"signed")
    assert refusal(request, b"other") == "InvalidSignatureException"


def test_payload_header_of_a_json_service_does_not_replace_the_body() -> None:
    request = signed("states", body=b"signed", headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    assert refusal(request, b"signed") == "InvalidSignatureException"


def test_header_that_asks_for_something_must_be_signed() -> None:
    request = with_header(signed("s3"), "x-amz-acl", "public-read")
    assert refusal(request, None) == "AccessDenied"


def test_s3_request_must_say_what_its_payload_is() -> None:
    request = signed("states")
    headers = dict(request.headers)
    headers["authorization"] = headers["authorization"].replace("/states/", "/s3/")
    assert refusal(replace(request, headers=headers), None) == "InvalidArgument"


@pytest.mark.parametrize("late_seconds", [-MAX_CLOCK_SKEW_SECONDS, 0, MAX_CLOCK_SKEW_SECONDS])
def test_request_within_the_allowed_skew_is_accepted(late_seconds: float) -> None:
    assert verify(signed("s3"), None, late_seconds=late_seconds) == "alice"


@pytest.mark.parametrize("late_seconds", [-MAX_CLOCK_SKEW_SECONDS - 1, MAX_CLOCK_SKEW_SECONDS + 1])
def test_request_outside_of_the_allowed_skew_is_refused(late_seconds: float) -> None:
    assert refusal(signed("s3"), None, late_seconds=late_seconds) == "RequestTimeTooSkewed"
    assert refusal(signed("states"), b"", late_seconds=late_seconds) == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("authorization", "", "AuthorizationHeaderMalformed"),
        ("authorization", "Bearer token", "AuthorizationHeaderMalformed"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=A/20261122/us-east-1/s3/aws4_request",
            "AuthorizationHeaderMalformed",
        ),
    ],
)
def test_authorization_of_another_form_is_refused(name: str, value: str, code: str) -> None:
    with pytest.raises(ServiceError) as raised:
        parse_authorization(with_header(signed("s3"), name, value), S3_FAULTS)
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("changes", "late_seconds", "code"),
    [
        ({}, 0, None),
        ({}, 60, None),
        ({}, 61, "AccessDenied"),
        ({}, -901, "RequestTimeTooSkewed"),
        ({"X-Amz-Expires=60": "X-Amz-Expires=61"}, 0, "SignatureDoesNotMatch"),
        ({"X-Amz-Expires=60": "X-Amz-Expires=0"}, 0, "AuthorizationHeaderMalformed"),
        ({"X-Amz-Expires=60": "X-Amz-Expires=604801"}, 0, "AuthorizationHeaderMalformed"),
        ({"X-Amz-Expires=60": "X-Amz-Expires=x"}, 0, "AuthorizationHeaderMalformed"),
        ({"%2Fs3%2F": "%2Fstates%2F"}, 0, "AuthorizationHeaderMalformed"),
        ({"AWS4-HMAC-SHA256": "AWS4-ECDSA-P256-SHA256"}, 0, "AuthorizationHeaderMalformed"),
    ],
)
def test_presigned_url_holds_for_its_time(changes: dict[str, str], late_seconds: int, code: str | None) -> None:
    copy = AWSRequest("GET", "http://127.0.0.1:8000/bkt/a%20key?versionId=a%2Fb")
    S3SigV4QueryAuth(Credentials("AKIDALICE", "alice's secret"), "s3", "us-east-1", expires=60).add_auth(copy)
    parts = urlsplit(copy.prepare().url)
    query = parts.query
    for found, other in changes.items():
        assert found in query
        query = query.replace(found, other)
    request = HttpRequest("GET", parts.path, query, {"host": "127.0.0.1:8000"})
    signed_date = dict(parse_qsl(query))["X-Amz-Date"]
    now = datetime.strptime(signed_date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp() + late_seconds

    def verified() -> str:
        authorization = parse_authorization(request, S3_FAULTS)
        head = check_head(request, authorization, CREDENTIALS, now_seconds=now, faults=S3_FAULTS)
        return authenticate(head, payload_sha256=None, faults=S3_FAULTS)

    if code is None:
        assert verified() == "alice"
        return
    with pytest.raises(ServiceError) as raised:
        verified()
    assert raised.value.code == code


def test_request_without_authorization_and_presigned_url_are_refused() -> None:
    request = signed("s3")
    headers = {name: value for name, value in request.headers.items() if name != "authorization"}
    for unsigned, code in (
        (replace(request, headers=headers), "AccessDenied"),
        (replace(request, query="X-Amz-Signature=abc"), "AuthorizationHeaderMalformed"),
        (replace(request, query="AWSAccessKeyId=AKIDALICE&Signature=abc&Expires=1"), "AccessDenied"),
    ):
        with pytest.raises(ServiceError) as raised:
            parse_authorization(unsigned, S3_FAULTS)
        assert raised.value.code == code


def test_date_must_be_a_date_and_that_of_the_credential_scope() -> None:
    request = signed("s3")
    authorization = parse_authorization(request, S3_FAULTS)
    for date in ("", "yesterday", "20200101T000000Z"):
        with pytest.raises(ServiceError) as raised:
            check_head(
                with_header(request, "x-amz-date", date),
                authorization,
                CREDENTIALS,
                now_seconds=signed_at(request),
                faults=S3_FAULTS,
            )
        assert raised.value.code == "AuthorizationHeaderMalformed"


def test_secrets_are_not_shown() -> None:
    request = signed("s3", key=Credentials("AKIDBOB", "bob's secret", "bob's token"))
    shown = repr(CREDENTIALS) + repr(parse_authorization(request, S3_FAULTS))
    shown += repr(Connection("http://127.0.0.1:1", "us-east-1", "AKIDALICE", "alice's secret", {}, ""))
    assert "'s secret" not in shown
    assert "'s token" not in shown
    assert request.headers["authorization"].rpartition("=")[2] not in shown
