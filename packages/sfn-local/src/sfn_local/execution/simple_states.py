"""Pass, Wait, Succeed and Fail: states that need nothing outside the execution."""

from sfn_local.execution.frames import Step
from sfn_local.execution.program import State
from sfn_local.language import Json
from sfn_local.language.errors import StatesError
from sfn_local.language.timestamps import parse_timestamp


async def run_pass(state: State, step: Step) -> Json:
    """Give ``Result`` if the state has one, else what it was given; null counts as none (recorded)."""
    if state.fields.get("Result") is not None:
        return state.fields["Result"]
    return await step.evaluate(state.flow.arguments)


async def run_wait(state: State, step: Step) -> Json:
    """Wait for ``Seconds`` or until ``Timestamp``; a time in the past doesn't wait."""
    clock = step.frame.services.clock
    if "Seconds" in state.settings:
        seconds = await step.evaluate(state.settings["Seconds"])
    else:
        nanoseconds = parse_timestamp(await step.evaluate(state.settings["Timestamp"]))
        assert nanoseconds is not None  # the setting has checked it
        seconds = nanoseconds / 1e9 - clock.time()
    if seconds > 0:
        await clock.sleep(seconds)
    return step.effective_input


async def run_succeed(_state: State, step: Step) -> Json:
    """End the branch with what the state was given."""
    return step.effective_input


async def run_fail(state: State, step: Step) -> Json:
    """End the execution with ``Error`` and ``Cause``."""
    texts = {
        name: await step.evaluate(setting) for name, setting in state.settings.items() if name in ("Error", "Cause")
    }
    raise StatesError(texts.get("Error"), texts.get("Cause"))
