"""Starts the parent of workers before a command imports its own modules, because both take time."""

from contextlib import AbstractContextManager, nullcontext

from hpc.targets.home import Home


def workers_started() -> AbstractContextManager[None]:
    """Start the process that workers are forked from; it ends with the context where no server has taken it."""
    try:
        from sfn_local.lambda_runtime.worker_parent import started_early  # noqa: PLC0415 - of the extra "local"
    except ModuleNotFoundError:
        return nullcontext()  # the command says so where it needs it
    return started_early(Home.from_environment().folder)
