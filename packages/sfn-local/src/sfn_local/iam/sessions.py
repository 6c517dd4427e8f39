"""Names of principals: sessions of the roles that functions, jobs and state machines assume.

Source: AWS's refusals as they are seen: a function's session is called after the function, one of Step Functions has 32
letters and digits.
"""

import hashlib
from functools import lru_cache

PERSON = "user"
"""Principal of the server's own key and of resources without a role; no policy restricts it."""

_SESSION_LENGTH = 32
_ARN_COLONS = 5


def session_arn(role_arn: str, session: str) -> str:
    """ARN of a session of a role: who the caller is in refusals; a text that is no ARN names nobody."""
    if role_arn.count(":") < _ARN_COLONS:
        return PERSON
    account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    return f"arn:aws:sts::{account}:assumed-role/{name}/{session}"


def function_principal(role_arn: str | None, name: str) -> str:
    """Return the principal of a function, as the services that it calls see it."""
    return PERSON if role_arn is None else session_arn(role_arn, name)


def job_principal(role_arn: str | None) -> str:
    """Return the principal of a job, as the services that it calls see it."""
    return PERSON if role_arn is None else service_session_arn(role_arn)


@lru_cache(maxsize=1024)
def service_session_arn(role_arn: str) -> str:
    """ARN of the session in which a service works with a role; the same every time, so that decisions are kept."""
    return session_arn(role_arn, hashlib.sha256(role_arn.encode()).hexdigest()[:_SESSION_LENGTH])
