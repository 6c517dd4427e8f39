"""The processes of jobs: forked from a warm process, in the folder of their image, each with a log of its own.

**Differs from AWS:** the command runs in this Python environment, as this user, on the whole file system; a command
other than ``python -m`` is looked up on this machine.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from sfn_local.batch.jobs import Job
from sfn_local.lambda_runtime.fork_server import ForkServer, Listener
from sfn_local.lambda_runtime.function import process_defaults


class JobProcesses:
    """
    Parameters
    ----------
    log_folder
        Gets ``jobs/<job id>.log``, of a child of an array job ``jobs/<job id>/<index>.log``.
    base_environment
        Variables that every job has whatever its definition says: endpoints on loopback, dummy credentials.
    own_environment
        Variables that differ from one attempt to the next.
    """

    def __init__(
        self,
        *,
        log_folder: Path,
        base_environment: Mapping[str, str],
        own_environment: Callable[[Job], Mapping[str, str]],
    ) -> None:
        self._log_folder = log_folder.absolute()
        self._base_environment = dict(base_environment)
        self._own_environment = own_environment
        self._fork_server: ForkServer | None = None

    def listen(self, listener: Listener) -> None:
        """Name who is told what becomes of the processes."""
        self._fork_server = ForkServer(listener=listener, log=self._log_folder / "jobs.log")

    def spawn(self, identity: str, job: Job) -> None:
        """Start an attempt; the first one ever starts the process that they are forked from."""
        log = self._log_folder / job.log_name
        log.parent.mkdir(parents=True, exist_ok=True)
        self._server.spawn(
            identity,
            program={"command": job.request.command},
            code=job.request.code.absolute(),
            environment=self._environment(job),
            log=log,
            memory_mib=job.request.definition.memory_mib,
        )

    def terminate(self, identity: str) -> None:
        """Ask an attempt to end."""
        self._server.terminate(identity)

    def kill(self, identity: str) -> None:
        """End an attempt at once."""
        self._server.kill(identity)

    async def stop(self) -> None:
        """Kill and reap every process."""
        await self._server.stop()

    @property
    def _server(self) -> ForkServer:
        assert self._fork_server is not None
        return self._fork_server

    def _environment(self, job: Job) -> dict[str, str]:
        """Build the whole environment of a job, from scratch.

        Source: AWS Batch user guide, "Job environment variables".
        """
        queue = job.request.queue
        service = {
            "AWS_BATCH_CE_NAME": ",".join(queue.compute_environments),
            "AWS_BATCH_JOB_ATTEMPT": str(len(job.attempts) + 1),
            "AWS_BATCH_JOB_ID": job.id,
            "AWS_BATCH_JQ_NAME": queue.name,
        }
        if job.array is not None:
            service["AWS_BATCH_JOB_ARRAY_INDEX"] = str(job.index)
            service["AWS_BATCH_JOB_ARRAY_SIZE"] = str(len(job.array.children))
        own = self._own_environment(job)
        return {**process_defaults(), **job.request.environment, **service, **self._base_environment, **own}
