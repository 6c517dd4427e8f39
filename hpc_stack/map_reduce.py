"""The pipeline: the state machine Start -> Distributed Map of Compute -> Sum."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

RESULT_WRITER_FLAG = "@aws-cdk/aws-stepfunctions:useDistributedMapResultWriterV2"
BATCHES_KEYS = "runs/*/batches.jsonl"
MAP_RESULT_KEYS = "runs/*/map/*"

# A task state waits this much longer than its function may run (start of an environment, way there and back): its own
# time-out is for an invocation that never answers.
TASK_MARGIN_SECONDS = 30
START_AND_SUM_TIMEOUT_SECONDS = 900

# Source: Step Functions quotas, "Maximum execution time", Express.
EXPRESS_LIMIT_SECONDS = 300


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
STANDARD_RETRIERS = (
    # About 15 minutes: an account's concurrency may be far below the map's (10 in a new account).
    Retrier(THROTTLED, interval_seconds=1, max_attempts=20, max_delay_seconds=60),
    Retrier(FAILED_SERVICE, interval_seconds=2, max_attempts=6, max_delay_seconds=60),
)
EXPRESS_RETRIERS = (
    Retrier(THROTTLED, interval_seconds=1, max_attempts=5, max_delay_seconds=10),
    Retrier(FAILED_SERVICE, interval_seconds=2, max_attempts=3, max_delay_seconds=10),
)


class MapReduce(Construct):
    """State machine that maps Compute over the batches of a run and combines the results with Sum.

    Works in any stack: the functions need the rights that their handlers use, the machine's own are granted here.

    Parameters
    ----------
    start_function, compute_function, sum_function : lambda_.IFunction
        What the three task states invoke.
    results_bucket : s3.IBucket
        In the machine's account and Region; Start writes ``runs/<name>/batches.jsonl`` there.
    compute_timeout_seconds : int
        Time-out of ``compute_function``, 1 to 900.
    child_type : sfn.StateMachineType
        Type of the child executions.
    log_retention : logs.RetentionDays
        How long the execution log is kept.

    Attributes
    ----------
    state_machine : sfn.StateMachine
        Execution input ``{"size": int}``; execution output ``{"result": str, "total_sum": str, "count": int, ...}``.

    Raises
    ------
    ValueError
        If the app's feature flag for ResultWriter V2 is off, or Express children could outlive their limit.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        start_function: lambda_.IFunction,
        compute_function: lambda_.IFunction,
        sum_function: lambda_.IFunction,
        results_bucket: s3.IBucket,
        compute_timeout_seconds: int,
        child_type: sfn.StateMachineType,
        log_retention: logs.RetentionDays,
    ) -> None:
        super().__init__(scope, construct_id)
        self._require_result_writer_v2()
        express = child_type is sfn.StateMachineType.EXPRESS
        if express:
            require_express_duration(compute_timeout_seconds)
        start = self._define_task(
            "Start",
            start_function,
            START_AND_SUM_TIMEOUT_SECONDS,
            STANDARD_RETRIERS,
            payload=sfn.TaskInput.from_object(
                {"input": sfn.JsonPath.entire_payload, "name": sfn.JsonPath.string_at("$$.Execution.Name")}
            ),
        )
        compute = self._define_task(
            "Compute", compute_function, compute_timeout_seconds, EXPRESS_RETRIERS if express else STANDARD_RETRIERS
        )
        compute_map = self._define_compute_map(results_bucket, child_type, compute)
        sum_ = self._define_task("Sum", sum_function, START_AND_SUM_TIMEOUT_SECONDS, STANDARD_RETRIERS)
        self.state_machine = self._define_state_machine(start.next(compute_map).next(sum_), log_retention)
        if results_bucket.encryption_key is not None:
            # The reader and the writer of the map get no rights on the key from aws-cdk-lib (aws-cdk issue 32144).
            results_bucket.encryption_key.grant_encrypt_decrypt(self.state_machine)

    def _require_result_writer_v2(self) -> None:
        if not cdk.FeatureFlags.of(self).is_enabled(RESULT_WRITER_FLAG):
            # With the flag off aws-cdk-lib drops the ResultWriter without a word (aws-cdk issue 35966).
            raise ValueError(
                f'MapReduce needs the feature flag "{RESULT_WRITER_FLAG}": it is off, and the map would write no '
                "results; set it to true in the context of cdk.json"
            )

    def _define_task(
        self,
        name: str,
        function: lambda_.IFunction,
        timeout_seconds: int,
        retriers: Sequence[Retrier],
        payload: sfn.TaskInput | None = None,
    ) -> "FunctionTask":
        task = FunctionTask(
            self,
            name,
            lambda_function=function,
            payload=payload,
            payload_response_only=True,
            retry_on_service_exceptions=False,
            task_timeout=sfn.Timeout.duration(cdk.Duration.seconds(timeout_seconds + TASK_MARGIN_SECONDS)),
        )
        for retrier in retriers:
            task.add_retry(
                errors=list(retrier.errors),
                interval=cdk.Duration.seconds(retrier.interval_seconds),
                backoff_rate=retrier.backoff_rate,
                max_attempts=retrier.max_attempts,
                max_delay=cdk.Duration.seconds(retrier.max_delay_seconds),
                jitter_strategy=sfn.JitterType.FULL,
            )
        return task

    def _define_compute_map(
        self, results_bucket: s3.IBucket, child_type: sfn.StateMachineType, compute: "FunctionTask"
    ) -> sfn.DistributedMap:
        # Compute stops before its time is up and is called again with its own output, so no batch is too long for it.
        is_batch_done = (
            sfn.Choice(self, "IsBatchDone")
            .when(sfn.Condition.boolean_equals("$.done", True), sfn.Succeed(self, "BatchDone"))
            .otherwise(compute)
        )
        # No Retry: it would start a new Map Run.  No Catch: a caught map can't be redriven.
        compute_map = sfn.DistributedMap(
            self,
            "ComputeMap",
            label="ComputeMap",
            map_execution_type=child_type,
            item_reader=BatchesReader(bucket=results_bucket, key=sfn.JsonPath.string_at("$.run.batches_key")),
            item_selector={
                "run": sfn.JsonPath.string_at("$.run.name"),
                "batch": sfn.JsonPath.object_at("$$.Map.Item.Value"),
            },
            max_concurrency_path="$.run.max_concurrency",
            tolerated_failure_count_path="$.run.tolerated_failure_count",
            result_writer_v2=MapResultWriter(
                bucket=results_bucket,
                prefix=sfn.JsonPath.string_at("$.run.map_prefix"),
                writer_config=sfn.WriterConfig(
                    output_type=sfn.OutputType.JSONL, transformation=sfn.Transformation.NONE
                ),
            ),
            result_path="$.map_run",
        )
        return compute_map.item_processor(compute.next(is_batch_done))

    def _define_state_machine(self, definition: sfn.IChainable, log_retention: logs.RetentionDays) -> sfn.StateMachine:
        log_group = logs.LogGroup(
            self,
            "Logs",
            # Names below /aws/vendedlogs/ don't use up the Region's 5,120 characters of log resource policy.
            log_group_name=f"/aws/vendedlogs/states/{cdk.Names.unique_resource_name(self, separator='-')}",
            retention=log_retention,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        return sfn.StateMachine(
            self,
            "StateMachine",
            comment="Start forms the batches of a run, ComputeMap computes them, Sum combines the results",
            definition_body=sfn.DefinitionBody.from_chainable(definition),
            # ALL, not ERROR: the log is the only history that an Express child has.  Without data an event is about
            # 0.5 kB, and a child has 11 of them: 10,000 children log 50 MB, some 3 % of what their transitions cost.
            logs=sfn.LogOptions(destination=log_group, level=sfn.LogLevel.ALL, include_execution_data=False),
            tracing_enabled=True,
        )


def require_express_duration(compute_timeout_seconds: int) -> None:
    """Raise ``ValueError`` if an Express child could reach its limit of 300 s.

    The worst case is one attempt that runs to its time-out, and before it every retry after its longest wait:
    throttled invocations and failures of the service end an attempt at once.
    """
    waits = sum(retrier.longest_wait_seconds for retrier in EXPRESS_RETRIERS)
    allowed = EXPRESS_LIMIT_SECONDS - TASK_MARGIN_SECONDS
    if compute_timeout_seconds + waits > allowed:
        raise ValueError(
            f"Express children may take {allowed} s: a compute time-out of {compute_timeout_seconds} s and {waits} s "
            f"of retries take {compute_timeout_seconds + waits} s; allowed with Express children: a compute time-out "
            f"of at most {allowed - waits} s"
        )


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


class BatchesReader(sfn.S3JsonLItemReader):
    """Reader that may read batches files, and not every object of the bucket."""

    def provide_policy_statements(self) -> list[iam.PolicyStatement]:
        return [iam.PolicyStatement(actions=["s3:GetObject"], resources=[self.bucket.arn_for_objects(BATCHES_KEYS)])]


class MapResultWriter(sfn.ResultWriterV2):
    """Writer that may write below the prefix of map results, and not everywhere in the bucket."""

    def provide_policy_statements(self) -> list[iam.PolicyStatement]:
        assert self.bucket is not None
        return [
            iam.PolicyStatement(
                # Source: "IAM policies for using Distributed Map states", Step Functions Developer Guide.
                actions=["s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"],
                resources=[self.bucket.arn_for_objects(MAP_RESULT_KEYS)],
            )
        ]
