"""Findings of cdk-nag that stay in the parts of the stack, and the reasons."""

from collections.abc import Sequence

from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hpc_stack import run_keys
from hpc_stack.acknowledgements import acknowledge, acknowledge_wildcards
from hpc_stack.tasks import executions_arn, jobs_arn, map_runs_arn

LATER = "run names, and the keys below them, are not known before a run starts"
TRACES_AND_LOGS = "X-Ray and the delivery of logs have no rights on single resources"
JOBS = "a job that a task submitted is ended with it, and the service makes its id"
LISTED = "AWS Batch has no rights on single resources for looking at jobs"


def acknowledge_serverless(stack: Construct) -> None:
    """Acknowledge what the pack "Serverless" wants of functions and events that nothing is lost without."""
    acknowledge(
        stack,
        {
            "Serverless-LambdaDLQ": "Step Functions waits for what it invokes and EventBridge repeats by itself: no "
            "event is dropped that a queue could keep",
            "Serverless-LambdaTracing": "the machine's own trace has every invocation; segments within functions "
            "would cost more than they tell",
            "Serverless-SNSRedrivePolicy": "an e-mail that was not delivered is of no use later: alarms in the "
            "console and hpc runs still say what it said",
            "Serverless-EventBusDLQ": "an event is of use while its task waits, is tried for two hours, and what is "
            "lost the task's heartbeat ends",
        },
    )


def acknowledge_older_python(stack: Construct) -> None:
    reason = (
        "hpc:python or the Python that synthesizes is this version: local runs and functions have the same packages"
    )
    acknowledge(stack, dict.fromkeys(("AwsSolutions-L1", "Serverless-LambdaLatestVersion"), reason))


def acknowledge_storage(results_bucket: s3.IBucket) -> None:
    acknowledge(
        results_bucket,
        {
            "AwsSolutions-S1": "only roles of the stack read and write the bucket, and its objects can be computed "
            "again: an access log would cost more requests than it is worth"
        },
    )


def acknowledge_functions(
    functions: Construct, results_bucket: s3.IBucket, source_buckets: Sequence[s3.IBucket]
) -> None:
    acknowledge_wildcards(
        functions,
        {
            **{
                results_bucket.arn_for_objects(key): f"{LATER}; Start, Compute or Sum reads {key}"
                for key in run_keys.START_READS + run_keys.COMPUTE_READS + run_keys.SUM_READS
            },
            **{
                results_bucket.arn_for_objects(key): f"{LATER}; {writer} writes {key} and nothing else there"
                for writer, keys in (("Start", run_keys.START), ("Compute", run_keys.COMPUTE), ("Sum", run_keys.SUM))
                for key in keys
            },
            results_bucket.arn_for_objects("uploads/*"): "Start and Compute read data there, named by whoever puts it",
            results_bucket.arn_for_objects(
                run_keys.UPLOADED_WORKLOADS
            ): "Sum reads workloads there, named by their hash",
            **acknowledged_sources(source_buckets),
        },
    )


def acknowledged_sources(source_buckets: Sequence[s3.IBucket]) -> dict[str, str]:
    reason = "a bucket named in hpc:source_buckets, which is the permission to read it"
    return {bucket.arn_for_objects("*"): reason for bucket in source_buckets}


def acknowledge_policies(construct: Construct, policies: Sequence[str]) -> None:
    reason = f"a policy named in hpc:policies, for what workloads reach from {construct.node.id}"
    acknowledge(construct, {f"AwsSolutions-IAM4[Policy::{arn}]": reason for arn in policies})


