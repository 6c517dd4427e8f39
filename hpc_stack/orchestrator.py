"""Three machines that start each other: for every entry, one answer computed on each back end and compared.

::

    ComplexOrchestrator   a Map over the entries
      SyncNested          for one entry: a task token, a nested execution, an array job, a job with a task token
        CallbackNotify    runs MapReduce; its end is the answer that SyncNested waits for
"""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hpc_stack import run_keys
from hpc_stack.entry_failure import define_entry_failure
from hpc_stack.handlers import Handlers
from hpc_stack.job_tasks import JobTasks, JobTimes
from hpc_stack.state_machine import define_state_machine
from hpc_stack.tasks import (
    START_AND_SUM_TIMEOUT_SECONDS,
    ExecutionTask,
    Retrier,
    add_retriers,
    after_seconds,
    define_callback_task,
    define_function_task,
    execution_start,
)

MEMORY_MIB = 512
NOTIFY_TIMEOUT_SECONDS = 60
COMPARE_TIMEOUT_SECONDS = 300
# The three back ends of an entry, one after the other, and the functions between them.
BACK_ENDS_OF_ENTRY = 3
FUNCTIONS_OF_ENTRY_SECONDS = 1_800
# Fields of a run's answer that are kept: a total may have any length, so its place is kept.
RESULT_FIELDS = ("result_file", "count", "failed")


