"""Jobs of AWS Batch under a rehearsal: each attempt of a job is a trial, with a key pair of its own."""

from collections.abc import Mapping

from sfn_local.batch.jobs import AnyJob, Job
from sfn_local.batch.scheduler import Scheduler
from sfn_local.faults.injector import CURRENT, Attempt
from sfn_local.faults.trials import JobTrial, ProcessKeys
from sfn_local.iam.sessions import job_principal


class JobTrials:
    """
    Parameters
    ----------
    keys
        Of all processes.

    Attributes
    ----------
    scheduler : Scheduler
        Runs the jobs; set before the first of them.
    """

    scheduler: Scheduler

    def __init__(self, keys: ProcessKeys) -> None:
        self._keys = keys
        self._attempts: dict[str, Attempt | None] = {}  # by the id of a job that is no child

    def on_change(self, job: AnyJob) -> None:
        """Note whose a job is, at its first status; forget it at its last."""
        top = _top(job)
        if top.id not in self._attempts:
            attempt = self._attempts[top.id] = CURRENT.get()
            if attempt is not None:
                attempt.has_job = True
        if isinstance(job, Job) and job.status not in ("STARTING", "RUNNING"):
            self._keys.revoke(job.id)
        if job is top and job.stopped_at:
            del self._attempts[top.id]

    def environment(self, job: Job) -> Mapping[str, str]:
        """Begin the trial of an attempt of a job; return the variables of its process."""
        attempt = self._attempts[_top(job).id]
        if attempt is None:
            return {}

        def end() -> bool:
            return self.scheduler.time_out(job) if trial.is_timeout else self.scheduler.crash(job)

        trial = JobTrial(attempt, (job.index or 0, len(job.attempts) + 1), job.index, end)
        return self._keys.issue(job.id, job_principal(job.request.definition.role_arn), lambda: trial)


def _top(job: AnyJob) -> AnyJob:
    """Return the job that was submitted."""
    return job.array if isinstance(job, Job) and job.array is not None else job
