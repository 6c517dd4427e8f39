"""Task states with the least rights that they need, and the retriers that they share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from hpc_stack.contract.limits import MAX_FUNCTION_TIMEOUT_SECONDS

# A task state waits this much longer than its function may run (start of an environment, way there and back): its own
# time-out is for an invocation that never answers.
TASK_MARGIN_SECONDS = 30
# Start and Sum run once a run and stream: they have all the time that Lambda gives.
START_AND_SUM_TIMEOUT_SECONDS = MAX_FUNCTION_TIMEOUT_SECONDS


@dataclass(frozen=True)
class Retrier:
    """One entry of ``Retry``, with full jitter: each wait is drawn between 0 and its longest."""

    errors: tuple[str, ...]
    interval_seconds: int
    max_attempts: int
    max_delay_seconds: int
    backoff_rate: int = 2

    @property
    def longest_wait_seconds(self) -> int:
        """All waits together when every attempt fails and every draw is the longest."""
        waits = (self.interval_seconds * self.backoff_rate**attempt for attempt in range(self.max_attempts))
        return sum(min(wait, self.max_delay_seconds) for wait in waits)


THROTTLED = ("Lambda.TooManyRequestsException",)
# Source: "Handle transient Lambda service exceptions", Step Functions Developer Guide; the last is the handlers' own.
FAILED_SERVICE = (
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "StorageUnavailableError",
)
# Nothing else is tried again.  A workload's exception, a time-out (Sandbox.Timedout, Lambda.Unknown, States.Timeout)
# and a crash of the runtime (Runtime.ExitError, out of memory) come back on the same batch, at the price of the whole
# attempt; a redrive runs just those batches again when a person knows better.
#
# Source of the figures: benchmarks/retries.py; what they bear: docs/explanation/failures.md.  A run ends at the first
# batch that has no attempt left: out of 1,000 batches, the one with the shortest waits.
THROTTLE_RETRIER = Retrier(THROTTLED, interval_seconds=1, max_attempts=100, max_delay_seconds=60)
STANDARD_RETRIERS = (
    # An account's concurrency may be far below the map's (10 in a new account): 20 attempts fail there.
    THROTTLE_RETRIER,
    # All batches of a thousand outlive two minutes in which the service fails every call; with 6 attempts, 10 s.
    Retrier(FAILED_SERVICE, interval_seconds=2, max_attempts=15, max_delay_seconds=60),
)
# Their waits count against the five minutes of a child: many short ones bear more than few long ones of the same sum.
EXPRESS_RETRIERS = (
    Retrier(THROTTLED, interval_seconds=1, max_attempts=9, max_delay_seconds=3),
    Retrier(FAILED_SERVICE, interval_seconds=1, max_attempts=6, max_delay_seconds=3),
)


def add_retriers(task: sfn.TaskStateBase, retriers: Sequence[Retrier]) -> None:
    """Give a task its ``Retry``, with full jitter."""
    for retrier in retriers:
        task.add_retry(
            errors=list(retrier.errors),
            interval=cdk.Duration.seconds(retrier.interval_seconds),
            backoff_rate=retrier.backoff_rate,
            max_attempts=retrier.max_attempts,
            max_delay=cdk.Duration.seconds(retrier.max_delay_seconds),
            jitter_strategy=sfn.JitterType.FULL,
        )


def after_seconds(seconds: int) -> sfn.Timeout:
    """Return a time-out of a task, or of its heartbeats."""
    return sfn.Timeout.duration(cdk.Duration.seconds(seconds))


def execution_start() -> str:
    """Return the path of when the execution was started, which tells it from a later one of the same name."""
    return sfn.JsonPath.string_at("$$.Execution.StartTime")


class FunctionTask(tasks.LambdaInvoke):
    """``LambdaInvoke`` that may invoke the function itself, and not also each of its versions and aliases."""

    def __init__(
        self, scope: Construct, construct_id: str, *, lambda_function: lambda_.IFunction, **props: Any
    ) -> None:
        self._function_arn = lambda_function.function_arn
        super().__init__(scope, construct_id, lambda_function=lambda_function, **props)

    @property
    @jsii.member(jsii_name="taskPolicies")
    def _task_policies(self) -> list[iam.PolicyStatement]:
        return [iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[self._function_arn])]


def define_function_task(
    scope: Construct,
    name: str,
    function: lambda_.IFunction,
    timeout_seconds: int,
    *,
    retriers: Sequence[Retrier] = STANDARD_RETRIERS,
    **props: Any,
) -> FunctionTask:
    """Define a task whose result is what the function returns; ``timeout_seconds`` is the function's own."""
    task = FunctionTask(
        scope,
        name,
        lambda_function=function,
        payload_response_only=True,
        retry_on_service_exceptions=False,
        task_timeout=after_seconds(timeout_seconds + TASK_MARGIN_SECONDS),
        **props,
    )
    add_retriers(task, retriers)
    return task


