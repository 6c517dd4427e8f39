"""Rights of the state machine's role that Step Functions uses to run the children of a Distributed Map.

Source: Step Functions developer guide, "IAM policies for using Distributed Map states": StartExecution on the machine
itself, DescribeExecution and StopExecution on its executions, RedriveExecution on ``<machine>/<label>:*`` (Express
children are started anew).

**Differs from AWS:** children are ended although StopExecution is denied, with a warning in the server's log; the name
of the error that a Map fails with where another right is missing is not documented.
"""

import logging

from sfn_local.iam.access import Access
from sfn_local.language.errors import StatesError
from sfn_local.maps.map_run import MapRun
from sfn_local.protocol import ServiceError
from sfn_local.protocol.sdk_errors import sdk_cause

LOGGER = logging.getLogger(__name__)


class ChildRights:
    """The rights of one Map Run."""

    def __init__(self, access: Access, principal: str, map_run: MapRun) -> None:
        self._access = access
        self._principal = principal
        self._is_express = map_run.row.child_type == "EXPRESS"
        self._is_redriven = bool(map_run.row.redrive_count)
        self._machine = map_run.row.child_machine_arn.partition("/")[0]
        executions = map_run.row.child_machine_arn.replace(":stateMachine:", ":execution:", 1)
        self._children = f"{executions}:*"
        # AWS's own policy names the machine's executions, whose ARNs are not those of children: either will do.
        self._executions = f"{executions.partition('/')[0]}:*"

    def require_start(self) -> None:
        """Refuse a Map Run whose children could not be started or watched; raises :class:`StatesError`."""
        if not self._is_redriven or self._is_express:
            self._require("states:StartExecution", self._machine)
        if self._is_redriven and not self._is_express:
            self._require("states:RedriveExecution", self._children)
        self._require("states:DescribeExecution", self._children, self._executions)

    def note_stop(self) -> None:
        """Ask for the right to stop children."""
        try:
            self._require("states:StopExecution", self._children, self._executions)
        except StatesError as error:
            LOGGER.warning("children of %s are ended although AWS would refuse it: %s", self._children, error.cause)

    def _require(self, action: str, *resources: str) -> None:
        try:
            self._access.require_any(self._principal, action, resources)
        except ServiceError as error:
            raise StatesError(
                "StepFunctions.AWSStepFunctionsException",
                sdk_cause("AWSStepFunctions", error),
            ) from error
