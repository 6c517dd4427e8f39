"""Named errors of the handlers: the class name is the text that ``ErrorEquals`` matches and that a person reads first.

Only ``StorageUnavailableError`` is worth a retry; every other one says the same thing again when it is tried again.
"""


class ConfigurationError(Exception):
    """The function's environment lacks something that the stack should have set."""


class InvalidInputError(Exception):
    """The execution input, or the data that it points to, is not what is allowed."""


class InvalidEventError(Exception):
    """A handler was called with something that the state machine does not send."""


class WorkloadError(Exception):
    """The workload's file does not keep the workload contract."""


class WorkloadChangedError(Exception):
    """The workload's file is not the one that the run was started with: results of both would be mixed."""


class ItemFailedError(Exception):
    """A workload raised for one item; the message names its index."""


class ItemTooLongError(Exception):
    """One item does not fit into one invocation of Compute; the message names its index."""


class MissingResultsError(Exception):
    """The result files do not account for every item of the run."""


class OverlappingResultsError(Exception):
    """A result covers items that are no batch of the run."""


class ResultFileError(Exception):
    """A manifest or result file is broken, truncated, or belongs to another run."""


class FailureToleranceExceededError(Exception):
    """More items failed than ``tolerated_failure_percentage`` allows."""


class TotalsDisagreeError(Exception):
    """Back ends gave different results for the same input."""


class StorageAccessError(Exception):
    """An object or a bucket does not exist, or may not be read or written."""


class StorageUnavailableError(Exception):
    """S3 throttled, failed or could not be reached, after the client's own retries."""
