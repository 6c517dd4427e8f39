"""Job queues and job definitions, and what a job is made of: from SubmitJob's parameters to a checked request.

Source: AWS Batch API reference, SubmitJob and ContainerOverrides; AWS Batch service quotas.

**Differs from AWS:** dependencies, parameters, fair shares and jobs of several nodes or containers are refused by name;
overrides of vCPUs and memory too.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfn_local.protocol import ServiceError
from sfn_local.protocol.json_body import dumps

_JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_RESERVED_PREFIX = "AWS_BATCH"
ARRAY_SIZES = range(2, 10_001)
_ATTEMPTS = range(1, 11)
MIN_TIMEOUT_SECONDS = 60
# Source: AWS Batch API reference, ResourceRequirement: a job on Fargate has 512 MiB at least.
MIN_MEMORY_MIB = 512
# Source: the type of the service model; Smithy specification, "Simple types".
_MAX_INTEGER = 2**31 - 1
MAX_OVERRIDES_BYTES = 8_192
MAX_SUBMIT_BYTES = 30 * 1024
_TAKEN = frozenset(
    [
        "arrayProperties",
        "containerOverrides",
        "jobDefinition",
        "jobName",
        "jobQueue",
        "propagateTags",
        "retryStrategy",
        "tags",
        "timeout",
    ]
)
_TAKEN_OVERRIDES = frozenset(["command", "environment"])


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQueue:
    """A queue over compute environments that have ``max_vcpus`` together."""

    name: str
    arn: str
    priority: int
    compute_environments: tuple[str, ...]
    max_vcpus: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDefinition:
    """A job definition.

    Attributes
    ----------
    container : mapping
        ``containerProperties`` as RegisterJobDefinition takes them.
    retry_strategy, timeout : mapping
        As RegisterJobDefinition takes them; empty where the definition has none.
    code : Path or None
        Folder that the image is built from, where a job works; None if it is not on this machine.
    """

    name: str
    revision: int
    arn: str
    container: Mapping[str, Any]
    retry_strategy: Mapping[str, Any]
    timeout: Mapping[str, Any]
    platform_capabilities: tuple[str, ...]
    code: Path | None

    @property
    def role_arn(self) -> str | None:
        """Role that jobs work with."""
        return self.container.get("jobRoleArn")

    @property
    def vcpus(self) -> float:
        return float(self._required("VCPU") or self.container.get("vcpus", 1))

    @property
    def memory_mib(self) -> int:
        """Memory of the container."""
        return int(self._required("MEMORY") or self.container.get("memory", MIN_MEMORY_MIB))

    def _required(self, kind: str) -> str | None:
        values = (each["value"] for each in self.container.get("resourceRequirements", ()) if each["type"] == kind)
        return next(values, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """One job as it was submitted, with what its definition gives; the children of an array job share it."""

    name: str
    queue: JobQueue
    definition: JobDefinition
    code: Path
    array_size: int
    command: tuple[str, ...]
    environment: Mapping[str, str]
    retry_strategy: Mapping[str, Any]
    timeout: Mapping[str, Any]
    tags: Mapping[str, str]
    propagate_tags: bool


class Resources:
    """The queues and definitions of this home."""

    def __init__(self) -> None:
        self.queues: dict[str, JobQueue] = {}
        self.definitions: dict[str, JobDefinition] = {}

    def add(self, queues: Iterable[JobQueue], definitions: Iterable[JobDefinition]) -> None:
        """Make queues and definitions known, in the place of those that had their ARNs."""
        self.queues.update((queue.arn, queue) for queue in queues)
        self.definitions.update((definition.arn, definition) for definition in definitions)

    def queue(self, named: str) -> JobQueue:
        """Find a queue by name or ARN; raises :class:`ServiceError`."""
        for queue in self.queues.values():
            if named in (queue.arn, queue.name):
                return queue
        raise client_error(f"JobQueue {named} not found.")

    def definition(self, named: str) -> JobDefinition:
        """Find a definition by name, ``name:revision`` or ARN; raises :class:`ServiceError`."""
        for definition in self.definitions.values():
            if named in (definition.arn, definition.name, f"{definition.name}:{definition.revision}"):
                return definition
        raise client_error(f"JobDefinition {named} not found.")

    def arn(self, kind: str, named: str) -> str:
        """Return the ARN of a ``job-queue`` or ``job-definition``, or ``named`` itself where there is none."""
        find: Callable[[str], JobQueue | JobDefinition] = self.queue if kind == "job-queue" else self.definition
        try:
            return find(named).arn
        except ServiceError:
            return named

    def request(self, params: Mapping[str, Any]) -> JobRequest:
        """Check what SubmitJob is given; raises :class:`ServiceError`."""
        _refuse_unknown("SubmitJob", params, _TAKEN)
        overrides = params.get("containerOverrides", {})
        _refuse_unknown("containerOverrides", overrides, _TAKEN_OVERRIDES)
        _check_sizes(params, overrides)
        queue, definition = self.queue(params["jobQueue"]), self.definition(params["jobDefinition"])
        if not _JOB_NAME.fullmatch(params["jobName"]):
            raise client_error(
                "Job name should match valid pattern: a letter or digit, then up to 127 letters, digits, hyphens and "
                f"underscores; got {params['jobName']!r}"
            )
        if definition.code is None:
            image = definition.container.get("image")
            raise client_error(f"image {image} of {definition.name} is not built from a folder of the cloud assembly")
        return JobRequest(
            name=params["jobName"],
            queue=queue,
            definition=definition,
            code=definition.code,
            array_size=_array_size(params.get("arrayProperties", {})),
            command=tuple(overrides.get("command") or definition.container.get("command", ())),
            environment=_environment(definition.container, overrides),
            retry_strategy=_retry_strategy(params.get("retryStrategy") or definition.retry_strategy),
            timeout=_timeout(params.get("timeout") or definition.timeout),
            tags=params.get("tags", {}),
            propagate_tags=params.get("propagateTags", False),
        )


def client_error(message: str) -> ServiceError:
    """The error of AWS Batch for whatever the caller did wrong."""
    return ServiceError("ClientException", message)


def _refuse_unknown(of: str, given: Mapping[str, Any], taken: frozenset[str]) -> None:
    unknown = sorted(set(given) - taken)
    if unknown:
        raise client_error(
            f"{', '.join(unknown)} of {of} can't be used on this machine; allowed are {', '.join(sorted(taken))}"
        )


def _check_sizes(params: Mapping[str, Any], overrides: Mapping[str, Any]) -> None:
    if len(dumps(overrides)) > MAX_OVERRIDES_BYTES:
        raise client_error(f"Container Overrides length must be at most {MAX_OVERRIDES_BYTES}")
    if len(dumps(dict(params))) > MAX_SUBMIT_BYTES:
        raise client_error(f"SubmitJob request must be at most {MAX_SUBMIT_BYTES} bytes")


def _array_size(properties: Mapping[str, Any]) -> int:
    """Return the number of children, 0 for a job that is no array."""
    size: int = properties.get("size", 0)
    if size and size not in ARRAY_SIZES:
        raise client_error(f"size of an array job must be {ARRAY_SIZES[0]} to {ARRAY_SIZES[-1]}, got {size}")
    return size


def _environment(container: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, str]:
    given = [each for source in (container, overrides) for each in source.get("environment", ())]
    if not all(each.get("name") for each in given):  # the service's model asks for no name
        raise client_error("Environment variables must have a name")
    variables = {each["name"]: each.get("value", "") for each in given}
    reserved = sorted(name for name in variables if name.startswith(_RESERVED_PREFIX))
    if reserved:
        raise client_error(f"Environment variable names must not start with {_RESERVED_PREFIX}, got {reserved[0]}")
    return variables


def _retry_strategy(strategy: Mapping[str, Any]) -> dict[str, Any]:
    if not strategy:
        return {}
    attempts = strategy.get("attempts", 1)
    if attempts not in _ATTEMPTS:
        raise client_error(f"attempts must be {_ATTEMPTS[0]} to {_ATTEMPTS[-1]}, got {attempts}")
    return {"attempts": attempts, "evaluateOnExit": list(strategy.get("evaluateOnExit", ()))}


def _timeout(timeout: Mapping[str, Any]) -> Mapping[str, Any]:
    seconds = timeout.get("attemptDurationSeconds", MIN_TIMEOUT_SECONDS)
    if not MIN_TIMEOUT_SECONDS <= seconds <= _MAX_INTEGER:
        raise client_error(f"attemptDurationSeconds must be {MIN_TIMEOUT_SECONDS} to {_MAX_INTEGER}, got {seconds}")
    return timeout
