"""Task states: call the integration, wait for a token where the resource says so, and note it all in the history."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from sfn_local.execution.attempts import task_attempt
from sfn_local.execution.frames import Call, Step
from sfn_local.execution.integrations import TOKEN_PATTERN, FoundResource
from sfn_local.execution.program import State
from sfn_local.execution.task_tokens import Waiter
from sfn_local.language import Json
from sfn_local.language.errors import HeartbeatTimeoutError, StatesError, TimeoutStatesError
from sfn_local.language.json_text import check_size, compact
from sfn_local.language.scope import Scope

# Source: the service model, event types of a Task that names a function and of one that names an integration.
_FUNCTION_EVENTS = {
    "Scheduled": ("LambdaFunctionScheduled", "lambdaFunctionScheduledEventDetails"),
    "Started": ("LambdaFunctionStarted", ""),
    "Succeeded": ("LambdaFunctionSucceeded", "lambdaFunctionSucceededEventDetails"),
    "Failed": ("LambdaFunctionFailed", "lambdaFunctionFailedEventDetails"),
    "TimedOut": ("LambdaFunctionTimedOut", "lambdaFunctionTimedOutEventDetails"),
}
_TASK_EVENTS = {
    name: (f"Task{name}", f"task{name}EventDetails")
    for name in ("Scheduled", "Started", "Submitted", "Succeeded", "Failed", "TimedOut")
}


async def run_task(state: State, step: Step) -> Json:
    """Call the task's resource and return its result."""
    found = step.frame.services.integrations.find(state.fields["Resource"])
    evaluate = step.frame.services.evaluation.run
    if not found.waits_for_token:
        fields = await evaluate(_fields, state, step, step.scope)
        return await _Attempt(state, step, found, fields, None).run()
    with step.frame.services.tokens.issued(step.frame.machine_arn) as (token, waiter):
        scope = step.scope.with_context({**step.scope.context, "Task": {"Token": token}})
        fields = await evaluate(_fields, state, step, scope)
        return await _Attempt(state, step, found, fields, waiter).run()


class _Fields(NamedTuple):
    """A task's fields, evaluated."""

    parameters: Json
    timeout_seconds: float | None
    heartbeat_seconds: float | None


def _fields(state: State, step: Step, scope: Scope) -> _Fields:
    parameters = state.flow.arguments(step.effective_input, scope)
    return _Fields(parameters, _seconds(state, step, "TimeoutSeconds"), _seconds(state, step, "HeartbeatSeconds"))


def _seconds(state: State, step: Step, name: str) -> float | None:
    setting = state.settings.get(name)
    return None if setting is None else float(setting(step.effective_input, step.scope))


class _Attempt:
    """One attempt at a task; ``waiter`` is there if the task ends by its token."""

    def __init__(self, state: State, step: Step, found: FoundResource, fields: _Fields, waiter: Waiter | None) -> None:
        self._step = step
        self._resource = state.fields["Resource"]
        self._integration = found.integration
        self._waiter = waiter
        self._parameters, self._timeout_seconds, self._heartbeat_seconds = fields
        self._events = _Events(found, step)

    async def run(self) -> Json:
        self._events.scheduled(self._resource, self._parameters, self._timeout_seconds, self._heartbeat_seconds)
        try:
            result = await self._within_time()
        except (TimeoutStatesError, HeartbeatTimeoutError) as error:
            self._events.ended("TimedOut", error)
            raise
        except StatesError as error:
            self._events.ended("Failed", error)
            raise
        self._events.succeeded(result)
        return result

    async def _within_time(self) -> Json:
        """Do the work within TimeoutSeconds and, for a task with a token, with heartbeats."""
        clock = self._step.frame.services.clock
        real_seconds = None if self._timeout_seconds is None else clock.real_seconds(self._timeout_seconds)
        if self._waiter is None and real_seconds is None:
            return await self._work()
        try:
            async with asyncio.timeout(real_seconds) as limit, self._heartbeats() as beats:
                return await self._work()
        except TimeoutError:
            if limit.expired():
                raise TimeoutStatesError from None
            if beats is not None and beats.expired():
                raise HeartbeatTimeoutError from None
            raise

    @contextlib.asynccontextmanager
    async def _heartbeats(self) -> AsyncIterator[asyncio.Timeout | None]:
        """Limit the time between heartbeats; each puts the end of it off."""
        if self._waiter is None or self._heartbeat_seconds is None:
            yield None
            return
        real_seconds = self._step.frame.services.clock.real_seconds(self._heartbeat_seconds)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(real_seconds) as limit:
            self._waiter.on_heartbeat = lambda: limit.reschedule(loop.time() + real_seconds)
            yield limit

    async def _work(self) -> Json:
        services = self._step.frame.services
        faults = services.integrations.faults
        if faults is None:
            return await self._result(await self._call())
        task = task_attempt(self._step, self._resource, waits_for_token=self._waiter is not None)
        with faults.attempt(task) as attempt:
            await attempt.begin(services.clock.sleep)
            return attempt.output(await self._result(await attempt.perform(self._call)))

    async def _call(self) -> Json:
        call = Call(
            frame=self._step.frame, on_submitted=self._events.submitted, on_started=self._events.taken_by_worker
        )
        return await self._integration.call(self._resource, self._parameters, call)

    async def _result(self, result: Json) -> Json:
        """Return the task's result: the call's, or what comes with the token."""
        if self._waiter is None:
            return result
        self._events.submitted(result)
        output = await self._waiter.result()
        check_size(compact(output), self._integration.resource_type)
        return output


