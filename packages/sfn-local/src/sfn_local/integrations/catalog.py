"""All integrations of one home, by name."""

from sfn_local.execution.executions import Executions
from sfn_local.execution.integrations import Integration
from sfn_local.iam.access import Access
from sfn_local.integrations.nested_executions import RunExecutionTask, StartExecutionTask
from sfn_local.integrations.s3_actions import s3_tasks
from sfn_local.protocol import Service


def service_tasks(*, s3: Service, states: Service, executions: Executions, access: Access) -> dict[str, Integration]:
    """Return the tasks that call the services served here, each as the role of its state machine."""
    start = StartExecutionTask(states)
    return {
        "states:startExecution": start,
        "states:startExecution.sync": RunExecutionTask(start, executions, access, is_json=False),
        "states:startExecution.sync:2": RunExecutionTask(start, executions, access, is_json=True),
        **s3_tasks(s3),
    }
