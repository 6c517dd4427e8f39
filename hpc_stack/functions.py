"""What computes: the Lambda functions Start, Compute and Sum, each with a role of its own."""

import re
from collections.abc import Sequence
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

PROJECT_ROOT = Path(__file__).parents[1]

# In the form of .dockerignore, the only one with which synthesis doesn't walk folders like .venv.
ASSET_EXCLUDE = (
    *("*", "!lambdas"),
    *("**/__pycache__", "**/*.pyc", "**/.*"),
    *("lambdas/**/Dockerfile", "lambdas/**/requirements*.txt"),
)

# Start and Sum run once a run and stream: one vCPU, and all the time that Lambda gives.
START_AND_SUM_MEMORY_MIB = 1_769
START_AND_SUM_TIMEOUT = cdk.Duration.minutes(15)


def newest_python() -> lambda_.Runtime:
    """Return the newest Python that the pinned aws-cdk-lib knows: raising the pin raises the runtime.

    Not ``Runtime.determine_latest_python_runtime``, which lags behind (3.13 in aws-cdk-lib 2.275).
    """
    minors = [int(match[1]) for name in dir(lambda_.Runtime) if (match := re.fullmatch(r"PYTHON_3_(\d+)", name))]
    newest: lambda_.Runtime = getattr(lambda_.Runtime, f"PYTHON_3_{max(minors)}")
    return newest


def handlers_code(project_root: Path = PROJECT_ROOT) -> lambda_.Code:
    """Return the asset: the folder ``lambdas/`` of the project and nothing else, so that running changes no hash."""
    return lambda_.Code.from_asset(str(project_root), ignore_mode=cdk.IgnoreMode.DOCKER, exclude=list(ASSET_EXCLUDE))


class Functions(Construct):
    """The three functions of the pipeline, allowed what their handlers do and no more.

    Attributes
    ----------
    start, compute, sum : lambda_.Function
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: lambda_.Code,
        results_bucket: s3.IBucket,
        source_buckets: Sequence[s3.IBucket],
        architecture: lambda_.Architecture,
        compute_memory_mib: int,
        compute_timeout: cdk.Duration,
        max_concurrency: int,
        log_retention: logs.RetentionDays,
    ) -> None:
        super().__init__(scope, construct_id)
        self._code = code
        self._results_bucket = results_bucket
        self._architecture = architecture
        self._runtime = newest_python()
        self._log_retention = log_retention
        source_names = ",".join(bucket.bucket_name for bucket in source_buckets)
        self.start = self._define_function(
            "Start",
            memory_mib=START_AND_SUM_MEMORY_MIB,
            timeout=START_AND_SUM_TIMEOUT,
            environment={"MAX_CONCURRENCY": str(max_concurrency), "SOURCE_BUCKETS": source_names},
            reads=("uploads/*",),
            writes=("runs/*",),
        )
        self.compute = self._define_function(
            "Compute",
            memory_mib=compute_memory_mib,
            timeout=compute_timeout,
            environment={},
            # uploads/ as well: an item may be one of the objects that a person put there, as in a source bucket.
            reads=("runs/*", "uploads/*"),
            writes=("runs/*/parts/*",),
        )
        self.sum = self._define_function(
            "Sum",
            memory_mib=START_AND_SUM_MEMORY_MIB,
            timeout=START_AND_SUM_TIMEOUT,
            environment={},
            reads=("runs/*",),
            writes=("runs/*",),
        )
        for bucket in source_buckets:
            self._allow(self.start, ["s3:ListBucket"], [bucket.bucket_arn])
            for reader in (self.start, self.compute):
                self._allow(reader, ["s3:GetObject"], [bucket.arn_for_objects("*")])

    def _define_function(
        self,
        name: str,
        *,
        memory_mib: int,
        timeout: cdk.Duration,
        environment: dict[str, str],
        reads: Sequence[str],
        writes: Sequence[str],
    ) -> lambda_.Function:
        log_group = logs.LogGroup(
            self, f"{name}Logs", retention=self._log_retention, removal_policy=cdk.RemovalPolicy.DESTROY
        )
        # A role of ours, not the function's default: that one may write to every log group of the account.
        role = iam.Role(self, f"{name}Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(role)
        function = lambda_.Function(
            self,
            name,
            code=self._code,
            handler=f"lambdas.{name.lower()}.handler",
            runtime=self._runtime,
            architecture=self._architecture,
            memory_size=memory_mib,
            timeout=timeout,
            environment={"RESULTS_BUCKET": self._results_bucket.bucket_name, **environment},
            logging_format=lambda_.LoggingFormat.JSON,
            log_group=log_group,
            role=role,
        )
        self._allow(function, ["s3:GetObject"], [self._results_bucket.arn_for_objects(key) for key in reads])
        self._allow(
            function,
            ["s3:PutObject", "s3:AbortMultipartUpload"],
            [self._results_bucket.arn_for_objects(key) for key in writes],
        )
        # For a missing key S3 answers 404, not 403, only to who may list it; it takes the key for s3:prefix then.
        # Source: ceph/ceph pull request 68577, which follows AWS in this.
        self._allow(
            function,
            ["s3:ListBucket"],
            [self._results_bucket.bucket_arn],
            {"StringLike": {"s3:prefix": list(reads)}},
        )
        return function

    @staticmethod
    def _allow(
        function: lambda_.Function,
        actions: Sequence[str],
        resources: Sequence[str],
        conditions: dict[str, dict[str, list[str]]] | None = None,
    ) -> None:
        function.add_to_role_policy(
            iam.PolicyStatement(actions=list(actions), resources=list(resources), conditions=conditions)
        )
