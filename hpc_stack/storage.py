"""Where runs live: the results bucket."""

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

RUNS_PREFIX = "runs/"
UPLOADS_PREFIX = "uploads/"


class ResultsStorage(Construct):
    """Bucket of everything that a run reads and writes, under ``runs/`` and ``uploads/``.

    Attributes
    ----------
    bucket : s3.Bucket
        Deleted with its objects when the stack is, unless ``retain`` is set.
    """

    def __init__(self, scope: Construct, construct_id: str, *, expire_after: cdk.Duration, retain: bool) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            lifecycle_rules=[
                s3.LifecycleRule(id="ExpireRuns", prefix=RUNS_PREFIX, expiration=expire_after),
                s3.LifecycleRule(id="ExpireUploads", prefix=UPLOADS_PREFIX, expiration=expire_after),
                # As late as the objects: the service keeps the upload of a result file open while a Map Run lasts.
                s3.LifecycleRule(id="AbortUploads", abort_incomplete_multipart_upload_after=expire_after),
            ],
            removal_policy=cdk.RemovalPolicy.RETAIN if retain else cdk.RemovalPolicy.DESTROY,
            auto_delete_objects=not retain,
        )
        cdk.Validations.of(self.bucket).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-S1",
                reason="only the stack's own roles reach the bucket, and its objects can be computed again; "
                "access logs of 10,000s of small objects would cost more than the objects",
            )
        )
