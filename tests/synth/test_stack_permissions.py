"""Permissions: every statement of every role, and of the bucket's policy."""

from collections.abc import Callable
from typing import Any

import pytest
from synthesis import as_text, resources_of

Statement = tuple[frozenset[str], frozenset[str], str]

PUT = {"s3:PutObject"}
ABORT = {"s3:AbortMultipartUpload"}
WRITE_LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
DELIVER_LOGS = {
    f"logs:{action}"
    for action in (
        *("CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery", "ListLogDeliveries"),
        *("PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups"),
    )
}
TRACE = {
    *("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
    *("xray:GetSamplingRules", "xray:GetSamplingTargets"),
}


BEGUN = ("run.json", "items.jsonl")
ARRAY_PARTS = tuple(f"batch/{'?' * digits}.jsonl" for digits in range(1, 5))
JOB_FILES = (*ARRAY_PARTS, "batch_callback/*-*-*-*-*.jsonl")
START_READS = (
    *(*BEGUN, "batches.jsonl", "failed.jsonl", "records.json", "result.json", "map/*", "parts/*"),
    *ARRAY_PARTS,
)
SUM_READS = (*BEGUN, "batches.jsonl", "records.json", "map/*", "parts/*", *JOB_FILES)


def read(bucket: str, files: tuple[str, ...], *others: str) -> Statement:
    """Reading files of runs."""
    return allow({"s3:GetObject"}, *(f"{bucket}/runs/*/{file}" for file in files), *others)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def shape(statement: dict[str, Any]) -> Statement:
    """Reduce a statement to actions, resources and, as text, everything else but its effect."""
    rest = {name: each for name, each in statement.items() if name not in ("Action", "Resource", "Effect")}
    assert statement["Effect"] == "Allow"
    actions, resources = listed(statement["Action"]), [as_text(each) for each in listed(statement["Resource"])]
    assert len(set(actions)) == len(actions)
    return frozenset(actions), frozenset(resources), str(rest or "")


def allow(actions: set[str], *resources: str, rest: str = "") -> Statement:
    return frozenset(actions), frozenset(resources), rest


def listing(*prefixes: str) -> str:
    return str({"Condition": {"StringLike": {"s3:prefix": list(prefixes)}}})


def statements_by_role(template: dict[str, Any]) -> dict[str, set[Statement]]:
    """Return what each role may do, by logical id; a policy for anything but roles is an error."""
    roles = {
        name: [policy["PolicyDocument"] for policy in each["Properties"].get("Policies", ())]
        for name, each in resources_of(template, "AWS::IAM::Role").items()
    }
    for policy in resources_of(template, "AWS::IAM::Policy").values():
        assert set(policy["Properties"]) == {"PolicyName", "PolicyDocument", "Roles"}
        for role in policy["Properties"]["Roles"]:
            roles[role["Ref"]].append(policy["Properties"]["PolicyDocument"])
    return {
        name: {shape(statement) for document in documents for statement in document["Statement"]}
        for name, documents in roles.items()
    }


def role_of(template: dict[str, Any], resource: dict[str, Any]) -> str:
    name: str = resource["Properties"].get("Role", resource["Properties"].get("RoleArn"))["Fn::GetAtt"][0]
    assert name in resources_of(template, "AWS::IAM::Role")
    return name


def functions_by_handler(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    functions = resources_of(template, "AWS::Lambda::Function").values()
    return {each["Properties"]["Handler"]: each for each in functions}


def expected_statements(template: dict[str, Any]) -> dict[str, set[Statement]]:
    [bucket] = (f"<{name}.Arn>" for name in resources_of(template, "AWS::S3::Bucket"))
    [(machine, machine_resource)] = resources_of(template, "AWS::StepFunctions::StateMachine").items()
    functions = functions_by_handler(template)
    invoked = [
        f"<{name}.Arn>"
        for name, each in resources_of(template, "AWS::Lambda::Function").items()
        if each["Properties"]["Handler"].startswith("lambdas.")
    ]
    executions = f"arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:<{machine} part 6 of ':'>"

    def log(handler: str) -> str:
        return f"<{functions[handler]['Properties']['LoggingConfig']['LogGroup']['Ref']}.Arn>"

    def role(handler: str) -> str:
        return role_of(template, functions[handler])

    return {
        role("lambdas.start.handler"): {
            allow(WRITE_LOGS, log("lambdas.start.handler")),
            read(bucket, START_READS, f"{bucket}/uploads/*"),
            allow(PUT, *(f"{bucket}/runs/*/{file}" for file in ("run.json", "batches.jsonl", "items.jsonl"))),
            allow(ABORT, f"{bucket}/runs/*/items.jsonl"),
            allow(
                {"s3:ListBucket"},
                bucket,
                rest=listing(*(f"runs/*/{folder}/" for folder in ("map", "batch", "batch_callback")), "uploads/*"),
            ),
        },
        role("lambdas.compute.handler"): {
            allow(WRITE_LOGS, log("lambdas.compute.handler")),
            read(bucket, BEGUN, f"{bucket}/uploads/*"),
            allow(PUT, f"{bucket}/runs/*/parts/*"),
        },
        role("lambdas.sum.handler"): {
            allow(WRITE_LOGS, log("lambdas.sum.handler")),
            read(bucket, SUM_READS, f"{bucket}/uploads/workloads/*"),
            allow(
                PUT,
                *(f"{bucket}/runs/*/result{end}" for end in (".json", ".bin", ".npy", "s.jsonl")),
                *(f"{bucket}/runs/*/{file}" for file in ("failed.jsonl", "records.json")),
            ),
            allow(
                ABORT,
                *(f"{bucket}/runs/*/result{end}" for end in (".bin", ".npy", "s.jsonl")),
                f"{bucket}/runs/*/failed.jsonl",
            ),
        },
        role("index.handler"): {allow(WRITE_LOGS, log("index.handler"))},
        role_of(template, machine_resource): {
            allow({"lambda:InvokeFunction"}, *invoked),
            allow({"s3:GetObject"}, f"{bucket}/runs/*/batches.jsonl"),
            allow({"s3:GetObject", "s3:ListMultipartUploadParts", *PUT, *ABORT}, f"{bucket}/runs/*/map/*"),
            allow({"states:StartExecution"}, f"<{machine}>"),
            allow({"states:DescribeExecution", "states:StopExecution"}, f"{executions}:*"),
            allow({"states:RedriveExecution"}, f"{executions}/ComputeMap:*"),
            allow(DELIVER_LOGS | TRACE, "*"),
        },
    }


def test_roles_may_do_just_this(template: dict[str, Any]) -> None:
    assert statements_by_role(template) == expected_statements(template)


def test_roles_hold_no_managed_policy_and_no_boundary(template: dict[str, Any]) -> None:
    allowed = {"AssumeRolePolicyDocument", "Policies"}
    for role in resources_of(template, "AWS::IAM::Role").values():
        assert set(role["Properties"]) <= allowed


def test_source_buckets_add_just_their_grants(
    template: dict[str, Any], synthesize: Callable[..., dict[str, Any]]
) -> None:
    with_sources = synthesize(source_buckets="data-1,data.2")
    actual, expected = statements_by_role(with_sources), expected_statements(template)
    functions = functions_by_handler(with_sources)
    start, compute = (role_of(with_sources, functions[f"lambdas.{name}.handler"]) for name in ("start", "compute"))
    sources = ["arn:<AWS::Partition>:s3:::data-1", "arn:<AWS::Partition>:s3:::data.2"]
    expected[start] -= {each for each in expected[start] if each[0] == {"s3:GetObject"}}
    expected[compute] -= {each for each in expected[compute] if each[0] == {"s3:GetObject"}}
    [bucket] = (f"<{name}.Arn>" for name in resources_of(template, "AWS::S3::Bucket"))
    objects = [f"{source}/*" for source in sources]
    expected[start] |= {
        read(bucket, START_READS, f"{bucket}/uploads/*", *objects),
        allow({"s3:ListBucket"}, *sources),
    }
    expected[compute] |= {read(bucket, BEGUN, f"{bucket}/uploads/*", *objects)}
    assert actual == expected
    assert functions["lambdas.start.handler"]["Properties"]["Environment"]["Variables"]["SOURCE_BUCKETS"] == (
        "data-1,data.2"
    )


def test_stack_without_uploaded_workloads_has_none_of_their_rights(synthesize: Callable[..., dict[str, Any]]) -> None:
    template = synthesize(uploaded_workloads="false")
    functions = functions_by_handler(template)
    statements = statements_by_role(template)[role_of(template, functions["lambdas.sum.handler"])]
    assert not [resource for _, resources, *_ in statements for resource in resources if "uploads" in resource]
    start = functions["lambdas.start.handler"]["Properties"]["Environment"]["Variables"]
    assert start["UPLOADED_WORKLOADS"] == "false"
    assert template["Outputs"]["UploadedWorkloads"]["Value"] == "false"


@pytest.mark.parametrize("handler", ["start", "compute", "sum"])
def test_functions_trust_lambda_only(handler: str, template: dict[str, Any]) -> None:
    role = template["Resources"][role_of(template, functions_by_handler(template)[f"lambdas.{handler}.handler"])]
    [statement] = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement == {
        "Action": "sts:AssumeRole",
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
    }


def test_machine_trusts_state_machines_of_its_account_only(template: dict[str, Any]) -> None:
    [machine] = resources_of(template, "AWS::StepFunctions::StateMachine").values()
    role = template["Resources"][role_of(template, machine)]
    [statement] = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    condition = statement.pop("Condition")
    assert statement == {
        "Action": "sts:AssumeRole",
        "Effect": "Allow",
        "Principal": {"Service": "states.amazonaws.com"},
    }
    assert condition.pop("StringEquals") == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert as_text(condition.pop("ArnLike")["aws:SourceArn"]) == (
        "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:stateMachine:*"
    )
    assert condition == {}


def test_bucket_refuses_plain_http_and_old_tls_and_lets_only_the_emptying_function_delete(
    template: dict[str, Any],
) -> None:
    [policy] = resources_of(template, "AWS::S3::BucketPolicy").values()
    [bucket] = resources_of(template, "AWS::S3::Bucket")
    whole = {f"<{bucket}.Arn>", f"<{bucket}.Arn>/*"}
    statements = policy["Properties"]["PolicyDocument"]["Statement"]
    assert all({as_text(each) for each in statement["Resource"]} == whole for statement in statements)
    emptying = role_of(template, functions_by_handler(template)["index.handler"])
    assert [{name: each for name, each in statement.items() if name != "Resource"} for statement in statements] == [
        {
            "Effect": "Deny",
            "Action": "s3:*",
            "Principal": {"AWS": "*"},
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
        {
            "Effect": "Deny",
            "Action": "s3:*",
            "Principal": {"AWS": "*"},
            "Condition": {"NumericLessThan": {"s3:TlsVersion": 1.2}},
        },
        {
            "Effect": "Allow",
            "Action": ["s3:DeleteObject*", "s3:GetBucket*", "s3:List*", "s3:PutBucketPolicy"],
            "Principal": {"AWS": {"Fn::GetAtt": [emptying, "Arn"]}},
        },
    ]
