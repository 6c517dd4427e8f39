"""Two rules, for failed jobs and for failed executions with jobs, and the function that they call."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hpc_stack.handlers import Handlers, allow
from hpc_stack.tasks import jobs_arn

MEMORY_MIB = 512
TIMEOUT = cdk.Duration.minutes(2)
# An answer is of use while its task waits: EventBridge tries as long as a function may be throttled.
RETRY_ATTEMPTS = 20
MAX_EVENT_AGE = cdk.Duration.hours(2)


class JobEvents(Construct):
    """Answers tasks for jobs that failed, and ends jobs of executions that failed, timed out or were stopped.

    Step Functions itself ends only what it started with ``.sync``; a job that a function submitted would go on.

    Parameters
    ----------
    machines
        Environment variable of the function -> the machine whose ARN it holds.

    Attributes
    ----------
    function : lambda_.Function
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        handlers: Handlers,
        job_queue_arn: str,
        machines: Mapping[str, sfn.StateMachine],
    ) -> None:
        super().__init__(scope, construct_id)
        machine_arns = {variable: machine.state_machine_arn for variable, machine in machines.items()}
        self.function = function = handlers.define(
            self,
            "Function",
            handler="job_events",
            memory_mib=MEMORY_MIB,
            timeout=TIMEOUT,
            environment={"JOB_QUEUE": job_queue_arn, **machine_arns},
        )
        allow(function, ["states:SendTaskFailure"], list(machine_arns.values()))
        allow(function, ["batch:ListJobs"], ["*"])
        allow(function, ["batch:TerminateJob"], [jobs_arn(self)])
        target = targets.LambdaFunction(function, retry_attempts=RETRY_ATTEMPTS, max_event_age=MAX_EVENT_AGE)
        events.Rule(
            self,
            "JobFailed",
            description="A job failed: its task is answered for it",
            event_pattern=events.EventPattern(
                source=["aws.batch"],
                detail_type=["Batch Job State Change"],
                # Jobs with a task token: of others, children of an array job for example, nobody waits for an answer.
                detail={
                    "status": ["FAILED"],
                    "jobQueue": [job_queue_arn],
                    "container": {"environment": {"name": ["TASK_TOKEN"]}},
                },
            ),
            targets=[target],
        )
        events.Rule(
            self,
            "ExecutionFailed",
            description="An execution failed, timed out or was stopped: its jobs end with it",
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={
                    "status": ["ABORTED", "FAILED", "TIMED_OUT"],
                    "stateMachineArn": list(machine_arns.values()),
                },
            ),
            targets=[target],
        )