def acknowledge_map_reduce(
    map_reduce: Construct, state_machine: sfn.StateMachine, results_bucket: s3.IBucket, *, has_jobs: bool
) -> None:
    executions = executions_arn(state_machine)
    reason = f"{TRACES_AND_LOGS}; {LISTED}" if has_jobs else TRACES_AND_LOGS
    acknowledge_wildcards(
        map_reduce,
        {
            results_bucket.arn_for_objects("runs/*/batches.jsonl"): f"{LATER}; the map reads its batches there",
            results_bucket.arn_for_objects("runs/*/map/*"): f"{LATER}; the map writes its result files there",
            f"{executions}:*": "the map watches and stops its child executions, whose names the service makes",
            f"{executions}/ComputeMap:*": "a redrive restarts child executions, whose names the service makes",
            "*": reason,
            **({jobs_arn(map_reduce): f"{JOBS}; here an array job"} if has_jobs else {}),
        },
    )


def acknowledge_network(network: Construct) -> None:
    acknowledge(
        network,
        {
            "AwsSolutions-VPC7": "jobs take no connections and make theirs to services of AWS only: a flow log would "
            "hold nothing else, at the price of every packet"
        },
    )


def acknowledge_batch_jobs(
    batch_jobs: Construct, results_bucket: s3.IBucket, source_buckets: Sequence[s3.IBucket]
) -> None:
    acknowledge_wildcards(
        batch_jobs,
        {
            results_bucket.arn_for_objects("uploads/*"): "jobs read data there, named by whoever puts it",
            **{results_bucket.arn_for_objects(key): f"{LATER}; jobs read {key}" for key in run_keys.JOB_READS},
            **{
                results_bucket.arn_for_objects(key): f"{LATER}; jobs write {key} and nothing else there"
                for key in run_keys.JOB
            },
            "*": "a token for the image registry is for the whole registry",
            **acknowledged_sources(source_buckets),
        },
    )


def acknowledge_job_function(construct: Construct) -> None:
    acknowledge_wildcards(
        construct,
        {
            "*": f"{LISTED}, which is how {construct.node.id} finds those of a run",
            jobs_arn(construct): f"{JOBS}, which is what {construct.node.id} does",
        },
    )


def acknowledge_revisions(construct: Construct, job_definition_revisions_arn: str) -> None:
    acknowledge_wildcards(
        construct,
        {
            job_definition_revisions_arn: "every revision of the one definition: a redrive submits the one that its "
            f"execution began with ({construct.node.id})"
        },
    )


def acknowledge_notices(notices: Construct, machines: Sequence[sfn.StateMachine], results_bucket: s3.IBucket) -> None:
    looks = "looks at any execution that has ended, at what it started and at its Map Runs; it can only read"
    acknowledge_wildcards(
        notices,
        {
            **{
                results_bucket.arn_for_objects(key): f"{LATER}; the function of the messages reads {key}"
                for key in run_keys.files("run.json", "map/*")
            },
            **{
                arn: f"the function of the messages {looks} ({machine.node.path})"
                for machine in machines
                for arn in (
                    *(f"{executions_arn(machine)}{label}:*" for label in ("", "/*")),
                    map_runs_arn(machine),
                )
            },
            "*": f"{LISTED}, which is how the function of the messages finds what they cost",
        },
    )
    acknowledge(
        notices,
        {
            "AwsSolutions-IAM5[Action::kms:GenerateDataKey*]": "the right that the construct library gives to whoever "
            "publishes to a topic that a key encrypts"
        },
    )


def acknowledge_orchestrator(
    orchestrator: Construct, started: Sequence[sfn.StateMachine], results_bucket: s3.IBucket
) -> None:
    acknowledge_wildcards(
        orchestrator,
        {
            **{results_bucket.arn_for_objects(key): f"{LATER}; Compare reads {key}" for key in run_keys.COMPARE_READS},
            jobs_arn(orchestrator): f"{JOBS}; here an entry's array job",
            "*": f"{TRACES_AND_LOGS}, the same as for MapReduce; {LISTED}",
            **{
                f"{executions_arn(machine)}:*": "a machine watches and stops the execution that it started and waits "
                f"for, whose name the service makes ({machine.node.path})"
                for machine in started
            },
        },
    )
