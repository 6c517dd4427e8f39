"""The stack: makes the parts and hands them to each other."""

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

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
        )
        functions = Functions(
            self,
            "Functions",
            code=handlers_code(),
            results_bucket=results.bucket,
            source_buckets=[s3.Bucket.from_bucket_name(self, f"Source-{name}", name) for name in config.source_buckets],
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
