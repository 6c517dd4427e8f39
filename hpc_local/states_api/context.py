"""What the actions of the Step Functions API work on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from hpc_local.arns import Account
from hpc_local.execution.executions import Executions
from hpc_local.execution.machines import Machines
from hpc_local.execution.task_tokens import TaskTokens
from hpc_local.maps.map_run import MapRuns

Params = dict[str, Any]
Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """The engine behind the API."""

    machines: Machines
    account: Account

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
