"""The text by which AWS's SDK for Java reports an error of a service: causes of failed tasks hold it.

Source: recorded executions.
"""

import uuid

from sfn_local.protocol import ServiceError


def sdk_cause(service: str, error: ServiceError, *, code: str = "", request_id: str = "") -> str:
    """Return the cause of a task whose call a service refused.

    Parameters
    ----------
    service : str
        As the SDK names it, such as ``AWSBatch``.
    code : str
        The error code, where it is another than that of ``error``.
    request_id : str
        A random one by default.
    """
    return (
        f"{error.message} (Service: {service}; Status Code: {error.status}; Error Code: {code or error.code};"
        f" Request ID: {request_id or uuid.uuid4()}; Proxy: null)"
    )