def define_callback_task(
    scope: Construct,
    name: str,
    function: lambda_.IFunction,
    *,
    timeout_seconds: int,
    heartbeat_seconds: int,
    payload: dict[str, Any],
    **props: Any,
) -> FunctionTask:
    """Define a task whose result is what somebody returns with the token that the function gets as ``task_token``."""
    task = FunctionTask(
        scope,
        name,
        lambda_function=function,
        integration_pattern=sfn.IntegrationPattern.WAIT_FOR_TASK_TOKEN,
        payload=sfn.TaskInput.from_object({**payload, "task_token": sfn.JsonPath.task_token}),
        retry_on_service_exceptions=False,
        task_timeout=after_seconds(timeout_seconds),
        heartbeat_timeout=after_seconds(heartbeat_seconds),
        **props,
    )
    # Nothing else: the function may have handed the token on before it failed.
    add_retriers(task, (THROTTLE_RETRIER,))
    return task


class ExecutionTask(tasks.StepFunctionsStartExecution):
    """Start another machine, wait for it and return its output as JSON; with rights on its executions only."""

    def __init__(self, scope: Construct, construct_id: str, *, state_machine: sfn.StateMachine, **props: Any) -> None:
        self._machine = state_machine
        super().__init__(
            scope,
            construct_id,
            state_machine=state_machine,
            integration_pattern=sfn.IntegrationPattern.RUN_JOB,
            # No name: one that was used stays taken for 90 days.
            associate_with_parent=True,
            **props,
        )

    @property
    @jsii.member(jsii_name="taskPolicies")
    def _task_policies(self) -> list[iam.PolicyStatement]:
        return [
            iam.PolicyStatement(actions=["states:StartExecution"], resources=[self._machine.state_machine_arn]),
            iam.PolicyStatement(
                actions=["states:DescribeExecution", "states:StopExecution"],
                resources=[f"{executions_arn(self._machine)}:*"],
            ),
            allow_managed_rule(self, "StepFunctionsGetEventsForStepFunctionsExecutionRule"),
        ]


class ArrayJobTask(tasks.BatchSubmitJob):
    """Submit a job, wait for it and end it if the execution is stopped.

    Parameters
    ----------
    job_definition_revisions_arn
        Any revision of the job definition: a redrive submits the one that its execution began with.
    timeout_seconds
        Time-out of the state, which includes queueing and every attempt.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        job_queue_arn: str,
        job_definition_revisions_arn: str,
        timeout_seconds: int,
        **props: Any,
    ) -> None:
        self._submitted = [job_definition_revisions_arn, job_queue_arn]
        self._timeout_seconds = timeout_seconds
        super().__init__(scope, construct_id, job_queue_arn=job_queue_arn, **props)

    def to_state_json(self, top_level_query_language: sfn.QueryLanguage | None = None) -> dict[str, Any]:
        """Return the state with a time-out of its own: aws-cdk-lib makes ``task_timeout`` that of a job's attempt."""
        return {**super().to_state_json(top_level_query_language), "TimeoutSeconds": self._timeout_seconds}

    @property
    @jsii.member(jsii_name="taskPolicies")
    def _task_policies(self) -> list[iam.PolicyStatement]:
        # Source: "Step Functions IAM policies for AWS Batch"; aws-cdk-lib grants neither DescribeJobs nor TerminateJob.
        return [
            iam.PolicyStatement(actions=["batch:SubmitJob"], resources=self._submitted),
            iam.PolicyStatement(actions=["batch:DescribeJobs"], resources=["*"]),
            iam.PolicyStatement(actions=["batch:TagResource", "batch:TerminateJob"], resources=[jobs_arn(self)]),
            allow_managed_rule(self, "StepFunctionsGetEventsForBatchJobsRule"),
        ]


def allow_managed_rule(scope: Construct, name: str) -> iam.PolicyStatement:
    """Return the right to make and use the rule by which Step Functions hears of an end."""
    rule_arn = cdk.Stack.of(scope).format_arn(service="events", resource="rule", resource_name=name)
    return iam.PolicyStatement(
        actions=["events:PutTargets", "events:PutRule", "events:DescribeRule"], resources=[rule_arn]
    )


def jobs_arn(scope: Construct) -> str:
    """Return the ARN of all jobs of the account in this Region: their ids are not known before."""
    return cdk.Stack.of(scope).format_arn(service="batch", resource="job", resource_name="*")


def map_runs_arn(state_machine: sfn.StateMachine) -> str:
    """Return the ARNs of a machine's Map Runs, whose label and id the service makes."""
    return f"{executions_arn(state_machine).replace(':execution:', ':mapRun:')}/*:*"


def executions_arn(state_machine: sfn.StateMachine) -> str:
    """Return what the ARNs of a machine's executions begin with."""
    name = cdk.Arn.split(state_machine.state_machine_arn, cdk.ArnFormat.COLON_RESOURCE_NAME).resource_name
    return cdk.Stack.of(state_machine).format_arn(
        service="states", resource="execution", resource_name=name, arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
    )
