"""Clients: where runs happen, as plain boto3 clients of AWS or of the server on this machine."""

import argparse
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)

from hpc.errors import CommandError, NotStartedError, UnansweredError
from hpc.targets.downloads import resume_downloads
from hpc.targets.home import Home
from hpc.targets.outputs import pipeline_outputs
from hpc.targets.retries import OWN_ATTEMPTS, PatientRetries


@dataclass(frozen=True)
class Pace:
    """Polling interval of a running execution: a share of its age, within these bounds."""

    shortest_seconds: float
    longest_seconds: float

    def delay(self, age_seconds: float) -> float:
        return min(self.longest_seconds, max(self.shortest_seconds, age_seconds / 20))


LOCAL_PACE = Pace(0.02, 0.5)
# Source: docs:step-functions/latest/dg/service-quotas; DescribeMapRun refills at 1 a second, for the whole account.
AWS_PACE = Pace(2, 15)
# S3 answers NoSuchKey only to callers that may list the bucket; others get 403.
MISSING_CODES = {"NoSuchKey"}


@dataclass(frozen=True)
class Target:
    """One deployed or locally served stack."""

    session: boto3.Session
    config: Config
    endpoint_url: str | None
    state_machine_arn: str
    bucket: str
    pace: Pace
    is_local: bool
    # Path of the cloud assembly (local servers only).
    assembly: str = ""
    # Whether another command hosts the local server, and may end it.
    is_guest: bool = False
    outputs: Mapping[str, str] = field(default_factory=dict)
    # Whether the session is of this program's making, from the user's own settings.
    may_renew: bool = True
    # Folder of a local server's own files; None for a stack on AWS.
    state: Path | None = None

    @cached_property
    def stepfunctions(self) -> Any:
        return self.client("stepfunctions")

    @cached_property
    def s3(self) -> Any:
        return self.client("s3")

    @cached_property
    def batch(self) -> Any:
        return self.client("batch")

    def execution_arn(self, name: str) -> str:
        """Return the ARN of this state machine's execution ``name``."""
        return execution_arn(self.state_machine_arn, name)

    @property
    def machine_arns(self) -> list[str]:
        """ARNs of the state machines that a person starts: MapReduce, and ComplexOrchestrator if the stack has it."""
        return [self.state_machine_arn, *(self.outputs[name] for name in ("OrchestratorArn",) if name in self.outputs)]

    def orchestrator(self) -> "Target":
        """Return the stack's ComplexOrchestrator in the place of its MapReduce.

        Raises
        ------
        NotStartedError
            If the stack has none.
        """
        if "OrchestratorArn" not in self.outputs:
            raise NotStartedError(
                "the stack has no output OrchestratorArn: deploy it with hpc:batch and hpc:orchestrator set to true"
            )
        return replace(self, state_machine_arn=self.outputs["OrchestratorArn"])

    def renew(self) -> None:
        """Take credentials as they are now, where a profile's file has others meanwhile.

        Clients that there are take them as well.  Those of a session that the caller made stay as they are: other
        credentials may be those of another account.
        """
        if not self.may_renew:
            return
        profile = self.session.profile_name
        fresh = boto3.Session(
            profile_name=profile if profile != "default" else None, region_name=self.session.region_name
        )
        _copy_credentials(fresh.get_credentials(), self.session.get_credentials())
        object.__setattr__(self, "session", fresh)
        for service in ("stepfunctions", "s3", "batch"):
            self.__dict__.pop(service, None)

    def client(self, service: str) -> Any:
        """Make a client of another service in the same place; on AWS a patient one."""
        client = self._client(service)
        if service == "s3" and not self.is_local:
            resume_downloads(client, lambda: self._client(service))
        return client

    def _client(self, service: str) -> Any:
        client = self.session.client(service, endpoint_url=self.endpoint_url, config=self.config)
        if not self.is_local:
            client.meta.events.register_last("needs-retry", PatientRetries(self.renew))
        return client


def _copy_credentials(source: Credentials | None, target: Credentials | None) -> None:
    """Let whoever signs with ``target`` sign with what ``source`` has; credentials that renew themselves do so."""
    if source is None or target is None or isinstance(target, RefreshableCredentials):
        return
    target.access_key, target.secret_key, target.token = source.access_key, source.secret_key, source.token


