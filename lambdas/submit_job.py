"""Submit submits the job that will answer a task token."""

import logging
from typing import Any

from lambdas.jobs import job_control
from lambdas.jobs.job_clients import batch_client
from lambdas.run_files import environment
from lambdas.run_files.errors import InvalidEventError

LOGGER = logging.getLogger(__name__)
LOGGER.setLevel(logging.INFO)
# Cost allocation knows a run's jobs by it.
RUN_TAG = "hpc-run"
EVENT_KEYS = {"run", "job_name", "task_token"}


def handler(event: Any, _context: Any) -> dict[str, str]:
    r"""Submit a run's job, after ending what an earlier attempt left behind.

    SubmitJob knows no client token, so a second attempt of the task, which has a token of its own, would leave two
    jobs computing the same: one of them for nobody.

    Parameters
    ----------
    event
        ``{"run": <name>, "job_name": str, "task_token": str}``

    Returns
    -------
    dict
        ``{"job_id": str}``; nobody reads it but a person who looks at the history.
    """
    if (
        not isinstance(event, dict)
        or set(event) != EVENT_KEYS
        or not all(isinstance(text, str) for text in event.values())
    ):
        # Without the event: it holds a task token.
        raise InvalidEventError(f"submit takes the texts {', '.join(sorted(EVENT_KEYS))}")
    client, queue = batch_client(), environment.variable("JOB_QUEUE")
    replaced = job_control.terminate_jobs(client, queue, event["job_name"], job_control.REPLACED)
    response = client.submit_job(
        jobName=event["job_name"],
        jobQueue=queue,
        tags={RUN_TAG: event["job_name"]},
        jobDefinition=environment.variable("JOB_DEFINITION"),
        containerOverrides={
            "environment": [
                {"name": "RUN", "value": event["run"]},
                {"name": "TASK_TOKEN", "value": event["task_token"]},
            ]
        },
    )
    job_id: str = response["jobId"]
    LOGGER.info("job submitted", extra={"run": event["run"], "job_id": job_id, "replaced": replaced})
    return {"job_id": job_id}
