"""Lambda functions of one asset, each with its own log and role."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from hpc_stack.encryption import allow_key_of_objects

# In the form of .dockerignore, the only one with which synthesis doesn't walk folders like .venv.
ASSET_EXCLUDE = (
    *("*", "!lambdas"),
    *("**/__pycache__", "**/*.pyc", "**/.*"),
    *("lambdas/**/Dockerfile", "lambdas/**/requirements*.txt"),
)


def python_runtime(version: str) -> lambda_.Runtime:
    """Return Lambda's runtime of a Python such as "3.14"."""
    runtime: lambda_.Runtime = getattr(lambda_.Runtime, f"PYTHON_{version.replace('.', '_')}")
    return runtime


def handlers_code(sources: Path) -> lambda_.Code:
    """Return the asset: the folder ``lambdas/`` of the sources and nothing else, so that running changes no hash."""
    return lambda_.Code.from_asset(str(sources), ignore_mode=cdk.IgnoreMode.DOCKER, exclude=list(ASSET_EXCLUDE))


# Default of a function.
EPHEMERAL_STORAGE_MIB = 512


@dataclass(frozen=True, kw_only=True)
class Handlers:
    """Settings that the functions of a stack have in common.

    Parameters
    ----------
    code
        Has ``lambdas/`` at its root.
    """

    code: lambda_.Code
    results_bucket: s3.IBucket
    architecture: lambda_.Architecture
    runtime: lambda_.Runtime
    log_retention: logs.RetentionDays

    def define(
        self,
        scope: Construct,
        name: str,
        *,
        handler: str,
        memory_mib: int,
        timeout: cdk.Duration,
        environment: Mapping[str, str] | None = None,
        ephemeral_storage_mib: int = EPHEMERAL_STORAGE_MIB,
        layers: Sequence[lambda_.ILayerVersion] = (),
        reads: Sequence[str] = (),
        writes: Sequence[str] = (),
        uploads: Sequence[str] = (),
        code: lambda_.Code | None = None,
    ) -> lambda_.Function:
        """Define a function; ``reads``, ``writes``, ``uploads`` are keys of the results bucket.

        Parameters
        ----------
        handler
            ``lambdas.<handler>.handler``; with ``code`` of its own the whole name.
        """
        log_group = logs.LogGroup(
            scope, f"{name}Logs", retention=self.log_retention, removal_policy=cdk.RemovalPolicy.DESTROY
        )
        # A role of ours, not the function's default: that one may write to every log group of the account.
        role = iam.Role(scope, f"{name}Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(role)
        function = lambda_.Function(
            scope,
            name,
            code=code or self.code,
            handler=handler if code is not None else f"lambdas.{handler}.handler",
            runtime=self.runtime,
            architecture=self.architecture,
            memory_size=memory_mib,
            timeout=timeout,
            # Nothing where it is Lambda's own default.
            ephemeral_storage_size=cdk.Size.mebibytes(ephemeral_storage_mib)
            if ephemeral_storage_mib != EPHEMERAL_STORAGE_MIB
            else None,
            environment={"RESULTS_BUCKET": self.results_bucket.bucket_name, **(environment or {})},
            logging_format=lambda_.LoggingFormat.JSON,
            log_group=log_group,
            role=role,
            layers=list(layers) or None,
        )
        allow_objects(function, self.results_bucket, reads=reads, writes=writes, uploads=uploads)
        return function


def allow_objects(
    grantee: iam.IGrantable, bucket: s3.IBucket, *, reads: Sequence[str], writes: Sequence[str], uploads: Sequence[str]
) -> None:
    """Give a role, or that of a function, the rights on keys of a bucket; ``uploads`` are those written in parts.

    Who may not list a bucket is told that a missing key is forbidden, which handlers take alike.
    """
    if reads:
        allow(grantee, ["s3:GetObject"], [bucket.arn_for_objects(key) for key in reads])
    if writes:
        allow(grantee, ["s3:PutObject"], [bucket.arn_for_objects(key) for key in writes])
    if uploads:
        allow(grantee, ["s3:AbortMultipartUpload"], [bucket.arn_for_objects(key) for key in uploads])
    if reads or writes:
        allow_key_of_objects(grantee, bucket, reads=bool(reads or uploads), writes=bool(writes))


def allow(
    grantee: iam.IGrantable,
    actions: Sequence[str],
    resources: Sequence[str],
    conditions: dict[str, dict[str, list[str]]] | None = None,
) -> None:
    """Give a role, or that of a function, one more right."""
    statement = iam.PolicyStatement(actions=list(actions), resources=list(resources), conditions=conditions)
    grantee.grant_principal.add_to_principal_policy(statement)


def attach(grantee: iam.IGrantable, policies: Sequence[str]) -> None:
    """Attach managed policies, which are not the stack's, to a role, or to that of a function."""
    role = grantee.grant_principal
    assert isinstance(role, iam.Role)
    for number, arn in enumerate(policies):
        role.add_managed_policy(iam.ManagedPolicy.from_managed_policy_arn(role, f"Policy{number}", arn))
