"""State that the actions of the Step Functions API share."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sfn_local.arns import Account
from sfn_local.execution.executions import Executions
from sfn_local.execution.task_tokens import TaskTokens
from sfn_local.machines.registry import Machines
from sfn_local.maps.map_run import MapRuns
from sfn_local.storage.machine_store import MachineRow

Params = dict[str, Any]
Result = dict[str, Any]


CheckRole = Callable[[MachineRow], None]
"""Raises :class:`ServiceError`."""


@dataclass(frozen=True, slots=True)
class Context:
    """The engine behind the API; ``check_role`` refuses a state machine whose role does not let it be made."""

    machines: Machines
    account: Account
    check_role: CheckRole

    @property
    def executions(self) -> Executions:
        return self.machines.executions

    @property
    def map_runs(self) -> MapRuns:
        return self.machines.map_runs

    @property
    def tokens(self) -> TaskTokens:
        return self.machines.tokens


Action = Callable[[Context, Params], Awaitable[Result]]
"""Performs one action of the API on valid parameters; raises :class:`ServiceError`."""
