"""Parameters of integrations, and the metadata that a service's answer carries into a state."""

import uuid
from collections.abc import Collection
from datetime import UTC, datetime
from email.utils import format_datetime

from sfn_local.language import Json
from sfn_local.language.errors import StatesRuntimeError
from sfn_local.language.json_text import compact, escape_halves, parse
from sfn_local.protocol.catalog import service_model
from sfn_local.protocol.validation import find_errors


def check_request(service: str, operation: str, request: dict[str, Json]) -> None:
    """Refuse a request that the service's model doesn't allow; raises :class:`StatesRuntimeError`."""
    shape = service_model(service).operation_model(operation).input_shape
    errors = find_errors(request, shape) if shape else ""
    if errors:
        raise StatesRuntimeError(f"the parameters of {service} {operation} are not valid: {errors}")


def check_parameters(parameters: Json, *, required: Collection[str], optional: Collection[str], of: str) -> None:
    """Refuse what an integration does not know, and what it lacks.

    Raises
    ------
    StatesRuntimeError
        Which nothing catches, as for the service's own errors of this kind.
    """
    if not isinstance(parameters, dict):
        raise StatesRuntimeError(f"the parameters of {of} must be an object, got {compact(parameters)[:80]}")
    unknown = sorted(set(parameters) - set(required) - set(optional))
    if unknown:
        allowed = ", ".join(sorted({*required, *optional}))
        raise StatesRuntimeError(f"parameters {', '.join(unknown)} of {of} are not known here; allowed are {allowed}")
    missing = sorted(set(required) - set(parameters))
    if missing:
        raise StatesRuntimeError(f"parameters {', '.join(missing)} of {of} are missing")


def json_text(value: Json) -> str:
    """Return the JSON text that a parameter of type JSON document stands for.

    Source: recorded executions: null is an empty object, a text that is JSON already is taken as it is.
    """
    if value is None:
        return "{}"
    if isinstance(value, str) and _is_json(value):
        return escape_halves(value)
    return compact(value)


def _is_json(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def metadata(headers: dict[str, str], listed: Collection[str], body_bytes: int) -> dict[str, Json]:
    """Return ``SdkHttpMetadata`` and ``SdkResponseMetadata`` of an answer with status 200.

    Parameters
    ----------
    headers : dict
        Besides those that every answer has.
    listed : Collection[str]
        Headers that ``AllHttpHeaders`` shows as arrays, as recorded; the others are texts there.
    """
    request_id = str(uuid.uuid4())
    own = {
        **headers,
        "Content-Length": str(body_bytes),
        "Date": format_datetime(datetime.now(UTC), usegmt=True),
        "x-amzn-RequestId": request_id,
    }
    return {
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [value] if name in listed else value for name, value in own.items()},
            "HttpHeaders": own,
            "HttpStatusCode": 200,
        },
        "SdkResponseMetadata": {"RequestId": request_id},
    }
