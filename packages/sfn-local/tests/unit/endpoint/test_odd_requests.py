"""Requests that fuzzing found to end as internal errors, or with an answer that nobody can read."""

from xml.etree import ElementTree as ET

import pytest
from sfn_local.endpoint import sigv4
from sfn_local.protocol import ServiceError
from sfn_local.protocol.catalog import service_model
from sfn_local.protocol.faults import S3_FAULTS
from sfn_local.protocol.messages import HttpRequest
from sfn_local.protocol.scalars import parse_text
from sfn_local.protocol.validation import find_constraint_errors
from sfn_local.protocol.xml_body import encode_error


def test_path_that_nothing_can_be_signed_for_is_refused_as_badly_signed() -> None:
    scope = "Credential=key/20261122/us-east-1/s3/aws4_request"
    claim = f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={'0' * 64}"
    headers = {"host": "127.0.0.1:1", "x-amz-date": "20261122T000000Z", "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    request = HttpRequest("GET", "[0]", "", headers | {"authorization": claim})
    head = sigv4.check_head(
        request,
        sigv4.parse_authorization(request, S3_FAULTS),
        {"key": sigv4.Credential("secret", principal="user")},
        now_seconds=1_795_305_600,
        faults=S3_FAULTS,
    )
    with pytest.raises(ServiceError, match="nothing can be signed") as caught:
        sigv4.authenticate(head, payload_sha256=None, faults=S3_FAULTS)
    assert caught.value.status == 400


def test_error_message_that_quotes_control_characters_is_xml() -> None:
    document = ET.fromstring(encode_error("NoSuchBucket", "no such bucket: \x00\x1b\uffff<é>\n"))
    assert document.findtext("Message") == "no such bucket: \ufffd\ufffd\ufffd<é>\n"


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_number_that_its_type_does_not_hold_is_refused(number: int) -> None:
    shape = service_model("stepfunctions").operation_model("UpdateMapRun").input_shape
    assert shape is not None
    (error, *_below_zero) = find_constraint_errors({"mapRunArn": "arn", "toleratedFailureCount": number}, shape)
    sentence = (
        f"Value '{number}' at 'toleratedFailureCount' failed to satisfy constraint: Member must be long, of 64 bits"
    )
    assert error == sentence


@pytest.mark.parametrize("text", ["1" * 400, "9" * 15, "no time", "", "2026-13-01"])
def test_text_that_is_no_moment_is_refused(text: str) -> None:
    shape = service_model("s3").shape_for("IfModifiedSince")
    with pytest.raises(ValueError, match="is not a timestamp"):
        parse_text(shape, text)
