"""Named errors of the handlers: the class name is the text that ``ErrorEquals`` matches and that a person reads first.

Only ``StorageUnavailableError`` is worth a retry; every other one says the same thing again when it is tried again.
"""

from typing import Any, Self

from lambdas.contract.limits import MAX_ERROR_MESSAGE_CHARACTERS
from lambdas.run_files import json_text
from lambdas.run_files.failures import Failure, failure_of, with_details


class PipelineInterrupt(BaseException):
    """Interrupts a workload for a reason of the pipeline's; whatever else a workload raises is the workload's own."""


class ConfigurationError(Exception):
    """The function's environment lacks something that the stack should have set."""


class InvalidInputError(Exception):
    """The execution input, or the data that it points to, is not what is allowed."""


class InvalidEventError(Exception):
    """A handler was called with something that the state machine does not send."""


class _WorkloadFailedError(Exception):
    """An error whose text is a sentence and, where the workload raised, a line of JSON with what it raised.

    Lambda hands on no more of an exception than its text: programs read that line.
    """

    def __init__(self, sentence: str, failure: Failure | None = None, **details: Any) -> None:
        super().__init__(sentence if failure is None else with_details(sentence, failure.to_json() | details))
        self.sentence = sentence
        self.failure = failure

    def failure_of_all(self) -> Failure:
        """Return the error itself as the failure of items that it keeps from being computed."""
        sentence = json_text.shortened(self.sentence, MAX_ERROR_MESSAGE_CHARACTERS)
        return Failure(type(self).__name__, sentence, self.failure.traceback if self.failure else "")

    @classmethod
    def of(cls, error: BaseException, workload_file: str, sentence: str, **details: Any) -> Self:
        """Return the error for what a workload raised; ``sentence`` says where, and what was raised follows it."""
        failure = failure_of(error, workload_file)
        return cls(f"{sentence}: {failure}", failure, **details)


class WorkloadError(_WorkloadFailedError):
    """The workload's file does not keep the workload contract, or one of its functions that is of no item raised."""


class WorkloadChangedError(Exception):
    """The workload's file is not the one that the run was started with: results of both would be mixed."""


class UploadedWorkloadError(Exception):
    """The uploaded files of a workload are not those that the run names, or are not what may be uploaded."""


class ItemFailedError(_WorkloadFailedError):
    """A workload raised for one item; the message names its index."""


class ItemTooLongError(_WorkloadFailedError):
    """One item does not fit into one invocation of Compute; the message names its index."""


class JobKilledError(Exception):
    """A signal ended the process in which a job computed; it may have had too little memory."""

    def __init__(self, message: str, signal_number: int = 0) -> None:
        super().__init__(message)
        self.signal_number = signal_number


class MissingResultsError(Exception):
    """The result files do not account for every item of the run."""


class OverlappingResultsError(Exception):
    """A result covers items that are no batch of the run."""


class ResultFileError(Exception):
    """A manifest or result file is broken, truncated, or belongs to another run."""


class FailureToleranceExceededError(_WorkloadFailedError):
    """More items failed than ``tolerated_failure_percentage`` allows."""


class TotalsDisagreeError(Exception):
    """Back ends gave different results for the same input."""


class StorageAccessError(Exception):
    """An object or a bucket does not exist, or may not be read or written."""


class StorageUnavailableError(Exception):
    """S3 throttled, failed or could not be reached, after the client's own retries."""


# Errors that are not the workload's own: an interrupt, and errors of reading the data that its function asked for.
PASSED_ON = (PipelineInterrupt, ResultFileError, StorageAccessError, StorageUnavailableError)
