"""Task states: call the integration, with TimeoutSeconds, and note it in the history."""

import asyncio

from hpc_local.execution.frames import Call, Step
from hpc_local.execution.program import State
from hpc_local.integrations.registry import Integration
from hpc_local.language import Json
from hpc_local.language.errors import StatesError, TimeoutStatesError
from hpc_local.language.json_text import compact

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
    for name in ("Scheduled", "Started", "Succeeded", "Failed", "TimedOut")
}


async def run_task(state: State, step: Step) -> Json:
    """Call the task's resource and return its result."""
    resource = state.fields["Resource"]
    integration = step.frame.services.integrations.find(resource)
    parameters = state.flow.arguments(step.effective_input, step.scope)
    timeout_seconds = _seconds(state, step, "TimeoutSeconds")
    heartbeat_seconds = _seconds(state, step, "HeartbeatSeconds")
    events = _Events(integration, step)
    events.scheduled(resource, parameters, timeout_seconds, heartbeat_seconds)
    call = Call(
        frame=step.frame,
        timeout_seconds=timeout_seconds,
        heartbeat_seconds=heartbeat_seconds,
        context=step.scope.context,
    )
    try:
        result = await _within(timeout_seconds, integration, resource, parameters, call)
    except TimeoutStatesError as error:
        events.ended("TimedOut", error)
        raise
    except StatesError as error:
        events.ended("Failed", error)
        raise
    events.succeeded(result)
    return result


def _seconds(state: State, step: Step, name: str) -> float | None:
    setting = state.settings.get(name)
    return None if setting is None else float(setting(step.effective_input, step.scope))


async def _within(
    timeout_seconds: float | None, integration: Integration, resource: str, parameters: Json, call: Call
) -> Json:
    real_seconds = None if timeout_seconds is None else call.frame.services.clock.real_seconds(timeout_seconds)
    try:
        async with asyncio.timeout(real_seconds) as limit:
            return await integration.call(resource, parameters, call)
    except TimeoutError:
        if not limit.expired():
            raise
        raise TimeoutStatesError from None


class _Events:
    """The events of one attempt at a task."""

    def __init__(self, integration: Integration, step: Step) -> None:
        self._names = _FUNCTION_EVENTS if integration.is_function_arn else _TASK_EVENTS
        self._base: dict[str, Json] = (
            {}
            if integration.is_function_arn
            else {"resourceType": integration.resource_type, "resource": integration.resource}
        )
        self._is_function_arn = integration.is_function_arn
        self._step = step

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
            details = {"region": resource_region(self._step), "parameters": text}
        if timeout_seconds is not None:
            details["timeoutInSeconds"] = int(timeout_seconds)
        if heartbeat_seconds is not None and not self._is_function_arn:
            details["heartbeatInSeconds"] = int(heartbeat_seconds)
        self._add("Scheduled", details)
        self._add("Started", {})

    def succeeded(self, result: Json) -> None:
        self._add("Succeeded", {"output": compact(result), "outputDetails": {"truncated": False}})

    def ended(self, name: str, error: StatesError) -> None:
        texts = {"error": error.name, "cause": error.cause}
        self._add(name, {key: text for key, text in texts.items() if text})


def resource_region(step: Step) -> str:
    """Region of the execution, which is the fourth part of its ARN."""
    return step.frame.machine_arn.split(":")[3]
