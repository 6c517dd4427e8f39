"""All integrations of one home, by name."""

from sfn_local.execution.executions import Executions
from sfn_local.execution.integrations import Integration
from sfn_local.integrations.nested_executions import RunExecutionTask, StartExecutionTask
from sfn_local.integrations.s3_actions import s3_tasks
from sfn_local.protocol import Service

# The state machines' role, as service cores see who calls.
PRINCIPAL = "states"


def service_tasks(*, s3: Service, states: Service, executions: Executions) -> dict[str, Integration]:
    """Return the tasks that call the services served here."""
    start = StartExecutionTask(states, PRINCIPAL)
    return {
        "states:startExecution": start,
        "states:startExecution.sync": RunExecutionTask(start, executions, is_json=False),
        "states:startExecution.sync:2": RunExecutionTask(start, executions, is_json=True),
        **s3_tasks(s3, PRINCIPAL),
    }
