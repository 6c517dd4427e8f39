"""Ends of commands: exit codes, and the errors that become one line on stderr."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes, which shell scripts may rely on."""

    SUCCEEDED = 0
    FAILED = 1  # the execution ended FAILED, TIMED_OUT or ABORTED, or its end could not be seen
    NOT_STARTED = 2  # bad arguments (argparse's own status), no cloud assembly, no stack, input is not JSON
    READER_GONE = 141  # as of a process that SIGPIPE ends


class CommandError(Exception):
    """Something to tell the person at the terminal; its lines are the whole output."""

    exit_code = ExitCode.FAILED

    def __init__(self, message: str, *more_lines: str) -> None:
        super().__init__("\n".join((message, *more_lines)))
        self.lines = (message, *more_lines)


class NotStartedError(CommandError):
    """Nothing was started."""

    exit_code = ExitCode.NOT_STARTED


class LostRunError(CommandError):
    """A run was started, and this command can't tell how it ended."""


class RunFailedError(CommandError):
    """A run ended without a result.

    Attributes
    ----------
    error_type, message, traceback : str
        What the workload raised, or the run's own error where it raised nothing; ``traceback`` is then empty.
    index : int or None
        The item, where one is to blame.
    """

    def __init__(
        self, summary: str, *, error_type: str, message: str, traceback: str = "", index: int | None = None
    ) -> None:
        super().__init__(summary, *traceback.splitlines())
        self.error_type = error_type
        self.message = message
        self.traceback = traceback
        self.index = index


class ReaderGoneError(CommandError):
    """The reader of stdout has gone (``hpc runs | head``): the command ends without a word."""

    exit_code = ExitCode.READER_GONE

    def __init__(self) -> None:
        super().__init__("the reader of stdout has gone")


class UnansweredError(CommandError):
    """Nothing answers at the endpoint, or what answers is falling over."""

    def __init__(self, message: str, exit_code: ExitCode) -> None:
        super().__init__(message)
        self.exit_code = exit_code
