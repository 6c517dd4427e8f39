"""Asking AWS about a run that goes on: what passes by itself is asked again, for minutes and in growing pauses.

A run goes on whether somebody asks about it or not.  Throttling, an answer that failed, a network that is away for a
while and credentials that have expired and may be renewed are no reason to stop following it.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)

from hpc.errors import CommandError, LostRunError
from hpc.targets.client import Target, explained
from hpc.terminal.console import say

T = TypeVar("T")
# How long the service may be without an answer before the command gives up following; the run goes on.
PATIENCE_SECONDS = 300.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
# Of all services.  Source: API reference, "Common Errors".
THROTTLED = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"})
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
# What botocore raises where it can't renew credentials at the moment: a login that has ended, a process that failed.
NOT_RENEWED: tuple[type[BotoCoreError], ...] = (CredentialRetrievalError, SSOError, TokenRetrievalError)


def has_expired(error: BaseException | None) -> bool:
    """Whether an error is about credentials that were good and may be renewed."""
    if isinstance(error, ClientError):
        return error.response["Error"].get("Code") in EXPIRED
    return isinstance(error, NOT_RENEWED)


def passes(error: BaseException | None) -> bool:
    """Whether the same request may have an answer a little later."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        return error.response["Error"].get("Code") in THROTTLED | EXPIRED or status >= 500
    return isinstance(error, (BotoConnectionError, HTTPClientError, *NOT_RENEWED))


def goes_on(target: Target, execution_arn: str, stack_name: str | None = None) -> str:
    """Say how a run is found again that a command could not follow to its end."""
    place = "" if target.is_local else " --aws" + (f" --stack-name {stack_name}" if stack_name else "")
    return f"the run goes on: hpc status {execution_arn.rpartition(':')[2]}{place}"


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
            if has_expired(cause):
                if not has_said:
                    say(f"{error}: asking again for {PATIENCE_SECONDS / 60:.0f} min, with credentials as they are then")
                    has_said = True
                target.renew()
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
