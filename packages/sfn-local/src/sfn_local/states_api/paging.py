"""Pages of lists: a token says where the next page begins, and of which list it is.

**Differs from AWS:** tokens don't expire (there after 24 hours).
"""

import base64
import hashlib
import json
from typing import Any, TypeVar

from sfn_local.protocol import ServiceError
from sfn_local.states_api.context import Params

Start = TypeVar("Start", int, str)

_DEFAULT_RESULTS = 100
_SQLITE_LIMIT = 2**63  # integers from here on are no ids
_UNBOUND = ("maxResults", "nextToken")


def page_size(params: Params) -> int:
    """Return the number of results of a page; 0 stands for the default.  The service model allows up to 1,000."""
    return int(params.get("maxResults") or _DEFAULT_RESULTS)


def cursor(params: Params, kind: type[Start]) -> Start | None:
    """Return the position at which the page begins, None for the first page.

    Parameters
    ----------
    kind : type
        Type of the places in this list: ``int`` (an id) or ``str`` (a name).

    Raises
    ------
    ServiceError
        ``InvalidToken``, if the token is not one that ``next_token`` gave for the same list.
    """
    start = _start(params)
    if start is None:
        return None
    if type(start) is not kind or not _is_place(start):
        raise _invalid_token()
    return start


def moment_cursor(params: Params) -> tuple[float, int] | None:
    """Return moment and id at which the page begins, None for the first page; raises as ``cursor`` does."""
    start = _start(params)
    if start is None:
        return None
    match start:
        case [int() | float() as moment, int() as row_id] if _is_place(row_id) and abs(moment) < _SQLITE_LIMIT:
            return float(moment), row_id
    raise _invalid_token()


def _start(params: Params) -> Any:
    """Return what a token holds that ``next_token`` gave for the same list, None where there is no token."""
    token = params.get("nextToken")
    if token is None:
        return None
    try:
        of_list, start = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError):
        raise _invalid_token() from None
    if of_list != _digest(params) or start is None:
        raise _invalid_token()
    return start


def next_token(params: Params, start: Any) -> dict[str, str]:
    """Return the part of a result that leads to the page that begins at ``start``."""
    return {"nextToken": base64.urlsafe_b64encode(json.dumps([_digest(params), start]).encode()).decode()}


def _is_place(start: int | str) -> bool:
    return isinstance(start, str) or abs(start) < _SQLITE_LIMIT


def _digest(params: Params) -> str:
    """Tell the list that these parameters mean from others."""
    bound = sorted((name, value) for name, value in params.items() if name not in _UNBOUND)
    return hashlib.sha256(json.dumps(bound).encode()).hexdigest()[:16]


def _invalid_token() -> ServiceError:
    return ServiceError("InvalidToken", "Invalid Token: 'Invalid token'")
