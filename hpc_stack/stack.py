"""The stack: makes the parts and hands them to each other."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hpc_stack.acknowledgements import acknowledge, acknowledge_wildcards
from hpc_stack.config import LOG_RETENTION, HpcConfig
from hpc_stack.functions import Functions, handlers_code
from hpc_stack.map_reduce import MapReduce
from hpc_stack.storage import ResultsStorage

ARCHITECTURES = {"arm64": lambda_.Architecture.ARM_64, "x86_64": lambda_.Architecture.X86_64}


class HpcStack(cdk.Stack):
    """Results bucket, the three functions and the MapReduce machine; outputs StateMachineArn and ResultsBucketName."""

    def __init__(self, scope: Construct, construct_id: str, *, config: HpcConfig) -> None:
        super().__init__(scope, construct_id, description="Serverless HPC: a MapReduce pipeline on Step Functions")
        log_retention = logs.RetentionDays[LOG_RETENTION[config.log_retention_days]]
        results = ResultsStorage(
            self,
            "Results",
            expire_after=cdk.Duration.days(config.results_expire_after_days),
            retain=config.retain_results,
            log_retention=log_retention,
        )
        source_buckets = [s3.Bucket.from_bucket_name(self, f"Source-{name}", name) for name in config.source_buckets]
        functions = Functions(
            self,
            "Functions",
            code=handlers_code(),
            results_bucket=results.bucket,
            source_buckets=source_buckets,
            architecture=ARCHITECTURES[config.architecture],
            compute_memory_mib=config.compute_memory_mib,
            compute_timeout=cdk.Duration.seconds(config.compute_timeout_seconds),
            max_concurrency=config.max_concurrency,
            log_retention=log_retention,
        )
        map_reduce = MapReduce(
            self,
            "MapReduce",
            start_function=functions.start,
            compute_function=functions.compute,
            sum_function=functions.sum,
            results_bucket=results.bucket,
            compute_timeout_seconds=config.compute_timeout_seconds,
            child_type=sfn.StateMachineType[config.child_type],
            log_retention=log_retention,
        )
        cdk.CfnOutput(self, "StateMachineArn", value=map_reduce.state_machine.state_machine_arn)
        cdk.CfnOutput(self, "ResultsBucketName", value=results.bucket.bucket_name)
        acknowledge_findings(results.bucket, source_buckets, functions, map_reduce)


def acknowledge_findings(
    results_bucket: s3.Bucket, source_buckets: Sequence[s3.IBucket], functions: Functions, map_reduce: MapReduce
) -> None:
    """Say of every finding of cdk-nag that stays why it does."""
    acknowledge(
        results_bucket,
        {
            "AwsSolutions-S1": "only roles of the stack read and write the bucket, and its objects can be computed "
            "again: an access log would cost more requests than it is worth"
        },
    )
    later = "run names, and the keys below them, are not known before a run starts"
    acknowledge_wildcards(
        functions,
        {
            results_bucket.arn_for_objects("runs/*"): f"{later}; Start and Sum write there, Compute and Sum read there",
            results_bucket.arn_for_objects("runs/*/parts/*"): f"{later}; Compute writes long outputs there",
            results_bucket.arn_for_objects("uploads/*"): "Start and Compute read data there, named by whoever puts it",
            **{
                bucket.arn_for_objects("*"): "a bucket named in hpc:source_buckets, which is the permission to read it"
                for bucket in source_buckets
            },
        },
    )
    state_machine = map_reduce.state_machine
    name = cdk.Arn.split(state_machine.state_machine_arn, cdk.ArnFormat.COLON_RESOURCE_NAME).resource_name
    executions = cdk.Stack.of(state_machine).format_arn(
        service="states", resource="execution", resource_name=name, arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
    )
    acknowledge_wildcards(
        map_reduce,
        {
            results_bucket.arn_for_objects("runs/*/batches.jsonl"): f"{later}; the map reads its batches there",
            results_bucket.arn_for_objects("runs/*/map/*"): f"{later}; the map writes its result files there",
            f"{executions}:*": "the map watches and stops its child executions, whose names the service makes",
            f"{executions}/ComputeMap:*": "a redrive restarts child executions, whose names the service makes",
            "*": "X-Ray and the delivery of logs have no rights on single resources",
        },
    )
