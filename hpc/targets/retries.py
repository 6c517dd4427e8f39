"""Retries of requests to AWS that fail for a while, such as throttled ones, for some minutes.

botocore tries a request a few times within a minute.  A network that is away for a while, an account that is throttled
and credentials that are renewed only later take longer, and are no reason to end a command that may have worked for
hours.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

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

from hpc.terminal.console import say

# How long a service may be without an answer before a command gives up; a run goes on.
PATIENCE_SECONDS = 300.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
# botocore's own tries of a request.
OWN_ATTEMPTS = 8
# Source: API references, "Common Errors"; Amazon S3 API Reference, "Error responses".
THROTTLED = frozenset(
    {
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
    }
)
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
# botocore's errors where it can't renew credentials at the moment: a login that has ended, a process that failed.
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


def say_patience(error: object, *, is_expired: bool) -> None:
    """Say that a command waits, and for what."""
    renewed = ", with credentials as they are then" if is_expired else ""
    say(f"{error}: asking again for {PATIENCE_SECONDS / 60:.0f} min{renewed}")


class PatientRetries:
    """Handler of botocore's event ``needs-retry``: a request that botocore would give up is sent again for minutes.

    Register it last, because botocore takes the first answer of all handlers.

    Parameters
    ----------
    renew
        Takes credentials as they are now, for all clients.
    """

    def __init__(self, renew: Callable[[], None]) -> None:
        self._renew = renew

    def __call__(
        self,
        *,
        response: tuple[Any, Mapping[str, Any]] | None,
        caught_exception: Exception | None,
        attempts: int,
        operation: Any,
        request_dict: dict[str, Any],
        **_: object,
    ) -> float | None:
        """Return the seconds to wait before the request is sent again, None where it is over."""
        error = caught_exception if response is None else _refusal(response[1], operation.name)
        if not passes(error):
            return None
        context: dict[str, Any] = request_dict["context"]
        now = time.monotonic()
        pause: float = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(attempts - 1, 16))
        began: float = context.setdefault("hpc_first_failure", now)
        if now + pause - began > PATIENCE_SECONDS:
            return None
        is_expired = has_expired(error)
        if (is_expired or attempts >= OWN_ATTEMPTS) and not context.get("hpc_has_said"):
            context["hpc_has_said"] = True
            say_patience(error, is_expired=is_expired)
        if is_expired:
            self._renew()
        return pause


def _refusal(parsed: Mapping[str, Any], operation: str) -> ClientError | None:
    """Return the error of an answer, None where it has none."""
    if "Error" not in parsed:
        return None
    refused: Any = parsed
    return ClientError(refused, operation)
