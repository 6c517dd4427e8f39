"""Steps of the data flow as tasks of the event loop run them: at once if they are quick, otherwise in a thread."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from sfn_local.language.evaluation import NotQuickError, quickly, thoroughly
from sfn_local.language.evaluators import Evaluators

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")

# Threads mostly wait for a process, of which there are fewer.
_THREADS = 8
# Definitions that are checked or compiled at once.
_COMPILERS = 4


class Evaluation:
    """Evaluates the expressions of one server's executions."""

    def __init__(self) -> None:
        self._evaluators = Evaluators()
        self._readers = Evaluators(niceness=0)  # a request waits for its definition, and not for evaluations
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="evaluation")
        self._compiler = ThreadPoolExecutor(_COMPILERS, thread_name_prefix="compiler")

    async def run(
        self, step: Callable[Parameters, Result], *args: Parameters.args, **named: Parameters.kwargs
    ) -> Result:
        """Run a step that changes nothing, and so may be begun twice; raises what it raises."""
        try:
            return quickly(step, *args, **named)
        except NotQuickError:
            return await self.run_in_thread(step, *args, **named)

    async def run_in_thread(
        self, step: Callable[Parameters, Result], *args: Parameters.args, **named: Parameters.kwargs
    ) -> Result:
        """Run a step that is known to take long."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: thoroughly(self._evaluators, step, *args, **named))

    async def compile(self, compile_: Callable[[], Result], *, is_long: bool) -> Result:
        """Check or compile a definition: at once if that is quick, otherwise in a thread that waits for no evaluation.

        Parameters
        ----------
        is_long : bool
            Whether it is known not to be quick.
        """
        if not is_long:
            with contextlib.suppress(NotQuickError):
                return quickly(compile_)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._compiler, lambda: thoroughly(self._readers, compile_))

    def close(self) -> None:
        """End what is evaluated, at once."""
        self._evaluators.close()
        self._readers.close()
        self._compiler.shutdown(wait=False, cancel_futures=True)
        self._threads.shutdown(wait=False, cancel_futures=True)
