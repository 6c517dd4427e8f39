"""The work of every state type, and the choice between the two kinds of Map."""

from collections.abc import Mapping

from sfn_local.execution.frames import Step, Work
from sfn_local.execution.parallel import run_inline_map, run_parallel
from sfn_local.execution.program import State
from sfn_local.execution.simple_states import run_fail, run_pass, run_succeed, run_wait
from sfn_local.execution.tasks import run_task
from sfn_local.language import Json
from sfn_local.maps.distributed_map import run_distributed_map


async def run_map(state: State, step: Step) -> Json:
    """Run a Map state in the mode of its item processor."""
    mode = state.branches[0].processor_config.get("Mode", "INLINE")
    return await (run_distributed_map if mode == "DISTRIBUTED" else run_inline_map)(state, step)


WORK: Mapping[str, Work] = {
    "Fail": run_fail,
    "Map": run_map,
    "Parallel": run_parallel,
    "Pass": run_pass,
    "Succeed": run_succeed,
    "Task": run_task,
    "Wait": run_wait,
}
"""Choice has no entry: it only decides where to go (see :mod:`sfn_local.execution.interpreter`)."""
