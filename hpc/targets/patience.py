"""Asking AWS about a run that goes on: what passes by itself is asked again, for minutes and in growing pauses.

A run goes on whether somebody asks about it or not.  Throttling, an answer that failed, a network that is away for a
while and credentials that have expired and may be renewed are no reason to stop following it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from hpc.errors import CommandError, LostRunError
from hpc.targets.client import Target, explained
from hpc.targets.retries import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    PATIENCE_SECONDS,
    has_expired,
    passes,
    say_patience,
)

T = TypeVar("T")


def goes_on(target: Target, execution_arn: str, stack_name: str | None = None) -> str:
    """Say how a run is found again that a command could not follow to its end."""
    place = "" if target.is_local else " --aws" + (f" --stack-name {stack_name}" if stack_name else "")
    return f"the run goes on: hpc status {execution_arn.rpartition(':')[2]}{place}"


@contextmanager
def naming_the_run(target: Target, execution_arn: str, stack_name: str | None = None) -> Iterator[None]:
    """Add to an error how the run is found again; a run on this machine ends with its server.

    Raises
    ------
    LostRunError
        In the place of any error of a command.
    """
    try:
        yield
    except CommandError as error:
        if target.is_local:
            raise
        raise LostRunError(str(error), goes_on(target, execution_arn, stack_name)) from error


def ask(target: Target, doing: str, call: Callable[[], T]) -> T:
    """Return the answer of a call; on AWS, of one that is made again while what it meets passes by itself.

    Parameters
    ----------
    call
        Takes the client from the target each time: with new credentials that is another one.

    Raises
    ------
    LostRunError
        If the service refuses to answer.
    UnansweredError
        If there is no answer, or none after five minutes.
    """
    began, pause, has_said = time.monotonic(), FIRST_PAUSE_SECONDS, False
    while True:
        try:
            with explained(LostRunError, doing):
                return call()
        except CommandError as error:
            cause = error.__cause__
            is_over = time.monotonic() - began + pause > PATIENCE_SECONDS
            if target.is_local or not passes(cause) or is_over:
                raise
            is_expired = has_expired(cause)
            if not has_said:
                say_patience(error, is_expired=is_expired)
                has_said = True
            if is_expired:
                target.renew()
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
