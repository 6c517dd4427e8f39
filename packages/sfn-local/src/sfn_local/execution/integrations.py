"""Task resources that this machine can call, found by the text of ``Resource``."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from sfn_local.execution.frames import Call
from sfn_local.faults.injector import FaultInjector
from sfn_local.language import Json

TOKEN_PATTERN = ".waitForTaskToken"  # noqa: S105 - the suffix of a resource


class Integration(Protocol):
    """The call of a Task state.

    Attributes
    ----------
    resource_type, resource : str
        As history events name them: ``lambda`` and ``invoke``.
    is_function_arn : bool
        Whether events are those of a Task that names a Lambda function directly.
    takes_token : bool
        Whether there is a form that waits for a task token after the call.
    """

    resource_type: str
    resource: str
    is_function_arn: bool
    takes_token: bool

    async def call(self, resource: str, parameters: Json, call: Call) -> Json:
        """Do the task's work; raises :class:`StatesError` with the service's error name and cause.

        An integration that runs a job says by ``call.on_submitted`` what the service answered when it took the job.
        """
        ...


class FoundResource(NamedTuple):
    """The integration that a Task's ``Resource`` names."""

    integration: Integration
    waits_for_token: bool


class UnsupportedResourceError(Exception):
    """A Task's ``Resource`` that can't be called here."""


class Integrations:
    """The integrations by the part of ``Resource`` that follows ``arn:aws:states:::``, and that of function ARNs.

    Attributes
    ----------
    faults : FaultInjector or None
        What happens to attempts at tasks.
    """

    def __init__(
        self, function: Integration, services: Mapping[str, Integration], faults: FaultInjector | None = None
    ) -> None:
        self.faults = faults
        self._function = function
        self._services = dict(services)

    def add(self, services: Mapping[str, Integration]) -> None:
        """Add integrations whose services are made after this."""
        self._services.update(services)

    @property
    def names(self) -> list[str]:
        """The integrations by name, those with a token too."""
        tokens = [f"{name}{TOKEN_PATTERN}" for name, service in self._services.items() if service.takes_token]
        return sorted([*self._services, *tokens])

    def find(self, resource: str) -> FoundResource:
        """Return what calls ``resource``.

        Raises
        ------
        UnsupportedResourceError
            If nothing here does; the message says what is available.
        """
        parts = resource.split(":", 5)
        is_arn = len(parts) == 6 and parts[0] == "arn"
        if is_arn and parts[2] == "lambda" and parts[5].startswith("function:"):
            return FoundResource(self._function, False)
        if is_arn and parts[2] == "states":
            service = self._services.get(parts[5].removesuffix(TOKEN_PATTERN))
            waits_for_token = parts[5].endswith(TOKEN_PATTERN)
            if service and (service.takes_token or not waits_for_token):
                return FoundResource(service, waits_for_token)
        raise UnsupportedResourceError(
            f"resource {resource} can't be called on this machine; available are ARNs of Lambda functions and"
            f" {', '.join(self.names)}"
        )
