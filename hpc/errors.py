"""How a command ends: exit codes, and the errors that become one line on stderr."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a shell script may rely on."""

    SUCCEEDED = 0
    FAILED = 1  # the execution ended FAILED, TIMED_OUT or ABORTED, or its end could not be seen
    NOT_STARTED = 2  # bad arguments (argparse's own status), no cloud assembly, no stack, input is not JSON


class CommandError(Exception):
    """Something to tell the person at the terminal; the message is the whole output."""

    exit_code = ExitCode.FAILED


class NotStartedError(CommandError):
    """Nothing was started."""

    exit_code = ExitCode.NOT_STARTED


class LostRunError(CommandError):
    """A run was started, and this command can't tell how it ended."""


class UnansweredError(CommandError):
    """Nothing answers at the endpoint, or what answers is falling over."""

    def __init__(self, message: str, exit_code: ExitCode) -> None:
        super().__init__(message)
        self.exit_code = exit_code
