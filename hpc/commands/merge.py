"""A run on the items of another that have no result: it computes those, and its Sum merges the results.

AWS can't redrive a run that SUCCEEDED, and a redrive changes neither the back end nor the batches.
"""

import json
from contextlib import closing
from typing import Any

from botocore.exceptions import ClientError

from hpc.errors import NotStartedError
from hpc.runs.run import Run
from hpc.targets.client import MISSING_CODES, explained, has_code

# Sum's word for a run of which too many items failed: its Map Run has ended, so that a redrive would begin with Sum.
TOO_MANY_FAILED = "FailureToleranceExceededError"
# Fields of the first run's input that the new run keeps.
KEPT_KEYS = ("batch_size", "max_concurrency")
# The state that runs combine and finish.
LAST_STATE = "Sum"
LAST_EVENTS = 50


def needs_new_run(described: dict[str, Any]) -> bool:
    """Whether RedriveExecution can't help a run, as DescribeExecution tells of it."""
    return bool(described["status"] == "SUCCEEDED" or described.get("error") == TOO_MANY_FAILED)


def check_can_change(run: Run, status: str) -> None:
    """Refuse a run that has nothing which another back end or another batch size could compute.

    Raises
    ------
    NotStartedError
        If it goes on, or ended in Start or in Sum.
    """
    if status == "RUNNING":
        raise NotStartedError(f"{run.name} is RUNNING: stop it first (hpc stop {run.name})")
    last = last_state(run)
    if run.settings is None:
        raise NotStartedError(f"{run.name} ended in {last}, and has no items yet: start a new run with these options")
    if last == LAST_STATE:
        raise NotStartedError(
            f"{run.name} ended in {last}, when its items were computed: leave out --back-end and --batch-size"
        )


def last_state(run: Run) -> str:
    """Return the name of the state that a run entered last."""
    history = run.target.stepfunctions.get_execution_history(
        executionArn=run.arn, reverseOrder=True, maxResults=LAST_EVENTS, includeExecutionData=False
    )
    entered = (event.get("stateEnteredEventDetails", {}).get("name") for event in history["events"])
    return next((name for name in entered if name is not None), "an unknown state")


def start_on_missing(run: Run, described: dict[str, Any], name: str, changes: dict[str, Any]) -> str:
    """Start a run on the items of ``run`` that have no result; return what to say of it.

    Parameters
    ----------
    changes
        What else its input has; with ``only_finish`` it computes no item, and finishes the results once more.

    Raises
    ------
    NotStartedError
        If there is none, or the files of the run are gone or don't name it.
    """
    if changes.get("only_finish"):
        _check_has(run, "records.json")
        missing = "the finish"
    elif needs_new_run(described):
        missing = _missing(run, described)
        _check_names_items(run)
    else:
        missing = "the items without a result"
    given = json.loads(described.get("input") or "{}")
    kept = {key: given[key] for key in KEPT_KEYS if key in given}
    with explained(NotStartedError, f"redriving {run.name}"):
        run.target.stepfunctions.start_execution(
            stateMachineArn=run.target.state_machine_arn,
            name=name,
            input=json.dumps({"redrive_of": run.name} | kept | changes),
        )
    return f"started {name} on {missing} of {run.name}"


def _check_has(run: Run, file: str) -> None:
    with explained(NotStartedError, f"redriving {run.name}"):
        if run.settings is None or not run.has(file):
            raise NotStartedError(f"{run.name} can't be redriven: its files are gone from {run.target.bucket}")


def _check_names_items(run: Run) -> None:
    """Refuse a run that does not name its failed items: the new run would fail, and be the latest one."""
    with explained(NotStartedError, f"redriving {run.name}"):
        try:
            body = run.target.s3.get_object(Bucket=run.target.bucket, Key=run.key("failed.jsonl"))["Body"]
        except ClientError as error:
            if not has_code(error, MISSING_CODES):
                raise
            body = None
        if run.settings is None or body is None:
            raise NotStartedError(f"{run.name} can't be redriven: its files are gone from {run.target.bucket}")
        with closing(body):
            if not body.read(1):
                raise NotStartedError(f"{run.name} can't be redriven: its failed.jsonl is empty")


def _missing(run: Run, described: dict[str, Any]) -> str:
    """Return how many items failed, in words."""
    if described["status"] != "SUCCEEDED":
        return "the failed items"
    try:
        output = json.loads(described["output"])
        complete, failed = output["complete"], output["failed"]
    except (KeyError, TypeError, ValueError) as error:
        raise NotStartedError(f"{run.name} SUCCEEDED, and its output does not say whether items failed") from error
    if complete:
        raise NotStartedError(
            f"{run.name} SUCCEEDED and is complete: there is nothing to redrive (--only-finish runs finish again)"
        )
    return f"the {failed:,} failed item{'s' * (failed != 1)}"
