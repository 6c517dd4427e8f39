"""A topic for alarms, and for a message when a run has ended: its items, what it cost so far, and what to type next."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hpc_stack.encryption import allow_key_of_executions, allow_service
from hpc_stack.handlers import Handlers, allow
from hpc_stack.run_keys import files
from hpc_stack.tasks import executions_arn, map_runs_arn

# Beside hpc_stack, in a checkout as in an installed package.
PACKAGES = Path(__file__).parents[1]
# In the form of .dockerignore, the only one with which synthesis doesn't walk folders like .venv.
ASSET_EXCLUDE = (
    *("*", "!hpc", "hpc/api", "hpc/cli", "hpc/commands", "hpc/report", "hpc/ui"),
    *("**/__pycache__", "**/*.pyc", "**/.*"),
)
ENDED = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
MEMORY_MIB = 1_024
# A run of a million children has a thousand pages of them.
TIMEOUT = cdk.Duration.minutes(15)
# The local runner makes no topic, and so nothing that publishes to one; it names what it does not make.
NOT_MADE_LOCALLY = "sfn-local:not-made"


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Resources that the function of the messages reads.

    Attributes
    ----------
    started
        Machines that a person starts, MapReduce first.
    machines
        All of the stack.
    functions
        Whose time costs.
    has_jobs
        Whether there is AWS Batch.
    """

    started: Sequence[sfn.StateMachine]
    machines: Sequence[sfn.StateMachine]
    functions: Sequence[lambda_.Function]
    has_jobs: bool


class Notices(Construct):
    """Topic of alarms and of messages that a run has ended.

    Parameters
    ----------
    email
        Where messages go, once their reader has confirmed it; empty for nowhere yet.
    key
        Encrypts messages while they wait.

    Attributes
    ----------
    topic : sns.Topic
    function : lambda_.Function
        Writes the messages.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        email: str,
        key: kms.Key | None,
        handlers: Handlers,
        watched: Watched,
    ) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", enforce_ssl=True, master_key=key)
        if key is not None:
            allow_service(key, "cloudwatch.amazonaws.com")
        # The policy that a topic has by default lets alarms publish; one that enforces TLS takes its place.
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}},
            )
        )
        if email:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))
        self.function = self._define_function(handlers, watched)
        self.topic.grant_publish(self.function)
        self._allow_looks(handlers, watched)
        if key is not None:
            allow_key_of_executions(self.function, key, watched.machines)
        rule = events.Rule(
            self,
            "RunEnded",
            description="A run has ended: a message says what came of it",
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={
                    "status": list(ENDED),
                    "stateMachineArn": [machine.state_machine_arn for machine in watched.started],
                },
            ),
            targets=[targets.LambdaFunction(self.function)],
        )
        for made in (self.function, rule):
            resource = made.node.default_child
            assert isinstance(resource, cdk.CfnResource)
            resource.add_metadata(NOT_MADE_LOCALLY, True)

    def _define_function(self, handlers: Handlers, watched: Watched) -> lambda_.Function:
        names = ("STATE_MACHINE_ARN", "ORCHESTRATOR_ARN")
        arns = {name: machine.state_machine_arn for name, machine in zip(names, watched.started, strict=False)}
        return handlers.define(
            self,
            "Function",
            code=lambda_.Code.from_asset(
                str(PACKAGES),
                ignore_mode=cdk.IgnoreMode.DOCKER,
                follow_symlinks=cdk.SymlinkFollowMode.ALWAYS,
                exclude=list(ASSET_EXCLUDE),
            ),
            handler="hpc.notices.handler",
            memory_mib=MEMORY_MIB,
            timeout=TIMEOUT,
            environment={
                "TOPIC_ARN": self.topic.topic_arn,
                "STACK_NAME": cdk.Stack.of(self).stack_name,
                **arns,
            },
            reads=files("run.json", "map/*"),
        )

    def _allow_looks(self, handlers: Handlers, watched: Watched) -> None:
        function = self.function
        # Who may not list a bucket is not told that a run has no run.json, as one that failed in Start.
        allow(function, ["s3:ListBucket"], [handlers.results_bucket.bucket_arn])
        # With a label behind the machine: the children of a Distributed Map.
        executions = [f"{executions_arn(each)}{label}:*" for each in watched.machines for label in ("", "/*")]
        looks = ("DescribeExecution", "GetExecutionHistory", "DescribeStateMachineForExecution", "ListMapRuns")
        allow(function, [f"states:{look}" for look in looks], executions)
        map_runs = [map_runs_arn(each) for each in watched.machines]
        allow(function, ["states:DescribeMapRun", "states:ListExecutions"], map_runs)
        allow(function, ["lambda:GetFunctionConfiguration"], [each.function_arn for each in watched.functions])
        if watched.has_jobs:
            # AWS Batch has no rights on single resources for looking.
            looks = ("DescribeJobs", "ListJobs", "DescribeJobQueues", "DescribeComputeEnvironments")
            allow(function, [f"batch:{look}" for look in looks], ["*"])