class Orchestrator(Construct):
    """The machines ComplexOrchestrator, SyncNested and CallbackNotify.

    Parameters
    ----------
    map_reduce
        What CallbackNotify runs.
    start_function, sum_function
        Begin and end the runs whose jobs SyncNested submits itself.
    max_concurrency
        Entries that are computed at once.
    times
        What each of an entry's three back ends may take.
    retry_interval_seconds
        First wait before an entry that failed is tried again.
    run_timeout_seconds
        What all entries together may take.

    Attributes
    ----------
    complex_orchestrator, sync_nested, callback_notify : sfn.StateMachine
        Input of the first: ``{"input": {"entries": [{"name": str, "size"?, "workload"?, "params"?, "fail"?}, ...]}}``.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        handlers: Handlers,
        map_reduce: sfn.StateMachine,
        start_function: lambda_.IFunction,
        sum_function: lambda_.IFunction,
        job_tasks: JobTasks,
        max_concurrency: int,
        times: JobTimes,
        retry_interval_seconds: int,
        run_timeout_seconds: int,
        log_retention: logs.RetentionDays,
    ) -> None:
        super().__init__(scope, construct_id)
        self._start_function = start_function
        self._sum_function = sum_function
        self._job_tasks = job_tasks
        self._times = times
        self._log_retention = log_retention
        self._run_timeout_seconds = run_timeout_seconds
        self._define_functions(handlers)
        self.callback_notify = self._define_callback_notify(map_reduce)
        self.sync_nested = self._define_sync_nested()
        self.complex_orchestrator = self._define_complex_orchestrator(max_concurrency, retry_interval_seconds)
        # A policy of its own: the machine refers to the function, which refers to its role.
        assert self.notify.role is not None
        iam.Policy(
            self,
            "AnswerNotify",
            roles=[self.notify.role],
            statements=[
                iam.PolicyStatement(
                    actions=["states:SendTaskSuccess", "states:SendTaskFailure"],
                    resources=[self.sync_nested.state_machine_arn],
                )
            ],
        )

    def _define_functions(self, handlers: Handlers) -> None:
        self.notify = handlers.define(
            self,
            "Notify",
            handler="notify",
            memory_mib=MEMORY_MIB,
            timeout=cdk.Duration.seconds(NOTIFY_TIMEOUT_SECONDS),
        )
        self.compare = handlers.define(
            self,
            "Compare",
            handler="compare",
            memory_mib=MEMORY_MIB,
            timeout=cdk.Duration.seconds(COMPARE_TIMEOUT_SECONDS),
            reads=run_keys.COMPARE_READS,
        )

    def _define_callback_notify(self, map_reduce: sfn.StateMachine) -> sfn.StateMachine:
        scope = Construct(self, "CallbackNotify")
        run = ExecutionTask(
            scope,
            "RunMapReduce",
            state_machine=map_reduce,
            input=sfn.TaskInput.from_object(run_input()),
            result_selector=selected("$.Output."),
            task_timeout=after_seconds(self._times.timeout_seconds),
        )
        return self._define_machine(
            scope,
            run.next(sfn.Succeed(scope, "Notified")),
            "Runs MapReduce for one entry and succeeds: that notifies the execution which waits for it",
        )

    def _define_sync_nested(self) -> sfn.StateMachine:
        scope = Construct(self, "SyncNested")
        notify = define_callback_task(
            scope,
            "Notify",
            self.notify,
            timeout_seconds=2 * NOTIFY_TIMEOUT_SECONDS,
            heartbeat_seconds=NOTIFY_TIMEOUT_SECONDS,
            payload={
                "entry": sfn.JsonPath.object_at("$.entry"),
                "entry_count": sfn.JsonPath.number_at("$.entry_count"),
            },
        )
        callback_notify = ExecutionTask(
            scope,
            "CallbackNotify",
            state_machine=self.callback_notify,
            input=sfn.TaskInput.from_object({"input": sfn.JsonPath.object_at("$.input")}),
            result_selector=selected("$.Output."),
            result_path="$.results.lambda",
            # Longer than the task in it, so that this one's time-out is the one that tells.
            task_timeout=after_seconds(self._times.timeout_seconds + 60),
        )
        array_job = self._job_tasks.define_array_job(
            scope, "ComputeArrayJob", run_path="$.array_job.run", times=self._times
        )
        callback_job = self._job_tasks.define_callback_job(
            scope,
            "ComputeCallbackJob",
            run_path="$.callback_job.run",
            result_path="$.callback_job.callback",
            times=self._times,
        )
        compare = define_function_task(
            scope,
            "CompareTotals",
            self.compare,
            COMPARE_TIMEOUT_SECONDS,
            payload=sfn.TaskInput.from_object(
                {
                    "name": sfn.JsonPath.string_at("$.name"),
                    "total_characters": sfn.JsonPath.number_at("$.total_characters"),
                    "results": sfn.JsonPath.object_at("$.results"),
                }
            ),
        )
        definition = (
            sfn.Chain.start(notify)
            .next(callback_notify)
            .next(self._define_start(scope, "StartArrayJob", "batch", "$.array_job"))
            .next(array_job)
            .next(self._define_sum(scope, "SumArrayJob", "batch", {"run": sfn.JsonPath.object_at("$.array_job.run")}))
            .next(self._define_start(scope, "StartCallbackJob", "batch_callback", "$.callback_job"))
            .next(callback_job)
            .next(
                self._define_sum(
                    scope,
                    "SumCallbackJob",
                    "batch_callback",
                    {
                        "run": sfn.JsonPath.object_at("$.callback_job.run"),
                        "callback": sfn.JsonPath.object_at("$.callback_job.callback"),
                    },
                )
            )
            .next(compare)
        )
        return self._define_machine(scope, definition, "One entry on every back end, and whether their totals agree")

    def _define_start(self, scope: Construct, name: str, back_end: str, result_path: str) -> sfn.TaskStateBase:
        run = {**run_input(), "batch_size": sfn.JsonPath.number_at("$.batch_size"), "back_end": back_end}
        return define_function_task(
            scope,
            name,
            self._start_function,
            START_AND_SUM_TIMEOUT_SECONDS,
            payload=sfn.TaskInput.from_object(
                {
                    "input": run,
                    # Keys are under runs/<this execution>/<back end>/.
                    "name": sfn.JsonPath.format(f"{{}}/{back_end}", sfn.JsonPath.string_at("$$.Execution.Name")),
                    "started": execution_start(),
                }
            ),
            result_path=result_path,
        )

    def _define_sum(self, scope: Construct, name: str, back_end: str, payload: dict[str, Any]) -> sfn.TaskStateBase:
        return define_function_task(
            scope,
            name,
            self._sum_function,
            START_AND_SUM_TIMEOUT_SECONDS,
            payload=sfn.TaskInput.from_object(payload),
            result_selector=selected("$."),
            result_path=f"$.results.{back_end}",
        )

    def _define_complex_orchestrator(self, max_concurrency: int, retry_interval_seconds: int) -> sfn.StateMachine:
        scope = Construct(self, "ComplexOrchestrator")
        entry_seconds = BACK_ENDS_OF_ENTRY * self._times.timeout_seconds + FUNCTIONS_OF_ENTRY_SECONDS
        sync_nested = ExecutionTask(
            scope,
            "SyncNested",
            state_machine=self.sync_nested,
            input=sfn.TaskInput.from_object(
                {
                    "entry": sfn.JsonPath.object_at("$.entry"),
                    "entry_count": sfn.JsonPath.number_at("$.entry_count"),
                }
            ),
            output_path="$.Output",
            task_timeout=after_seconds(entry_seconds),
        )
        # Source of attempts and back-off: aws-samples/aws-stepfunction-complex-orchestrator-app, its primary machine.
        add_retriers(sync_nested, (entry_retrier(retry_interval_seconds),))
        # A caught state has ended: a redrive goes on with EntryFailed, and never with the entry itself.
        sync_nested.add_catch(define_entry_failure(scope), errors=["States.ALL"], result_path="$.failure")
        entries = sfn.Map(
            scope,
            "MapEntries",
            items_path="$.input.entries",
            item_selector={
                "entry": sfn.JsonPath.object_at("$$.Map.Item.Value"),
                "entry_count": sfn.JsonPath.array_length(sfn.JsonPath.object_at("$.input.entries")),
            },
            max_concurrency=max_concurrency,
        ).item_processor(sync_nested)
        return self._define_machine(
            scope, entries, "Every entry on every back end", timeout_seconds=self._run_timeout_seconds
        )

    def _define_machine(
        self, scope: Construct, definition: sfn.IChainable, comment: str, *, timeout_seconds: int | None = None
    ) -> sfn.StateMachine:
        return define_state_machine(
            scope,
            definition=definition,
            comment=comment,
            log_retention=self._log_retention,
            timeout_seconds=timeout_seconds,
        )


def run_input() -> dict[str, Any]:
    """Return the part of a run's input that an entry says."""
    return {
        "size": sfn.JsonPath.number_at("$.input.size"),
        "workload": sfn.JsonPath.string_at("$.input.workload"),
        "params": sfn.JsonPath.object_at("$.input.params"),
    }


def selected(path: str) -> dict[str, str]:
    """Return the selection of what is kept of an answer that begins at a path."""
    return {f"{name}.$": f"{path}{name}" for name in RESULT_FIELDS}


def entry_retrier(interval_seconds: int) -> Retrier:
    """Return the retrier of an entry; all it does is begun anew."""
    return Retrier(("States.TaskFailed",), interval_seconds=interval_seconds, max_attempts=3, max_delay_seconds=14_400)
