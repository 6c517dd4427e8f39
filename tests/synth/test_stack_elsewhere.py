"""MapReduce in somebody else's stack."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from synthesis import as_text, resources_of

from hpc_stack.map_reduce import RESULT_WRITER_FLAG, MapReduce


def make_stack(outdir: Path, context: Mapping[str, Any]) -> cdk.Stack:
    return cdk.Stack(cdk.App(outdir=str(outdir), context=context), "Theirs")


def add_map_reduce(
    stack: cdk.Stack,
    construct_id: str,
    bucket: s3.IBucket,
    *,
    child_type: sfn.StateMachineType = sfn.StateMachineType.STANDARD,
    compute_timeout_seconds: int = 900,
) -> MapReduce:
    """Add a machine of imported functions, about which only their ARN is known."""
    start, compute, sum_ = (
        lambda_.Function.from_function_arn(
            stack, f"{construct_id}-{name}", f"arn:aws:lambda:us-east-1:111122223333:function:{name}"
        )
        for name in ("start", "compute", "sum")
    )
    return MapReduce(
        stack,
        construct_id,
        start_function=start,
        compute_function=compute,
        sum_function=sum_,
        results_bucket=bucket,
        compute_timeout_seconds=compute_timeout_seconds,
        child_type=child_type,
        log_retention=logs.RetentionDays.ONE_WEEK,
    )


def synthesize(stack: cdk.Stack) -> dict[str, Any]:
    app = stack.node.root
    assert isinstance(app, cdk.App)
    template: dict[str, Any] = app.synth().get_stack_by_name("Theirs").template
    return template


@pytest.mark.parametrize("context", [{}, {RESULT_WRITER_FLAG: False}])
def test_map_reduce_refuses_an_app_whose_flag_would_drop_the_result_writer(
    context: dict[str, bool], tmp_path: Path
) -> None:
    stack = make_stack(tmp_path, context)
    with pytest.raises(ValueError, match=f'needs the feature flag "{RESULT_WRITER_FLAG}": it is off'):
        add_map_reduce(stack, "MapReduce", s3.Bucket(stack, "Bucket"))


def test_map_reduce_refuses_express_children_that_could_outlive_their_limit(tmp_path: Path) -> None:
    stack = make_stack(tmp_path, {RESULT_WRITER_FLAG: True})
    with pytest.raises(ValueError, match="a compute time-out of 300 s and 39 s of retries take 339 s"):
        add_map_reduce(
            stack,
            "MapReduce",
            s3.Bucket(stack, "Bucket"),
            child_type=sfn.StateMachineType.EXPRESS,
            compute_timeout_seconds=300,
        )


def test_two_map_reduces_in_one_stack_have_logs_of_their_own(tmp_path: Path) -> None:
    stack = make_stack(tmp_path, {RESULT_WRITER_FLAG: True})
    bucket = s3.Bucket(stack, "Bucket")
    add_map_reduce(stack, "First", bucket)
    add_map_reduce(stack, "Second", bucket)
    template = synthesize(stack)
    names = [each["Properties"]["LogGroupName"] for each in resources_of(template, "AWS::Logs::LogGroup").values()]
    assert len(set(names)) == 2
    assert len(resources_of(template, "AWS::StepFunctions::StateMachine")) == 2


def test_map_reduce_works_with_imported_functions_and_bucket(tmp_path: Path) -> None:
    stack = make_stack(tmp_path, {RESULT_WRITER_FLAG: True})
    add_map_reduce(stack, "MapReduce", s3.Bucket.from_bucket_name(stack, "Bucket", "their-bucket"))
    template = synthesize(stack)
    resources = [
        as_text(resource)
        for policy in resources_of(template, "AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        for resource in (statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]])
    ]
    assert {name for name in resources if "their-bucket" in name} == {
        "arn:<AWS::Partition>:s3:::their-bucket/runs/*/batches.jsonl",
        "arn:<AWS::Partition>:s3:::their-bucket/runs/*/map/*",
    }
    assert {name for name in resources if ":lambda:" in name} == {
        f"arn:aws:lambda:us-east-1:111122223333:function:{name}" for name in ("start", "compute", "sum")
    }


def test_machine_may_use_the_key_of_an_encrypted_bucket(tmp_path: Path) -> None:
    stack = make_stack(tmp_path, {RESULT_WRITER_FLAG: True})
    key = kms.Key(stack, "Key")
    add_map_reduce(stack, "MapReduce", s3.Bucket(stack, "Bucket", encryption_key=key))
    template = synthesize(stack)
    [key_id] = resources_of(template, "AWS::KMS::Key")
    [statement] = [
        statement
        for policy in resources_of(template, "AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "kms:Decrypt" in statement["Action"]
    ]
    assert as_text(statement["Resource"]) == f"<{key_id}.Arn>"
    assert set(statement["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey"}
