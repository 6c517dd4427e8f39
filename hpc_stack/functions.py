"""The Lambda functions Start, Compute and Sum."""

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from hpc_stack import run_keys
from hpc_stack.handlers import Handlers, allow, attach
from hpc_stack.tasks import START_AND_SUM_TIMEOUT_SECONDS

# One vCPU.
START_AND_SUM_MEMORY_MIB = 1_769
START_AND_SUM_TIMEOUT = cdk.Duration.seconds(START_AND_SUM_TIMEOUT_SECONDS)


class Functions(Construct):
    """The three functions of the pipeline, allowed what their handlers do and no more.

    Parameters
    ----------
    ephemeral_storage_mib
        Of /tmp of Compute.
    workload_environment
        What workloads find in their environment, in all three functions.
    policies
        ARNs of managed policies of Compute, for what workloads reach besides.
    start_environment
        What Start has to know of the stack.
    layers
        What workloads import: all three functions load the workload of a run.
    uploaded_workloads
        Whether that may be one that was uploaded for the run.

    Attributes
    ----------
    start, compute, sum : lambda_.Function
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        handlers: Handlers,
        source_buckets: Sequence[s3.IBucket],
        source_kms_keys: Sequence[str],
        compute_memory_mib: int,
        compute_timeout: cdk.Duration,
        ephemeral_storage_mib: int,
        workload_environment: Mapping[str, str],
        policies: Sequence[str],
        start_environment: Mapping[str, str],
        uploaded_workloads: bool,
        layers: Sequence[lambda_.ILayerVersion] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        source_names = ",".join(bucket.bucket_name for bucket in source_buckets)
        self.start = handlers.define(
            self,
            "Start",
            handler="start",
            memory_mib=START_AND_SUM_MEMORY_MIB,
            timeout=START_AND_SUM_TIMEOUT,
            environment={**workload_environment, "SOURCE_BUCKETS": source_names, **start_environment},
            layers=layers,
            reads=(*run_keys.START_READS, "uploads/*"),
            writes=run_keys.START,
            uploads=run_keys.START_UPLOADS,
        )
        self.compute = handlers.define(
            self,
            "Compute",
            handler="compute",
            memory_mib=compute_memory_mib,
            timeout=compute_timeout,
            environment=workload_environment,
            ephemeral_storage_mib=ephemeral_storage_mib,
            layers=layers,
            # uploads/ as well: an item may be one of the objects that a person put there, as in a source bucket.
            reads=(*run_keys.COMPUTE_READS, "uploads/*"),
            writes=run_keys.COMPUTE,
        )
        self.sum = handlers.define(
            self,
            "Sum",
            handler="sum",
            layers=layers,
            memory_mib=START_AND_SUM_MEMORY_MIB,
            timeout=START_AND_SUM_TIMEOUT,
            environment=workload_environment,
            reads=(*run_keys.SUM_READS, *((run_keys.UPLOADED_WORKLOADS,) if uploaded_workloads else ())),
            writes=run_keys.SUM,
            uploads=run_keys.SUM_UPLOADS,
        )
        attach(self.compute, policies)
        # A run of uploaded files begins with a list of them, a redrive with a look at which records are there.
        allow(
            self.start,
            ["s3:ListBucket"],
            [handlers.results_bucket.bucket_arn],
            {"StringLike": {"s3:prefix": [*run_keys.START_LISTS, "uploads/*"]}},
        )
        if source_kms_keys:
            for reader in (self.start, self.compute):
                allow(reader, ["kms:Decrypt"], source_kms_keys)
        for bucket in source_buckets:
            for reader in (self.start, self.compute):
                allow(reader, ["s3:GetObject"], [bucket.arn_for_objects("*")])
            allow(self.start, ["s3:ListBucket"], [bucket.bucket_arn])
