"""Limits on how long an execution may take."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from sfn_local.clock import Clock
from sfn_local.language import Json
from sfn_local.language.errors import StatesError

# Source: Step Functions quotas, Express Workflows.
EXPRESS_SECONDS = 300


class ExecutionTimeoutError(StatesError):
    """An execution, not one of its states, ran out of time: it ends as TIMED_OUT and nothing catches this."""

    def __init__(self) -> None:
        super().__init__("States.Timeout", None)


async def within(work: Coroutine[Any, Any, Json], seconds: float | None, clock: Clock) -> Json:
    """Await ``work`` for at most ``seconds`` of the runner's clock; None means without limit."""
    if seconds is None:
        return await work
    try:
        async with asyncio.timeout(clock.real_seconds(seconds)) as limit:
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
        raise ExecutionTimeoutError from None


async def within_express_limit(work: Coroutine[Any, Any, Json], clock: Clock) -> Json:
    return await within(work, EXPRESS_SECONDS, clock)
