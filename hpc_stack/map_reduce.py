"""The pipeline: the state machine Start -> Distributed Map of Compute -> Sum."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hpc_stack.encryption import allow_key_of_objects
from hpc_stack.state_machine import define_state_machine
from hpc_stack.tasks import (
    EXPRESS_RETRIERS,
    STANDARD_RETRIERS,
    START_AND_SUM_TIMEOUT_SECONDS,
    TASK_MARGIN_SECONDS,
    FunctionTask,
    define_function_task,
    execution_start,
)

RESULT_WRITER_FLAG = "@aws-cdk/aws-stepfunctions:useDistributedMapResultWriterV2"
BATCHES_KEYS = "runs/*/batches.jsonl"
MAP_RESULT_KEYS = "runs/*/map/*"

# Source: Step Functions quotas, "Maximum execution time", Express.
EXPRESS_LIMIT_SECONDS = 300


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
    run_timeout_seconds : int
        After which a run ends as ``States.Timeout``, done or not: what it may cost has an end.
    other_back_ends : Mapping[str, sfn.TaskStateBase], optional
        Input's ``back_end`` -> the task that computes the batches in the place of the map.

    Attributes
    ----------
    state_machine : sfn.StateMachine
        Execution input ``{"size": int}``; execution output ``{"result": str, "total_sum": str, "count": int, ...}``.

    log_group : logs.ILogGroup
        Has every event of executions and their children, without data.

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
        run_timeout_seconds: int = 90_000,
        other_back_ends: Mapping[str, sfn.TaskStateBase] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._require_result_writer_v2()
        express = child_type is sfn.StateMachineType.EXPRESS
        if express:
            require_express_duration(compute_timeout_seconds)
        start = define_function_task(
            self,
            "Start",
            start_function,
            START_AND_SUM_TIMEOUT_SECONDS,
            payload=sfn.TaskInput.from_object(
                {
                    "input": sfn.JsonPath.entire_payload,
                    "name": sfn.JsonPath.string_at("$$.Execution.Name"),
                    "started": execution_start(),
                }
            ),
        )
        compute = define_function_task(
            self,
            "Compute",
            compute_function,
            compute_timeout_seconds,
            retriers=EXPRESS_RETRIERS if express else STANDARD_RETRIERS,
        )
        compute_map = self._define_compute_map(results_bucket, child_type, compute)
        sum_ = define_function_task(self, "Sum", sum_function, START_AND_SUM_TIMEOUT_SECONDS)
        compute_map.next(sum_)
        self.state_machine = define_state_machine(
            self,
            definition=start.next(self._choose_back_end(compute_map, other_back_ends, sum_)),
            comment="Start forms the batches of a run, ComputeMap computes them, Sum combines the results",
            log_retention=log_retention,
            timeout_seconds=run_timeout_seconds,
        )
        log_group = self.node.find_child("Logs")
        assert isinstance(log_group, logs.LogGroup)
        self.log_group = log_group
        if express:
            self._take_redriving_away()
        allow_key_of_objects(self.state_machine, results_bucket, reads=True, writes=True)

    def _take_redriving_away(self) -> None:
        """Leave out the last statement of aws-cdk-lib's policy: a redrive starts Express children anew."""
        policy = self.state_machine.node.find_child("DistributedMapPolicy").node.default_child
        assert isinstance(policy, cdk.CfnResource)
        policy.add_property_deletion_override("PolicyDocument.Statement.2")

    def _require_result_writer_v2(self) -> None:
        if not cdk.FeatureFlags.of(self).is_enabled(RESULT_WRITER_FLAG):
            # With the flag off aws-cdk-lib drops the ResultWriter without a word (aws-cdk issue 35966).
            raise ValueError(
                f'MapReduce needs the feature flag "{RESULT_WRITER_FLAG}": it is off, and the map would write no '
                "results; set it to true in the context of cdk.json"
            )

    def _choose_back_end(
        self, compute_map: sfn.State, others: Mapping[str, sfn.TaskStateBase] | None, sum_: sfn.State
    ) -> sfn.IChainable:
        if not others:
            return compute_map
        choice = sfn.Choice(self, "ChooseBackEnd")
        for name, task in others.items():
            choice.when(sfn.Condition.string_equals("$.run.back_end", name), task.next(sum_))
        return choice.otherwise(compute_map)

    def _define_compute_map(
        self, results_bucket: s3.IBucket, child_type: sfn.StateMachineType, compute: FunctionTask
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
