"""Our evaluator of policies and one that nobody here wrote decide the same, on thousands of generated cases.

The other one is @cloud-copilot/iam-simulate; it runs in a process of its own, in the test environment only.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sfn_local.iam.evaluator import Request, decide
from sfn_local.iam.policies import parse
from side_environment import search_path

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/R"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/R/s"
REQUESTS_OF_EXAMPLE = 10
EXAMPLES = 1_000

S3_ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
S3_RESOURCES = ("runs/a/run.json", "uploads/b", "runs/a:b/é", "runs/a b+", "runs/", "Runs/a/run.json")
STATES = f"arn:aws:states:us-east-1:{ACCOUNT}"
ACTIONS = (
    *((action, f"arn:aws:s3:::bucket/{key}") for action in S3_ACTIONS for key in S3_RESOURCES),
    ("s3:ListBucket", "arn:aws:s3:::bucket"),
    ("s3:ListBucket", "arn:aws:s3:::other"),
    ("states:StartExecution", f"{STATES}:stateMachine:m"),
    ("states:StopExecution", f"{STATES}:execution:m:one"),
    ("states:StopExecution", f"{STATES}:execution:m/Map:one"),
    ("lambda:InvokeFunction", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"),
)
ACTION_PATTERNS = (
    *(action for action, _resource in ACTIONS),
    *("s3:*", "s3:Get*", "*", "s3:?utObject", "S3:getobject", "s3:*Object", "s3:*t*", "s3:Get?bject", "states:S*n"),
    *("STATES:*", "s3:GetObject?", "lambda:*", "s3:Get*Object"),
)
RESOURCE_PATTERNS = (
    *(resource for _action, resource in ACTIONS),
    *("*", "arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket/runs/?", "arn:aws:s3:::*/runs/*", "arn:aws:s3:*:*:bucket/*"),
    *("arn:aws:s3:::b*", "arn:aws:s3:::bucket/runs/*/run.json", "arn:aws:s3:::bucket/runs/?/*", "arn:*:s3:::bucket*"),
    *("arn:aws:s3:::bucket/*:*", "arn:aws:s3:::bucket/runs/a:?/*", "arn:aws:s3:::BUCKET/*", "arn:aws:*:*:*:*"),
    *(
        f"{STATES}:execution:m:*",
        f"{STATES}:execution:m*:one",
        f"{STATES}:*:*",
        f"{STATES}:*",
        f"{STATES}:?xecution:m:*",
    ),
    *("arn:aws:states:*:*:stateMachine:m", f"arn:aws:lambda:*:{ACCOUNT}:function:*", "arn:aws:lambda:*:*:function"),
)
PRINCIPALS = (
    "*",
    {"AWS": "*"},
    {"AWS": ROLE},
    {"AWS": SESSION},
    {"AWS": ACCOUNT},
    {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    {"AWS": "arn:aws:iam::999999999999:root"},
    {"AWS": f"arn:aws:iam::{ACCOUNT}:role/X"},
    {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/X", ROLE]},
    {"Service": "lambda.amazonaws.com"},
    {"Service": "lambda.amazonaws.com", "AWS": [SESSION]},
)
CONDITIONS = {
    ("StringEquals", "s3:prefix"): ("runs/a", "RUNS/A", "x", ""),
    ("StringLike", "s3:prefix"): ("runs/*", "u?", "*", "?uns/*a", "*/"),
    ("StringLike", "S3:Prefix"): ("runs/a", "upl*"),
    ("ArnLike", "aws:SourceArn"): (
        "arn:aws:states:*:*:stateMachine:*",
        "arn:aws:states:us-east-1:*:stateMachine:m?",
        "arn:aws:*:*:*:*",
        "arn:aws:events:us-east-1:1:rule/*",
    ),
    ("StringEquals", "aws:SourceAccount"): (ACCOUNT, "1"),
    ("Bool", "aws:SecureTransport"): ("true", "false", "True"),
    ("NumericLessThan", "s3:TlsVersion"): ("1.2", "1.3", "2", "-1"),
}
CONTEXT = {
    "s3:prefix": ("runs/a", "uploads/b", "ux", "", "runs/"),
    "aws:SourceArn": (
        "arn:aws:states:us-east-1:1:stateMachine:m",
        "arn:aws:states:us-east-1:1:stateMachine:mm",
        "arn:aws:events:us-east-1:1:rule/r",
    ),
    "aws:SourceAccount": (ACCOUNT, "2"),
    "aws:SecureTransport": ("true", "false"),
    "s3:TlsVersion": ("1.1", "1.2", "1.3"),
}


def one_or_more(values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values) | st.lists(st.sampled_from(values), min_size=1, max_size=3, unique_by=str)


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    chosen = draw(st.lists(st.sampled_from(sorted(CONDITIONS)), max_size=2, unique=True))
    made: dict[str, dict[str, Any]] = {}
    for operator, key in chosen:
        made.setdefault(operator, {})[key] = draw(one_or_more(CONDITIONS[operator, key]))
    return made


@st.composite
def statements(draw: st.DrawFn, *, of_resource: bool) -> dict[str, Any]:
    negated = st.sampled_from((False, False, False, True))
    made: dict[str, Any] = {"Effect": draw(st.sampled_from(("Allow", "Allow", "Deny")))}
    made["NotAction" if draw(negated) else "Action"] = draw(one_or_more(ACTION_PATTERNS))
    made["NotResource" if draw(negated) else "Resource"] = draw(one_or_more(RESOURCE_PATTERNS))
    if of_resource:
        made["Principal"] = draw(st.sampled_from(PRINCIPALS))
    condition = draw(conditions())
    return {**made, "Condition": condition} if condition else made


def policies(*, of_resource: bool) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda chosen: {"Version": "2012-10-17", "Statement": chosen},
        st.lists(statements(of_resource=of_resource), min_size=1, max_size=3),
    )


contexts = st.fixed_dictionaries({}, optional={key: st.sampled_from(values) for key, values in CONTEXT.items()})
requests = st.lists(
    st.tuples(st.sampled_from(ACTIONS), contexts), min_size=REQUESTS_OF_EXAMPLE, max_size=REQUESTS_OF_EXAMPLE
)

Simulate = Callable[[dict[str, Any]], list[str]]


@pytest.fixture(scope="module")
def simulate(aside: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulate]:
    """The other evaluator: policies and requests to decisions."""
    node = shutil.which("node", path=search_path())
    assert node is not None  # what it runs has just been installed with it
    environment = {"PATH": search_path(), "NODE_PATH": str(aside / "node_modules")}
    with subprocess.Popen(
        [node, str(Path(__file__).with_name("simulate.cjs"))],
        env=environment,
        cwd=tmp_path_factory.mktemp("simulate"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def ask(simulation: dict[str, Any]) -> list[str]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(simulation) + "\n")
            process.stdin.flush()
            decisions: list[str] = json.loads(process.stdout.readline())
            return decisions

        yield ask


def simulation(
    identity: dict[str, Any], resource: dict[str, Any] | None, asked: list[tuple[tuple[str, str], dict[str, str]]]
) -> dict[str, Any]:
    return {
        "identityPolicies": [{"name": "identity", "policy": identity}],
        "serviceControlPolicies": [],
        "resourceControlPolicies": [],
        **({"resourcePolicy": resource} if resource is not None else {}),
        "requests": [
            {
                "principal": SESSION,
                "action": action,
                "resource": {"resource": arn, "accountId": ACCOUNT},
                "contextVariables": context,
            }
            for (action, arn), context in asked
        ],
    }


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(policies(of_resource=False), st.none() | policies(of_resource=True), requests)
def test_both_decide_the_same(
    simulate: Simulate,
    identity: dict[str, Any],
    resource: dict[str, Any] | None,
    asked: list[tuple[tuple[str, str], dict[str, str]]],
) -> None:
    theirs = simulate(simulation(identity, resource, asked))
    own, others = parse(identity, "identity"), parse(resource, "resource") if resource is not None else ()
    for ((action, arn), context), expected in zip(asked, theirs, strict=True):
        decision = decide(own, others, Request(SESSION, action, arn, tuple(context.items())))
        assert decision.is_allowed == (expected == "Allowed"), (action, arn, context, expected, decision)
