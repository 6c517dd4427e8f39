"""Errors that an execution sees, and which of them a Retry or Catch entry matches.

Where AWS's documentation and recorded executions disagree, the recordings decide: ``States.ALL`` matches
``States.DataLimitExceeded`` of a task (documented as unmatched), and ``States.Runtime`` isn't caught even by its own
name.

Differs from AWS: not known to.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from sfn_local.language import Json

ALL = "States.ALL"
TASK_FAILED = "States.TaskFailed"
TIMEOUT = "States.Timeout"
HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"
RUNTIME = "States.Runtime"
# Cause of a `RUNTIME` error where Python's own limit of recursion ends what can be read or written.
TOO_DEEP = "the data is nested too deep"


class StatesError(Exception):
    """A failure inside an execution: its ``Error`` and ``Cause``.

    Parameters
    ----------
    name : str or None
        What ``ErrorEquals`` compares with.  None only for a Fail state without ``Error``.
    cause : str or None
        Text for people; a Lambda function's is a JSON document.
    """

    def __init__(self, name: str | None, cause: str | None = None) -> None:
        super().__init__(name, cause)
        self.name = name
        self.cause = cause

    def __str__(self) -> str:
        return f"{self.name}: {self.cause}"

    @property
    def matched_name(self) -> str | None:
        """The name that ErrorEquals is compared with."""
        return self.name

    @property
    def output(self) -> dict[str, Json]:
        """The error output of a catcher: ``{"Error": str, "Cause": str}``."""
        return {"Error": self.name or "", "Cause": self.cause or ""}


class PredefinedError(StatesError):
    """Base of the errors whose names the language defines."""

    NAME: ClassVar[str]

    def __init__(self, cause: str | None = None) -> None:
        super().__init__(self.NAME, cause)


class StatesRuntimeError(PredefinedError):
    """A path without a value, or a value that a field can't take: never retried, never caught."""

    NAME = RUNTIME


class QueryEvaluationError(PredefinedError):
    """A JSONata expression failed, returned nothing, or returned what its field can't take."""

    NAME = "States.QueryEvaluationError"


class DataLimitExceededError(PredefinedError):
    """A payload or a variable over its size limit."""

    NAME = "States.DataLimitExceeded"


class AssignmentLimitError(DataLimitExceededError):
    """The variables of the execution exceed their size limit."""


class VariableLimitError(AssignmentLimitError):
    """A variable, or what one state assigns, over its size limit."""


class ItemSelectionError(StatesRuntimeError):
    """ItemSelector of an inline Map state has a path without a value."""


class IntrinsicFailureError(PredefinedError):
    """An intrinsic function refused its arguments."""

    NAME = "States.IntrinsicFailure"


class ReferencePathConflictError(PredefinedError):
    """ResultPath can't be applied to the state's input, or ItemsPath leads nowhere in it."""

    NAME = "States.ReferencePathConflict"


class TimeoutStatesError(PredefinedError):
    """A state, or the execution, ran longer than its TimeoutSeconds."""

    NAME = TIMEOUT


class HeartbeatTimeoutError(PredefinedError):
    """A task sent no heartbeat within its HeartbeatSeconds.

    As recorded it is told as ``States.Timeout``; as documented, Retry and Catch may also name it
    ``States.HeartbeatTimeout``.
    """

    NAME = TIMEOUT

    @property
    def matched_name(self) -> str:
        return HEARTBEAT_TIMEOUT


class TaskFailedError(PredefinedError):
    """A task failed without an error name of its own."""

    NAME = TASK_FAILED


class ItemReaderFailedError(PredefinedError):
    """A Map state couldn't read its items."""

    NAME = "States.ItemReaderFailed"


class ResultWriterFailedError(PredefinedError):
    """A Map state couldn't write its results."""

    NAME = "States.ResultWriterFailed"


class ExceedToleratedFailureThresholdError(PredefinedError):
    """More items of a Map Run failed than it tolerates."""

    NAME = "States.ExceedToleratedFailureThreshold"


# name: when it is reported.  Source: AWS documentation, "Handling errors in Step Functions workflows".
PREDEFINED_NAMES: Mapping[str, str] = {
    ALL: "wildcard of ErrorEquals",
    "States.BranchFailed": "a branch of a Parallel state failed",
    "States.DataLimitExceeded": "a payload over 256 KiB",
    "States.ExceedToleratedFailureThreshold": "more items failed than a Map Run tolerates",
    HEARTBEAT_TIMEOUT: "no heartbeat within HeartbeatSeconds",
    "States.Http.Socket": "an HTTP task timed out",
    "States.IntrinsicFailure": "an intrinsic function refused its arguments",
    "States.ItemReaderFailed": "items couldn't be read",
    "States.NoChoiceMatched": "no rule of a Choice state matched",
    "States.ParameterPathFailure": "a path of Parameters has no value",
    "States.Permissions": "a task lacks privileges",
    "States.QueryEvaluationError": "a JSONata expression failed",
    "States.ReferencePathConflict": "ResultPath or ItemsPath can't be applied to the input",
    "States.ResultPathMatchFailure": "ResultPath can't be applied to the input",
    "States.ResultWriterFailed": "results couldn't be written",
    RUNTIME: "an exception that the state machine can't process",
    TASK_FAILED: "a task failed; wildcard of ErrorEquals",
    TIMEOUT: "TimeoutSeconds passed",
}


def matches(error_equals: Iterable[str], name: str | None) -> bool:
    """Whether a retrier or catcher with these ErrorEquals handles the error of this name.

    Notes
    -----
    ``States.TaskFailed`` stands for every error but ``States.Timeout``, ``States.ALL`` for every error.
    A missed heartbeat is also a time-out, so ``States.Timeout`` matches it.
    """
    if name == RUNTIME:
        return False
    for wanted in error_equals:
        if wanted in (name, ALL):
            return True
        if wanted == TASK_FAILED and name not in (TIMEOUT, HEARTBEAT_TIMEOUT):
            return True
        if wanted == TIMEOUT and name == HEARTBEAT_TIMEOUT:
            return True
    return False


def in_state(error: StatesError, state_name: str, event_id: int) -> StatesError:
    """The error as the execution reports it: its cause says which state failed and where that was entered.

    Parameters
    ----------
    event_id : int
        Id of the history event that entered the state.
    """
    prefix = f"An error occurred while executing the state '{state_name}' (entered at the event id #{event_id}). "
    return StatesError(error.name, prefix + (error.cause or ""))