class _Events:
    """The events of one attempt at a task.

    A function's attempt starts when a worker takes it: until then it is scheduled, however long it waits.
    """

    def __init__(self, found: FoundResource, step: Step) -> None:
        integration, self._step = found.integration, step
        self._is_function_arn = integration.is_function_arn
        self._names = _FUNCTION_EVENTS if self._is_function_arn else _TASK_EVENTS
        name = integration.resource + (TOKEN_PATTERN if found.waits_for_token else "")
        self._base: dict[str, Json] = (
            {} if self._is_function_arn else {"resourceType": integration.resource_type, "resource": name}
        )
        self._waits_for_worker = integration.resource_type == "lambda"
        self._is_started = False

    def _add(self, name: str, details: dict[str, Json]) -> None:
        event_type, details_name = self._names[name]
        self._step.cursor.add(event_type, details_name, {**self._base, **details} if details_name else None)

    def scheduled(
        self, resource: str, parameters: Json, timeout_seconds: float | None, heartbeat_seconds: float | None
    ) -> None:
        text = compact(parameters)
        if self._is_function_arn:
            details: dict[str, Json] = {"resource": resource, "input": text, "inputDetails": {"truncated": False}}
        else:
            details = {"region": _region(self._step), "parameters": text}
        if timeout_seconds is not None:
            details["timeoutInSeconds"] = int(timeout_seconds)
        if heartbeat_seconds is not None and not self._is_function_arn:
            details["heartbeatInSeconds"] = int(heartbeat_seconds)
        self._add("Scheduled", details)
        if not self._waits_for_worker:
            self._start()

    def taken_by_worker(self) -> Callable[[], None]:
        """Note the start, and return what notes the end.

        A history that is full, or refuses events, says so to the attempt's next event.
        """
        call = self._step.cursor.history.begin_call()
        with contextlib.suppress(StatesError):
            self._start()
        return lambda: self._step.cursor.history.end_call(call)

    def _start(self) -> None:
        if not self._is_started:
            self._add("Started", {})
            self._is_started = True

    def submitted(self, result: Json) -> None:
        self._start()  # also of an attempt that no worker took
        self._add("Submitted", {"output": compact(result), "outputDetails": {"truncated": False}})

    def succeeded(self, result: Json) -> None:
        self._start()  # also of an attempt that no worker took
        self._add("Succeeded", {"output": compact(result), "outputDetails": {"truncated": False}})

    def ended(self, name: str, error: StatesError) -> None:
        self._start()  # also of an attempt that no worker took
        texts = {"error": error.name, "cause": error.cause}
        self._add(name, {key: text for key, text in texts.items() if text})


def _region(step: Step) -> str:
    """Region of the execution, which is the fourth part of its ARN."""
    return step.frame.machine_arn.split(":")[3]
