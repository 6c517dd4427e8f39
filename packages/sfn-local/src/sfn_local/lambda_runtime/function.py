"""A Lambda function as this machine knows it, and its failures in the words of the Step Functions service.

**Differs from AWS:**

- A failure of the machinery here (no worker process could be started) is named `Runtime.Unavailable`, which AWS does
  not have: what AWS calls it is retried by the usual retriers, and that does not cure a broken installation.
- A result that is not JSON (bytes of another kind, `NaN`) is reported as `Runtime.MarshalError`; the name that AWS
  gives it is not documented.
"""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from sfn_local.language.json_text import MAX_PAYLOAD_BYTES
from sfn_local.protocol import ServiceError
from sfn_local.protocol.sdk_errors import sdk_cause

# The synchronous payload quota of 6 MiB, with the allowance that Lambda's own message shows.
MAXIMUM_RESPONSE_BYTES = 6_291_556


@dataclass(frozen=True, kw_only=True)
class Function:
    """Settings of one function, as a worker needs them.

    Parameters
    ----------
    code
        Folder that `handler` is imported from; the unpacked asset.
    handler
        `package.module.function`.
    runtime
        AWS's identifier, such as `python3.13`.
    environment
        The variables of the function's configuration, all references resolved.
    role_arn
        Role that the function works with; None for a function of no template.
    """

    name: str
    arn: str
    handler: str
    code: Path
    timeout_seconds: float
    memory_mib: int
    environment: Mapping[str, str]
    runtime: str
    role_arn: str | None = None

    def __post_init__(self) -> None:
        if self.timeout_seconds <= 0:
            raise ValueError(f"timeout_seconds of {self.name} must be more than 0, got {self.timeout_seconds}")
        if not self.code.is_dir():
            raise ValueError(f"code of {self.name} must be a folder, got {self.code}")


class FunctionError(Exception):
    """A failed invocation as the Step Functions service reports it: error name and cause text."""

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(f"{name}: {cause}")
        self.name = name
        self.cause = cause


def function_not_found(function_arn: str) -> FunctionError:
    """Source: executions recorded from AWS (a Task state that names no function)."""
    qualified = function_arn if function_arn.endswith(":$LATEST") else f"{function_arn}:$LATEST"
    return FunctionError(
        "Lambda.ResourceNotFoundException",
        sdk_cause("AWSLambda", ServiceError("ResourceNotFoundException", f"Function not found: {qualified}", 404)),
    )


def runtime_exited(request_id: str, exit_code: int) -> FunctionError:
    """Word the end of a worker during an invocation.

    Parameters
    ----------
    exit_code
        As `subprocess` gives it: negative for a signal.
    """
    if exit_code == 0:
        reason = "Runtime exited without providing a reason"
    elif exit_code > 0:
        reason = f"Runtime exited with error: exit status {exit_code}"
    else:
        # strsignal has the words of Lambda's own supervisor, capitalised ("Killed", on macOS "Killed: 9").
        words = signal.strsignal(-exit_code) or str(-exit_code)
        reason = f"Runtime exited with error: signal: {words.split(':')[0].lower()}"
    return _service_failure("Runtime.ExitError", f"RequestId: {request_id} Error: {reason}")


def out_of_memory(request_id: str, used_mib: int, memory_mib: int) -> FunctionError:
    """Word the end of a worker that used more than the function's memory.

    Source of name and the first sentence: awslabs/amazon-s3-find-and-forget pull request 283, an execution on AWS whose
    function ran out of memory; Lambda's own report calls it Runtime.OutOfMemory.  The rest is ours.
    """
    message = f"RequestId: {request_id} Error: Runtime exited with error: signal: killed"
    advice = f"it used {used_mib:,} MiB, the function has {memory_mib:,}: raise MemorySize, or let it need less"
    return _service_failure("Runtime.ExitError", f"{message} (out of memory: {advice})")


def timed_out(request_id: str, timeout_seconds: float) -> FunctionError:
    message = f"RequestId: {request_id} Error: Task timed out after {timeout_seconds:.2f} seconds"
    return _service_failure("Sandbox.Timedout", message)


def response_too_large() -> FunctionError:
    message = f"Response payload size exceeded maximum allowed payload size ({MAXIMUM_RESPONSE_BYTES} bytes)."
    name = "Function.ResponseSizeTooLarge"
    return FunctionError(name, json.dumps({"errorMessage": message, "errorType": name}, separators=(",", ":")))


def unavailable(reason: str) -> FunctionError:
    return FunctionError("Runtime.Unavailable", f"no worker process could be started: {reason}")


def posted_error(document: bytes) -> FunctionError:
    """Name the error document that the runtime client posted; its text is the cause, unchanged."""
    text = document.decode("utf-8", errors="replace")
    try:
        posted = json.loads(text)
    except (ValueError, RecursionError):
        posted = None
    error_type = posted.get("errorType") if isinstance(posted, dict) else None
    if isinstance(error_type, str) and error_type:
        return FunctionError(error_type, text)
    return FunctionError(
        "Lambda.Unknown",
        f"The cause could not be determined because Lambda did not return an error type. Returned payload: {text}",
    )


def result_failure(result: bytes, content_type: str) -> FunctionError | None:
    """Say what is wrong with a result that is not JSON, or None.

    What the runtime client encoded itself is JSON but for `NaN` and the infinities, so that only a result
    that may hold one of them, or that the handler gave as bytes, is read here.  One that is over the limit of a state's
    payload is refused for its size, whatever it holds (recorded).
    """
    if len(result) > MAX_PAYLOAD_BYTES:
        return None
    if content_type == "application/json" and b"NaN" not in result and b"Infinity" not in result:
        return None
    try:
        json.loads(result, parse_constant=_refuse_constant, parse_int=str)  # str: any number of digits
    except (ValueError, RecursionError) as error:
        document = {"errorMessage": f"Unable to marshal response: {error}", "errorType": "Runtime.MarshalError"}
        return FunctionError("Runtime.MarshalError", json.dumps(document))
    return None


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _service_failure(name: str, message: str) -> FunctionError:
    return FunctionError(name, json.dumps({"errorType": name, "errorMessage": message}, separators=(",", ":")))


def worker_environment(
    function: Function, *, base_environment: Mapping[str, str], runtime_api: str, log_stream: str
) -> dict[str, str]:
    """Build the whole environment of a worker, from scratch.

    `base_environment` wins over the function's own variables: it is what keeps a worker away from real AWS.
    """
    region = function.arn.split(":")[3]
    service = {
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mib),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_REGION": region,
        "LAMBDA_TASK_ROOT": str(function.code.absolute()),
        "TZ": "UTC",
        "_HANDLER": function.handler,
    }
    return {**process_defaults(), **function.environment, **service, **base_environment}


def process_defaults() -> dict[str, str]:
    """Return what every process needs of an environment."""
    return {
        "HOME": tempfile.gettempdir(),  # not the user's: nothing there may reach a handler
        "LANG": "en_US.UTF-8",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", os.defpath]),
        # No proxy for loopback; and without it macOS asks its system configuration, which crashes a forked process.
        "no_proxy": "*",
    }
