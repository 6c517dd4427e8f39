"""The Step Functions API on this machine: parameters in, result out; validated against the service model outside.

**Differs from AWS:** actions that are not in ``ACTIONS`` are refused by name.
"""

from collections.abc import Mapping
from typing import Any

from sfn_local.arns import Account
from sfn_local.execution.task_tokens import TaskTokenError
from sfn_local.language.invalid import InvalidDefinition
from sfn_local.language.json_text import has_half
from sfn_local.machines.registry import Machines
from sfn_local.protocol import ServiceError
from sfn_local.states_api import execution_actions as executions
from sfn_local.states_api import history_actions as history
from sfn_local.states_api import machine_actions as machines
from sfn_local.states_api import map_run_actions as map_runs
from sfn_local.states_api import redrive, tags, tasks, validation
from sfn_local.states_api.context import Action, CheckRole, Context, Params, Result
from sfn_local.storage.journal import StorageError

ACTIONS: Mapping[str, Action] = {
    "CreateStateMachine": machines.create_state_machine,
    "DeleteStateMachine": machines.delete_state_machine,
    "DescribeExecution": executions.describe_execution,
    "DescribeMapRun": map_runs.describe_map_run,
    "DescribeStateMachine": machines.describe_state_machine,
    "DescribeStateMachineForExecution": executions.describe_state_machine_for_execution,
    "GetExecutionHistory": history.get_execution_history,
    "ListExecutions": executions.list_executions,
    "ListMapRuns": map_runs.list_map_runs,
    "ListStateMachines": machines.list_state_machines,
    "ListTagsForResource": tags.list_tags_for_resource,
    "RedriveExecution": redrive.redrive_execution,
    "SendTaskFailure": tasks.send_task_failure,
    "SendTaskHeartbeat": tasks.send_task_heartbeat,
    "SendTaskSuccess": tasks.send_task_success,
    "StartExecution": executions.start_execution,
    "StartSyncExecution": executions.start_sync_execution,
    "StopExecution": executions.stop_execution,
    "TagResource": tags.tag_resource,
    "UntagResource": tags.untag_resource,
    "UpdateMapRun": map_runs.update_map_run,
    "UpdateStateMachine": machines.update_state_machine,
    "ValidateStateMachineDefinition": validation.validate_state_machine_definition,
}


class StatesService:
    """Actions of Step Functions over the engine."""

    def __init__(self, machines: Machines, account: Account, check_role: CheckRole) -> None:
        self._context = Context(machines, account, check_role)

    async def handle(self, action: str, params: Params, _principal: str) -> Result:
        """Perform ``action``; see :class:`sfn_local.protocol.Service`."""
        perform = ACTIONS.get(action)
        if perform is None:
            raise ServiceError(
                "UnknownOperationException",
                f"{action} is not available on this machine; available are {', '.join(ACTIONS)}",
            )
        if _has_half_pair(params):
            raise ServiceError("ValidationException", "a text holds half of a surrogate pair, which is not Unicode")
        try:
            return await perform(self._context, params)
        except TaskTokenError as error:
            raise ServiceError(error.code, error.message) from error
        except InvalidDefinition as error:
            code = validation.diagnostic_code(error)
            text = f"Invalid State Machine Definition: '{code}: {error.reason.rstrip()} at {error.place or '/'}'"
            raise ServiceError("InvalidDefinition", text) from error
        except StorageError as error:
            raise ServiceError("InternalFailure", str(error), 500) from error


def _has_half_pair(value: Any) -> bool:
    if isinstance(value, str):
        return has_half(value)
    if isinstance(value, dict):
        return any(_has_half_pair(member) for member in value.values())
    return isinstance(value, list) and any(_has_half_pair(member) for member in value)
