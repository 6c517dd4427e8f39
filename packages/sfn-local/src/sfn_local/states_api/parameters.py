"""Parameters that several actions share: ARNs, names, inputs; and the values that several results share.

Source: API reference; recorded refusals, for the texts of ``InvalidArn``, ``InvalidExecutionInput`` and of what does
not exist.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sfn_local.language.json_text import parse
from sfn_local.protocol import ServiceError

# Source: API reference, "StartExecution" and "CreateStateMachine": characters that a name can't have.
_BAD_NAME = re.compile(r"[\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\U0010ffff]")
_MAX_NAME_LENGTH = 80


def check_arn(arn: str, *kinds: str) -> str:
    """Return an ARN of Step Functions, which must be of one of ``kinds``: ``stateMachine``, ``execution``, ``mapRun``.

    Raises
    ------
    ServiceError
        ``InvalidArn``.
    """
    if not arn.startswith("arn:"):
        raise _invalid_arn(f"Invalid ARN prefix: {arn}")
    parts = arn.split(":", 6)
    if len(parts) < 7 or parts[2] != "states" or not all(parts[index] for index in (1, 3, 4, 5, 6)):
        raise _invalid_arn(f"Invalid ARN: {arn}")
    if parts[5] not in kinds:
        raise _invalid_arn(f"Resource type not valid in this context: {parts[5]}")
    return arn


def check_role_arn(arn: str) -> str:
    """Return the ARN of a role, or of anything of IAM: it is not used here."""
    if not arn.startswith("arn:"):
        raise _invalid_arn(f"Invalid ARN prefix: {arn}")
    if not re.fullmatch(r"arn:[^:]+:iam::[^:]*:role/.+", arn):
        raise _invalid_arn(f"Invalid ARN: {arn}")
    return arn


def check_name(name: str) -> str:
    """Return a valid name of a state machine or an execution."""
    if len(name) > _MAX_NAME_LENGTH or _BAD_NAME.search(name):
        raise ServiceError("InvalidName", f"Invalid Name: '{name}'")
    return name


def check_input(text: str) -> str:
    """Return an execution input, JSON text; how long it may be, the service model says."""
    if not text.strip():
        raise ServiceError("InvalidExecutionInput", "Invalid State Machine Execution Input: 'Invalid execution input.'")
    try:
        parse(text)
    except ValueError as error:
        raise ServiceError("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'") from None
    return text


def no_state_machine(arn: str) -> ServiceError:
    return ServiceError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")


def no_execution(arn: str) -> ServiceError:
    return ServiceError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")


def no_resource(arn: str) -> ServiceError:
    return ServiceError("ResourceNotFound", f"Resource not found: '{arn}'")


def type_not_supported() -> ServiceError:
    return ServiceError("StateMachineTypeNotSupported", "This operation is not supported by this type of state machine")


def not_here(what: str) -> ServiceError:
    return ServiceError("ValidationException", f"{what} on this machine")


def moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def without_none(result: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if value is not None}


def has_data(params: Mapping[str, Any]) -> bool:
    """Whether the caller wants the data besides the metadata."""
    return params.get("includedData") != "METADATA_ONLY"


def _invalid_arn(reason: str) -> ServiceError:
    return ServiceError("InvalidArn", f"Invalid Arn: '{reason}'")
