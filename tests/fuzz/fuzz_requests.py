"""Requests that are right, signed as they are sent, and what the API answers."""

import contextlib
import hashlib
import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from fuzz_engine import ACCOUNT, BUCKET, KEY_ID, SECRET, Engine
from sfn_local.endpoint import sigv4
from sfn_local.protocol.faults import S3_FAULTS
from sfn_local.protocol.messages import HttpRequest

ROLE_ARN = "arn:aws:iam::000000000000:role/tests"
MACHINE = ACCOUNT.arn("states", "stateMachine:nested")
EXECUTION = ACCOUNT.arn("states", "execution:nested:first")
MAP_RUN = ACCOUNT.arn("states", "mapRun:nested/Label:00000000-0000-0000-0000-000000000000")
DEFINITION = '{"StartAt": "N", "States": {"N": {"Type": "Pass", "End": true}}}'
TAGS = [{"key": "k", "value": "v"}]

STATES: dict[str, dict[str, Any]] = {
    "CreateStateMachine": {
        "name": "made",
        "definition": DEFINITION,
        "roleArn": ROLE_ARN,
        "type": "STANDARD",
        "tags": TAGS,
        "loggingConfiguration": {"level": "OFF", "includeExecutionData": False},
        "tracingConfiguration": {"enabled": False},
    },
    "DeleteStateMachine": {"stateMachineArn": f"{MACHINE}-none"},
    "DescribeExecution": {"executionArn": EXECUTION, "includedData": "ALL_DATA"},
    "DescribeMapRun": {"mapRunArn": MAP_RUN},
    "DescribeStateMachine": {"stateMachineArn": MACHINE},
    "DescribeStateMachineForExecution": {"executionArn": EXECUTION},
    "GetExecutionHistory": {"executionArn": EXECUTION, "maxResults": 2, "reverseOrder": True, "nextToken": "x"},
    "ListExecutions": {"stateMachineArn": MACHINE, "statusFilter": "SUCCEEDED", "maxResults": 3},
    "ListMapRuns": {"executionArn": EXECUTION, "maxResults": 3},
    "ListStateMachines": {"maxResults": 1},
    "ListTagsForResource": {"resourceArn": MACHINE},
    "RedriveExecution": {"executionArn": EXECUTION, "clientToken": "token"},
    "SendTaskFailure": {"taskToken": "t", "error": "e", "cause": "c"},
    "SendTaskHeartbeat": {"taskToken": "t"},
    "SendTaskSuccess": {"taskToken": "t", "output": "{}"},
    "StartExecution": {"stateMachineArn": MACHINE, "name": "started", "input": '{"a": 1}', "traceHeader": "x"},
    "StartSyncExecution": {"stateMachineArn": MACHINE, "input": "{}"},
    "StopExecution": {"executionArn": EXECUTION, "error": "e", "cause": "c"},
    "TagResource": {"resourceArn": MACHINE, "tags": TAGS},
    "UntagResource": {"resourceArn": MACHINE, "tagKeys": ["k"]},
    "UpdateMapRun": {"mapRunArn": MAP_RUN, "maxConcurrency": 1, "toleratedFailureCount": 1},
    "UpdateStateMachine": {"stateMachineArn": MACHINE, "definition": DEFINITION, "roleArn": ROLE_ARN},
    "ValidateStateMachineDefinition": {"definition": DEFINITION, "type": "EXPRESS", "maxResults": 1},
    "CreateActivity": {"name": "refused"},
}
BATCH: dict[str, dict[str, Any]] = {
    "/v1/submitjob": {
        "jobName": "job",
        "jobQueue": "queue",
        "jobDefinition": "definition:1",
        "arrayProperties": {"size": 2},
        "containerOverrides": {"environment": [{"name": "a", "value": "b"}], "command": ["true"]},
        "retryStrategy": {"attempts": 1},
        "timeout": {"attemptDurationSeconds": 60},
    },
    "/v1/describejobs": {"jobs": ["00000000-0000-0000-0000-000000000000", "x:0"]},
    "/v1/listjobs": {"jobQueue": "queue", "jobStatus": "RUNNING", "maxResults": 1},
    "/v1/canceljob": {"jobId": "x", "reason": "r"},
    "/v1/terminatejob": {"jobId": "x", "reason": "r"},
    "/v1/describejobqueues": {"jobQueues": ["queue"]},
    "/v1/describejobdefinitions": {"jobDefinitionName": "d", "status": "ACTIVE"},
}
_KEY = f"/{BUCKET}/fuzz/key"
# Method, path, query, headers, body.
S3: tuple[tuple[str, str, str, dict[str, str], bytes], ...] = (
    ("GET", "/", "", {}, b""),
    ("PUT", f"/{BUCKET}", "", {}, b""),
    ("HEAD", f"/{BUCKET}", "", {}, b""),
    ("GET", f"/{BUCKET}", "location", {}, b""),
    ("GET", f"/{BUCKET}", "list-type=2&prefix=fuzz&delimiter=/&max-keys=2&start-after=a", {}, b""),
    ("GET", f"/{BUCKET}", "uploads&max-uploads=2", {}, b""),
    ("PUT", _KEY, "", {"content-type": "text/plain", "x-amz-meta-a": "b", "if-none-match": "*"}, b"body"),
    ("GET", _KEY, "", {"range": "bytes=1-2", "if-match": '"e"'}, b""),
    ("GET", _KEY, "partNumber=1&response-content-type=text", {"x-amz-checksum-mode": "ENABLED"}, b""),
    ("HEAD", _KEY, "", {"if-modified-since": "Sun, 22 Nov 2026 00:00:00 GMT"}, b""),
    ("DELETE", _KEY, "", {}, b""),
    ("PUT", f"{_KEY}-copy", "", {"x-amz-copy-source": _KEY, "x-amz-metadata-directive": "COPY"}, b""),
    ("POST", _KEY, "uploads", {}, b""),
    ("PUT", _KEY, "partNumber=1&uploadId=none", {"content-md5": "hBotaJrJA2SOpY2uJ4kPjQ=="}, b"part"),
    ("GET", _KEY, "uploadId=none&max-parts=1&part-number-marker=0", {}, b""),
    ("DELETE", _KEY, "uploadId=none", {}, b""),
    (
        *("POST", _KEY, "uploadId=none", {}),
        b"<CompleteMultipartUpload><Part><ETag>e</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
    ),
    (
        *("POST", f"/{BUCKET}", "delete", {}),
        b"<Delete><Object><Key>fuzz/a</Key></Object><Object><Key>b</Key></Object><Quiet>true</Quiet></Delete>",
    ),
    (
        "PUT",
        _KEY,
        "",
        {
            "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "x-amz-decoded-content-length": "4",
            "x-amz-trailer": "x-amz-checksum-crc32",
        },
        b"4\r\nbody\r\n0\r\nx-amz-checksum-crc32:ZvqcfQ==\r\n\r\n",
    ),
)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def signed(
    engine: Engine, service: str, method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> HttpRequest:
    """Return the head of a request with the signature that the server has to find right."""
    digest = hashlib.sha256(body).hexdigest()
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    own = {"host": engine.address, "x-amz-date": stamp, "content-length": str(len(body))}
    if service == "s3":
        own["x-amz-content-sha256"] = digest
    sent = {**own, **headers}
    names = ";".join(sorted(sent))
    scope = f"Credential={KEY_ID}/{stamp[:8]}/us-east-1/{service}/aws4_request"
    head = HttpRequest(method, path, query, sent)
    claim = f"AWS4-HMAC-SHA256 {scope}, SignedHeaders={names}, Signature={'0' * 64}"
    authorization = sigv4.parse_authorization(
        HttpRequest(method, path, "", {**sent, "authorization": claim}), S3_FAULTS
    )
    credential = sigv4.Credential(SECRET, principal="user")
    payload = sent.get("x-amz-content-sha256", digest)
    signature = "0" * 64
    with contextlib.suppress(ValueError):  # there is no signature for every path
        signature = sigv4._sign(sigv4.SignedHead(head, authorization, credential, sent["x-amz-date"]), payload)
    return HttpRequest(method, path, query, {**sent, "authorization": claim.replace("0" * 64, signature)})


async def send(engine: Engine, request: HttpRequest, body: bytes) -> Answer:
    """Hand a request to the application, as the HTTP server does."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def collect(message: dict[str, Any]) -> None:
        sent.append(message)

    raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.items()]
    scope = {
        "type": "http",
        "method": request.method,
        "raw_path": request.path.encode("latin-1"),
        "query_string": request.query.encode("latin-1"),
        "headers": raw_headers,
    }
    await engine.api(scope, receive, collect)
    start, *chunks = sent
    headers = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return Answer(start["status"], headers, b"".join(chunk["body"] for chunk in chunks))


def json_request(engine: Engine, service: str, place: str, body: bytes) -> HttpRequest:
    """A request of Step Functions (``place`` is the action) or AWS Batch (the path)."""
    if service == "states":
        target = {"x-amz-target": f"AWSStepFunctions.{place}", "content-type": "application/x-amz-json-1.0"}
        return signed(engine, "states", "POST", "/", "", target, body)
    return signed(engine, "batch", "POST", place, "", {"content-type": "application/json"}, body)


def is_empty(answer: Answer) -> bool:
    return answer.status in (204, 304) or not answer.body


def error_code(answer: Answer) -> str | None:
    """Return the code of a JSON answer's error, None of a success."""
    value = json.loads(answer.body or b"{}")
    if answer.status < 300:
        return None
    return str(value["__type"])
