"""Which task resources this machine can call, found by the text of ``Resource``."""

from collections.abc import Mapping
from typing import Protocol

from hpc_local.execution.frames import Call
from hpc_local.language import Json


class Integration(Protocol):
    """What a Task state calls.

    Attributes
    ----------
    resource_type, resource : str
        As history events name them: ``lambda`` and ``invoke``.
    is_function_arn : bool
        Whether events are those of a Task that names a Lambda function directly.
    """

    resource_type: str
    resource: str
    is_function_arn: bool

    async def call(self, resource: str, parameters: Json, call: Call) -> Json:
        """Do the task's work; raises :class:`StatesError` with the service's error name and cause."""
        ...


class UnsupportedResourceError(Exception):
    """A Task's ``Resource`` that can't be called here."""


class Integrations:
    """The integrations by the part of ``Resource`` that follows ``arn:aws:states:::``, and that of function ARNs."""

    def __init__(self, function: Integration, services: Mapping[str, Integration]) -> None:
        self._function = function
        self._services = services

    def find(self, resource: str) -> Integration:
        """Return what calls ``resource``.

        Raises
        ------
        UnsupportedResourceError
            If nothing here does; the message says what is available.
        """
        parts = resource.split(":", 5)
        is_arn = len(parts) == 6 and parts[0] == "arn"
        if is_arn and parts[2] == "lambda" and parts[5].startswith("function:"):
            return self._function
        if is_arn and parts[2] == "states" and parts[5] in self._services:
            return self._services[parts[5]]
        available = ", ".join(sorted(self._services))
        raise UnsupportedResourceError(
            f"resource {resource} can't be called on this machine; available are ARNs of Lambda functions and {available}"
        )
