"""The two task states that compute a run on AWS Batch, and the function that submits a job with a task token."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hpc_stack.handlers import Handlers, allow
from hpc_stack.tasks import (
    ArrayJobTask,
    Retrier,
    add_retriers,
    define_callback_task,
    jobs_arn,
)

MEMORY_MIB = 512
TIMEOUT = cdk.Duration.minutes(2)

# Cost allocation knows jobs by it, and their tasks.  An execution of Step Functions can't be tagged.
RUN_TAG = "hpc-run"
SUBMIT_ERRORS = ("Batch.AWSBatchException", "Batch.BatchException", "Batch.ServerException")

ARRAY_JOB_RETRIERS = (
    # SubmitJob is limited to 50 calls a second in an account.  Which of its names the service gives to that error is
    # not documented; public definitions have all three.
    Retrier(SUBMIT_ERRORS, interval_seconds=3, max_attempts=6, max_delay_seconds=60),
    # A child was lost, to a kill for example: the children that wrote their part end at once, so that only the others
    # compute.  What a workload raises does not come here: it stands in the part.
    Retrier(("States.TaskFailed",), interval_seconds=30, max_attempts=1, max_delay_seconds=60),
)


@dataclass(frozen=True)
class JobTimes:
    """Time limits of a task: for the whole job, its queueing included, and between heartbeats."""

    timeout_seconds: int
    heartbeat_seconds: int


class JobTasks(Construct):
    """Makes the tasks, each of which expects what Start returns at a path of the state.

    Attributes
    ----------
    submit : lambda_.Function
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        handlers: Handlers,
        job_queue_arn: str,
        job_definition_arn: str,
        job_definition_revisions_arn: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self._job_queue_arn = job_queue_arn
        self._job_definition_arn = job_definition_arn
        self._job_definition_revisions_arn = job_definition_revisions_arn
        self.submit: lambda_.Function = handlers.define(
            self,
            "Submit",
            handler="submit_job",
            memory_mib=MEMORY_MIB,
            timeout=TIMEOUT,
            environment={"JOB_QUEUE": job_queue_arn, "JOB_DEFINITION": job_definition_arn},
        )
        allow(self.submit, ["batch:SubmitJob"], [job_definition_revisions_arn, job_queue_arn])
        allow(self.submit, ["batch:ListJobs"], ["*"])
        allow(self.submit, ["batch:TagResource", "batch:TerminateJob"], [jobs_arn(self)])

    def define_array_job(self, scope: Construct, name: str, *, run_path: str, times: JobTimes) -> ArrayJobTask:
        """Define the task of ``back_end`` "batch": one array job, whose children write the parts that Sum reads."""
        task = ArrayJobTask(
            scope,
            name,
            job_name=sfn.JsonPath.string_at(f"{run_path}.job_name"),
            job_queue_arn=self._job_queue_arn,
            job_definition_arn=self._job_definition_arn,
            job_definition_revisions_arn=self._job_definition_revisions_arn,
            tags={RUN_TAG: sfn.JsonPath.string_at(f"{run_path}.job_name")},
            array_size=sfn.JsonPath.number_at(f"{run_path}.array_size"),
            container_overrides={"environment": {"RUN": sfn.JsonPath.string_at(f"{run_path}.name")}},
            timeout_seconds=times.timeout_seconds,
            result_path=sfn.JsonPath.DISCARD,
        )
        add_retriers(task, ARRAY_JOB_RETRIERS)
        return task

    def define_callback_job(
        self, scope: Construct, name: str, *, run_path: str, result_path: str, times: JobTimes
    ) -> sfn.TaskStateBase:
        """Define the task of ``back_end`` "batch_callback": one job, which returns ``{"key": <its part>}``."""
        return define_callback_task(
            scope,
            name,
            self.submit,
            timeout_seconds=times.timeout_seconds,
            heartbeat_seconds=times.heartbeat_seconds,
            payload={
                "run": sfn.JsonPath.string_at(f"{run_path}.name"),
                "job_name": sfn.JsonPath.string_at(f"{run_path}.job_name"),
            },
            result_path=result_path,
        )