def execution_arn(machine_arn: str, name: str) -> str:
    """Return the ARN of a state machine's execution ``name``."""
    return f"{machine_arn.replace(':stateMachine:', ':execution:', 1)}:{name}"


def local_session(*, region: str, access_key_id: str, secret_access_key: str) -> boto3.Session:
    """Make a session that reads no setting of the user's: no config file, profile, credentials or AWS variable."""
    variables = botocore.session.Session.SESSION_VARIABLES
    # (name in the config file, environment variables, default, type): only the defaults stay.
    isolated = {name: (None, None, default, convert) for name, (_, _, default, convert) in variables.items()}
    for file in ("config_file", "credentials_file"):
        isolated[file] = (None, None, os.devnull, None)
    return boto3.Session(
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        region_name=region,
        botocore_session=botocore.session.Session(session_vars=isolated),
    )


def local_config() -> Config:
    # An empty mapping, because None would mean the proxies that the environment names.
    return Config(proxies={}, s3={"addressing_style": "path"}, retries={"mode": "standard", "total_max_attempts": 3})


def aws_target(stack_name: str, session: boto3.Session | None = None) -> Target:
    """Find a deployed stack with the credentials that boto3 finds, in AWS_REGION or the region that boto3 finds.

    Parameters
    ----------
    session
        To use instead.

    Raises
    ------
    NotStartedError
        If there are no credentials or no region, or there is no such stack.
    """
    config = Config(retries={"mode": "standard", "total_max_attempts": OWN_ATTEMPTS})
    may_renew = session is None
    with explained(NotStartedError):
        # Before its own settings, as the CDK and the AWS CLI do: boto3 alone does not read AWS_REGION.
        session = session or boto3.Session(region_name=os.environ.get("AWS_REGION"))
        try:
            stacks = session.client("cloudformation", config=config).describe_stacks(StackName=stack_name)["Stacks"]
        except ClientError as error:
            if "does not exist" not in error.response["Error"].get("Message", ""):
                raise
            raise NotStartedError(
                f"no stack '{stack_name}' in {session.region_name}: deploy it (make deploy), "
                "or give --stack-name or another region"
            ) from error
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}
    outputs = pipeline_outputs(outputs, f"stack '{stack_name}'")
    arn, bucket = outputs["StateMachineArn"], outputs["ResultsBucketName"]
    return Target(session, config, None, arn, bucket, AWS_PACE, is_local=False, outputs=outputs, may_renew=may_renew)


def named_stack(args: argparse.Namespace, home: Home) -> Target:
    """Find the deployed stack that ``--stack-name`` names, or else cdk.json; raises as :func:`aws_target`."""
    return aws_target(args.stack_name or home.default_stack_name())


def has_code(error: ClientError, codes: Collection[str]) -> bool:
    """Whether a service refused with one of the codes."""
    return error.response["Error"].get("Code") in codes


@contextmanager
def explained(kind: type[CommandError], doing: str = "") -> Iterator[None]:
    """Turn boto3's errors into one line with the remedy.

    Raises
    ------
    UnansweredError
        If nothing answers, or answers that it failed; with the exit code of the given kind.
    CommandError
        An error of the given kind, for everything else.
    """
    before = f"{doing}: " if doing else ""
    try:
        yield
    except ClientError as error:
        details = error.response["Error"]
        message = f"{before}{details.get('Code', 'error')}: {details.get('Message', error)}"
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400) >= 500:
            raise UnansweredError(message, kind.exit_code) from error
        raise kind(message) from error
    except NoCredentialsError as error:
        raise kind(f"{before}no AWS credentials: set AWS_PROFILE, or run aws configure") from error
    except NoRegionError as error:
        raise kind(f"{before}no AWS region: set AWS_REGION, or run aws configure") from error
    except ProfileNotFound as error:
        raise kind(f"{before}{error}: see aws configure list-profiles, or unset AWS_PROFILE") from error
    except (BotoConnectionError, HTTPClientError) as error:
        raise UnansweredError(f"{before}nothing answers: {error}", kind.exit_code) from error
    except BotoCoreError as error:
        raise kind(f"{before}{error}") from error
