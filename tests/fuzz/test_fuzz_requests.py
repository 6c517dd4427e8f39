"""Requests of every API, mutated and raw: the answer is a success or an error that the service's model names."""

import asyncio
import json
from collections.abc import Iterator
from functools import cache
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from fuzz_engine import PATIENT_SECONDS, Engine, open_engine
from fuzz_inputs import TEXTS, bounded, inputs, mutate, no_error_logged, text_of
from fuzz_machines import prepare
from fuzz_requests import (
    BATCH,
    EXECUTION,
    MACHINE,
    ROLE_ARN,
    S3,
    STATES,
    Answer,
    error_code,
    json_request,
    send,
    signed,
)
from hypothesis import assume, given
from hypothesis import strategies as st
from sfn_local.protocol.catalog import service_model
from sfn_local.protocol.faults import BATCH_FAULTS, JSON_FAULTS, S3_FAULTS, Fault, Faults

HEADERS = (
    *("range", "if-match", "if-none-match", "if-modified-since", "content-md5", "content-length", "content-type"),
    *("x-amz-copy-source", "x-amz-copy-source-range", "x-amz-checksum-crc32", "x-amz-checksum-sha256", "x-amz-trailer"),
    *("x-amz-content-sha256", "x-amz-decoded-content-length", "x-amz-meta-x", "x-amz-tagging", "expect", "host"),
    *("x-amz-sdk-checksum-algorithm", "x-amz-unknown", "x-amz-date", "transfer-encoding"),
)
VALUES = (
    *(
        "",
        " ",
        "*",
        "0",
        "-1",
        "bytes=0-",
        "bytes=5-1",
        "bytes=-0",
        "bytes=9-99999999999999999999",
        '"e"',
        "é",
        "a\x00",
    ),
    *(
        "results-bucket/fuzz/key",
        "/",
        "%zz",
        "%ff",
        "x" * 3000,
        "UNSIGNED-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    ),
    *("1" * 5000, "CRC32", "AAAAAA==", "Sun, 22 Nov 2026 00:00:00 GMT", "100-continue", "chunked", "127.0.0.1", "a;b"),
)
PARTS = (
    "",
    "/",
    "//",
    "%2F",
    "..",
    "%00",
    "%ff",
    "é",
    "a b",
    "&",
    "=",
    "?",
    "%",
    "x" * 1100,
    "uploads",
    "delete",
    "0",
    "-1",
)
MUTATED_XML = (b"", b"<", b"<a/>", b"</Delete>", b"<!DOCTYPE x>", b"&x;", b"\x00", b"\xff", b"<Key>" * 400, b"<Key/>")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with open_engine(tmp_path_factory.mktemp("home")) as opened:
        prepare(opened)
        opened.do(opened.states("StartExecution", stateMachineArn=MACHINE, name="first", input="{}"))
        first = opened.machines.executions.running.get(EXECUTION)
        if first is not None:
            opened.do(asyncio.wait_for(first.wait(), PATIENT_SECONDS))
        yield opened
        works_still(opened)


@cache
def codes(service: str, faults: Faults) -> frozenset[str]:
    """Return the errors that a service may answer: those of its model, and those that all services have."""
    own = {shape.error_code or shape.name for shape in service_model(service).error_shapes}
    common = {value.code for value in vars(faults).values() if isinstance(value, Fault)}
    return frozenset(
        (own | common | {shape.name for shape in service_model(service).error_shapes}) - {faults.internal.code}
    )


def check_json(answer: Answer, allowed: frozenset[str]) -> None:
    assert answer.status < 500, answer
    code = error_code(answer)
    assert code is None or code in allowed, answer


def ask(engine: Engine, work: Any) -> Any:
    with bounded(), no_error_logged():
        return engine.do(work)


@inputs(1_000)
@given(data=st.data())
def test_json_request_gets_a_success_or_a_modelled_error(engine: Engine, data: st.DataObject) -> None:
    service, known = data.draw(st.sampled_from((("states", STATES), ("states", STATES), ("batch", BATCH))))
    place = data.draw(st.sampled_from(sorted(known)))
    names = tuple(sorted({name for params in known.values() for name in params}))
    params = mutate(data.draw, known[place], names=names, most=2) if data.draw(st.integers(0, 9)) else known[place]
    body = text_of(data.draw, params).encode(errors="surrogatepass")
    if data.draw(st.integers(0, 19)) == 0:
        place = data.draw(st.sampled_from(TEXTS)).encode("ascii", "ignore").decode() or "/"
    assume("\n" not in place)
    answer = ask(engine, send(engine, json_request(engine, service, place, body), body))
    faults, model = (JSON_FAULTS, "stepfunctions") if service == "states" else (BATCH_FAULTS, "batch")
    check_json(answer, codes(model, faults))


@inputs(700)
@given(data=st.data())
def test_s3_request_gets_a_success_or_an_error_of_s3(engine: Engine, data: st.DataObject) -> None:
    method, path, query, headers, body = data.draw(st.sampled_from(S3))
    for _ in range(data.draw(st.integers(0, 3))):
        kind = data.draw(st.sampled_from(("method", "path", "query", "header", "header", "body", "drop")))
        if kind == "method":
            method = data.draw(st.sampled_from(("GET", "PUT", "POST", "HEAD", "DELETE", "PATCH", "OPTIONS")))
        elif kind == "path":
            path = "/" + spliced(data, path[1:], PARTS)
        elif kind == "query":
            query = spliced(data, query, PARTS)
        elif kind == "header":
            headers = {**headers, data.draw(st.sampled_from(HEADERS)): data.draw(st.sampled_from(VALUES))}
        elif kind == "drop" and headers:
            headers = dict(list(headers.items())[1:])
        elif kind == "body":
            cut = data.draw(st.integers(0, len(body)))
            body = body[:cut] + data.draw(st.sampled_from(MUTATED_XML)) + body[cut + data.draw(st.integers(0, 3)) :]
    assume("x-amz-date" not in headers)
    answer = ask(engine, send(engine, signed(engine, "s3", method, path, query, headers, body), body))
    assert answer.status in (200, 204, 206, 304) or 400 <= answer.status < 500 or answer.status == 501, answer
    if answer.status >= 400 and method != "HEAD":
        assert ET.fromstring(answer.body).findtext("Code"), answer
    assert S3_FAULTS.internal.code.encode() not in answer.body


def spliced(data: st.DataObject, text: str, parts: tuple[str, ...]) -> str:
    cut = data.draw(st.integers(0, len(text)))
    return text[:cut] + data.draw(st.sampled_from(parts)) + text[cut + data.draw(st.integers(0, 4)) :]


RAW = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AWSStepFunctions.X\r\nContent-Length: 2\r\n\r\n{}",
    b"PUT /results-bucket/k HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    b"GET /TOKEN/2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"POST /TOKEN/2018-06-01/runtime/invocation/x/response HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /TOKEN/2018-06-01/runtime/invocation/x/error HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\n{\xff}",
    b"POST /TOKEN/2018-06-01/runtime/init/error HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n",
)
BYTES = (b"", b"\x00", b"\xff\xfe", b"\r\n", b"\n", b"/", b" ", b":", b"HTTP/9.9", b"-1", b"9" * 30, b"%", b"a" * 9_000)


