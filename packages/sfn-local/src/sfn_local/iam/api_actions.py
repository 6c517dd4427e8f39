"""Rights that an API call needs: from an operation and its parameters to IAM actions on resources.

Source: Service Authorization Reference, for Amazon S3, AWS Step Functions and AWS Batch; Amazon S3 API reference, the
permissions of each operation.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from sfn_local.arns import Account
from sfn_local.iam.conditions import Context

Params = Mapping[str, Any]


class Needed(NamedTuple):
    """One right that a call takes."""

    action: str
    resource: str
    context: Context = ()


Rights = Callable[[Params], Iterator[Needed]]


def bucket_arn(bucket: str) -> str:
    return f"arn:aws:s3:::{bucket}"


def object_arn(bucket: str, key: str) -> str:
    return f"arn:aws:s3:::{bucket}/{key}"


def listing(bucket: str, prefix: str) -> Needed:
    """The right to list keys; S3 also asks for it before it says that a key is missing."""
    return Needed("s3:ListBucket", bucket_arn(bucket), (("s3:prefix", prefix),))


def _on_object(action: str) -> Rights:
    def rights(params: Params) -> Iterator[Needed]:
        yield Needed(action, object_arn(params["Bucket"], params["Key"]))

    return rights


def _on_bucket(action: str) -> Rights:
    def rights(params: Params) -> Iterator[Needed]:
        yield Needed(action, bucket_arn(params["Bucket"]))

    return rights


def _on_everything(action: str) -> Rights:
    def rights(_params: Params) -> Iterator[Needed]:
        yield Needed(action, "*")

    return rights


def _on_named(action: str, *names: str) -> Rights:
    """Rights on the resource whose ARN is in the first of these parameters that is given."""

    def rights(params: Params) -> Iterator[Needed]:
        for name in names:
            if name in params:
                yield Needed(action, params[name])
                return

    return rights


def _listing(params: Params) -> Iterator[Needed]:
    context = [("s3:prefix", params.get("Prefix", ""))]
    if "Delimiter" in params:
        context.append(("s3:delimiter", params["Delimiter"]))
    if "MaxKeys" in params:
        context.append(("s3:max-keys", str(params["MaxKeys"])))
    yield Needed("s3:ListBucket", bucket_arn(params["Bucket"]), tuple(context))


def _copying(params: Params) -> Iterator[Needed]:
    source = params["CopySource"]
    if isinstance(source, str):
        bucket, _, key = unquote(source.split("?")[0]).removeprefix("/").partition("/")
        yield Needed("s3:GetObject", object_arn(bucket, key))
    yield Needed("s3:PutObject", object_arn(params["Bucket"], params["Key"]))


def _deleting(params: Params) -> Iterator[Needed]:
    for entry in params["Delete"]["Objects"]:
        yield Needed("s3:DeleteObject", object_arn(params["Bucket"], entry["Key"]))


S3_RIGHTS: Mapping[str, Rights] = {
    "AbortMultipartUpload": _on_object("s3:AbortMultipartUpload"),
    "CompleteMultipartUpload": _on_object("s3:PutObject"),
    "CopyObject": _copying,
    "CreateBucket": _on_bucket("s3:CreateBucket"),
    "CreateMultipartUpload": _on_object("s3:PutObject"),
    "DeleteBucket": _on_bucket("s3:DeleteBucket"),
    "DeleteObject": _on_object("s3:DeleteObject"),
    "DeleteObjects": _deleting,
    "GetBucketLocation": _on_bucket("s3:GetBucketLocation"),
    "GetObject": _on_object("s3:GetObject"),
    "HeadBucket": _on_bucket("s3:ListBucket"),
    "HeadObject": _on_object("s3:GetObject"),
    "ListBuckets": _on_everything("s3:ListAllMyBuckets"),
    "ListMultipartUploads": _on_bucket("s3:ListBucketMultipartUploads"),
    "ListObjects": _listing,
    "ListObjectsV2": _listing,
    "ListParts": _on_object("s3:ListMultipartUploadParts"),
    "PutObject": _on_object("s3:PutObject"),
    "UploadPart": _on_object("s3:PutObject"),
    "UploadPartCopy": _copying,
}

_STATES_RIGHTS: Mapping[str, Rights] = {
    "DeleteStateMachine": _on_named("states:DeleteStateMachine", "stateMachineArn"),
    "DescribeExecution": _on_named("states:DescribeExecution", "executionArn"),
    "DescribeMapRun": _on_named("states:DescribeMapRun", "mapRunArn"),
    "DescribeStateMachine": _on_named("states:DescribeStateMachine", "stateMachineArn"),
    "DescribeStateMachineForExecution": _on_named("states:DescribeStateMachineForExecution", "executionArn"),
    "GetExecutionHistory": _on_named("states:GetExecutionHistory", "executionArn"),
    "ListExecutions": _on_named("states:ListExecutions", "mapRunArn", "stateMachineArn"),
    "ListMapRuns": _on_named("states:ListMapRuns", "executionArn"),
    "ListStateMachines": _on_everything("states:ListStateMachines"),
    "ListTagsForResource": _on_named("states:ListTagsForResource", "resourceArn"),
    "RedriveExecution": _on_named("states:RedriveExecution", "executionArn"),
    "StartExecution": _on_named("states:StartExecution", "stateMachineArn"),
    "StartSyncExecution": _on_named("states:StartSyncExecution", "stateMachineArn"),
    "StopExecution": _on_named("states:StopExecution", "executionArn"),
    "TagResource": _on_named("states:TagResource", "resourceArn"),
    "UntagResource": _on_named("states:UntagResource", "resourceArn"),
    "UpdateMapRun": _on_named("states:UpdateMapRun", "mapRunArn"),
    "UpdateStateMachine": _on_named("states:UpdateStateMachine", "stateMachineArn"),
    "ValidateStateMachineDefinition": _on_everything("states:ValidateStateMachineDefinition"),
}

_BATCH_RIGHTS: Mapping[str, Rights] = {
    "DescribeJobDefinitions": _on_everything("batch:DescribeJobDefinitions"),
    "DescribeJobQueues": _on_everything("batch:DescribeJobQueues"),
    "DescribeJobs": _on_everything("batch:DescribeJobs"),
    "ListJobs": _on_everything("batch:ListJobs"),
}


def states_rights(account: Account, machine_of: Callable[[str], str | None]) -> Mapping[str, Rights]:
    """Rights of the Step Functions API.

    Parameters
    ----------
    machine_of : callable
        From a task token to the ARN of the state machine whose task waits; None where no task does, which the service
        itself tells the caller.
    """

    def creating(params: Params) -> Iterator[Needed]:
        yield Needed("states:CreateStateMachine", account.arn("states", f"stateMachine:{params['name']}"))

    def answering(action: str) -> Rights:
        def rights(params: Params) -> Iterator[Needed]:
            machine_arn = machine_of(params["taskToken"])
            if machine_arn is not None:
                yield Needed(action, machine_arn)

        return rights

    answers = {f"SendTask{each}": answering(f"states:SendTask{each}") for each in ("Success", "Failure", "Heartbeat")}
    return {**_STATES_RIGHTS, **answers, "CreateStateMachine": creating}


def batch_rights(account: Account, resolve: Callable[[str, str], str]) -> Mapping[str, Rights]:
    """Rights of the AWS Batch API.

    Parameters
    ----------
    resolve : callable
        From the kind of a resource, ``job-definition`` or ``job-queue``, and its name or ARN to its ARN.
    """

    def submitting(params: Params) -> Iterator[Needed]:
        yield Needed("batch:SubmitJob", resolve("job-definition", params["jobDefinition"]))
        yield Needed("batch:SubmitJob", resolve("job-queue", params["jobQueue"]))
        if params.get("tags"):
            yield Needed("batch:TagResource", account.arn("batch", "job/*"))

    def ending(action: str) -> Rights:
        def rights(params: Params) -> Iterator[Needed]:
            yield Needed(action, account.arn("batch", f"job/{params['jobId'].rpartition('/')[2]}"))

        return rights

    return {
        **_BATCH_RIGHTS,
        "CancelJob": ending("batch:CancelJob"),
        "SubmitJob": submitting,
        "TerminateJob": ending("batch:TerminateJob"),
    }
