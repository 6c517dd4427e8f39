"""The results bucket."""

from collections.abc import Sequence
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

RUNS_PREFIX = "runs/"
UPLOADS_PREFIX = "uploads/"


class ResultsStorage(Construct):
    """Bucket of everything that a run reads and writes, under ``runs/`` and ``uploads/``.

    Attributes
    ----------
    bucket : s3.Bucket
        Deleted with its objects when the stack is, unless ``retain`` is set; encrypted with a key that S3 manages, or
        the given.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        expire_after: cdk.Duration,
        retain: bool,
        log_retention: logs.RetentionDays,
        encryption_key: kms.IKey | None = None,
        tags: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.S3_MANAGED if encryption_key is None else s3.BucketEncryption.KMS,
            encryption_key=encryption_key,
            # One data key for many objects: each would be a request to KMS otherwise.
            bucket_key_enabled=True if encryption_key is not None else None,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            lifecycle_rules=[
                s3.LifecycleRule(id="ExpireRuns", prefix=RUNS_PREFIX, expiration=expire_after),
                s3.LifecycleRule(id="ExpireUploads", prefix=UPLOADS_PREFIX, expiration=expire_after),
                # Not before the objects: Step Functions keeps the upload of a result file open for a whole Map Run.
                s3.LifecycleRule(id="AbortUploads", abort_incomplete_multipart_upload_after=expire_after),
            ],
            removal_policy=cdk.RemovalPolicy.RETAIN if retain else cdk.RemovalPolicy.DESTROY,
            auto_delete_objects=not retain,
        )
        if not retain:
            self._limit_auto_delete(log_retention, tags)

    def _limit_auto_delete(self, log_retention: logs.RetentionDays, tags: Sequence[tuple[str, str]]) -> None:
        """Give aws-cdk-lib's function that empties the bucket a log that goes with the stack, and no right but to it.

        As it comes, its log group is made at its first call, never expires and outlives the stack.
        """
        provider = cdk.Stack.of(self).node.find_child("Custom::S3AutoDeleteObjectsCustomResourceProvider")
        log_group = logs.LogGroup(
            self, "AutoDeleteLogs", retention=log_retention, removal_policy=cdk.RemovalPolicy.DESTROY
        )
        handler = cast(cdk.CfnResource, provider.node.find_child("Handler"))
        handler.add_property_override("LoggingConfig", {"LogGroup": log_group.log_group_name})
        role = cast(cdk.CfnResource, provider.node.find_child("Role"))
        role.add_property_deletion_override("ManagedPolicyArns")
        if tags:
            # These two are made without types, and left out when tags are put on what stands below a construct.
            for resource in (handler, role):
                resource.add_property_override("Tags", [{"Key": key, "Value": value} for key, value in tags])
        write = iam.PolicyStatement(
            actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_group.log_group_arn]
        )
        role.add_property_override(
            "Policies",
            [
                {
                    "PolicyName": "WriteLogs",
                    "PolicyDocument": iam.PolicyDocument(statements=[write]),
                }
            ],
        )