@inputs(300)
@given(data=st.data())
def test_raw_bytes_end_a_connection_and_not_the_server(engine: Engine, data: st.DataObject) -> None:
    raw = data.draw(st.sampled_from(RAW)) if data.draw(st.integers(0, 9)) else data.draw(st.binary(max_size=200))
    for _ in range(data.draw(st.integers(0, 3))):
        cut = data.draw(st.integers(0, len(raw)))
        raw = raw[:cut] + data.draw(st.sampled_from(BYTES)) + raw[cut + data.draw(st.integers(0, 8)) :]
    is_runtime = data.draw(st.booleans())

    async def exchange() -> bytes:
        token = next(iter(engine.runtime._pool._workers), "none")
        address = engine.runtime._api.address if is_runtime else engine.address
        reader, writer = await asyncio.open_connection(*address.split(":"))
        try:
            writer.write(raw.replace(b"TOKEN", token.encode()))
            writer.write_eof()
            async with asyncio.timeout(10):
                return await reader.read()
        except ConnectionError:
            return b""  # it was closed before all was sent
        finally:
            writer.close()

    answer = ask(engine, exchange())
    assert b"Traceback" not in answer
    assert not answer.startswith(b"HTTP/1.1 500"), answer


def works_still(engine: Engine) -> None:
    """Check at the end that no request has harmed what there was, or what comes."""
    described = engine.do(engine.states("DescribeExecution", executionArn=EXECUTION))
    assert described["status"] == "SUCCEEDED"
    echo = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "Echo"}}
    definition = json.dumps({"StartAt": "E", "States": {"E": {**echo, "End": True}}})
    made = engine.do(engine.states("CreateStateMachine", name="after", definition=definition, roleArn=ROLE_ARN))
    row = engine.do(engine.run(made["stateMachineArn"], "{}", PATIENT_SECONDS))
    assert row.status == "SUCCEEDED", (row.error, row.cause)
