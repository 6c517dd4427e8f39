"""Names an attempt at a Task, so that fault injection can tell one from another."""

from collections.abc import Iterator

from sfn_local.execution.frames import Frame, Step
from sfn_local.faults.injector import TaskAttempt


def task_attempt(step: Step, resource: str, *, waits_for_token: bool) -> TaskAttempt:
    """Describe the attempt that begins now."""
    frame = step.frame
    positions = [each.position for each in _lineage(frame) if each.position is not None]
    iteration = step.scope.context.get("Map")
    if iteration is not None:
        positions.insert(0, iteration["Item"]["Index"])
    *_, top = _lineage(frame)
    name = step.scope.context["State"]["Name"]
    return TaskAttempt(
        state=name,
        resource=resource,
        execution_arn=frame.execution_arn,
        run_arn=top.execution_arn,
        root=frame.execution_id,
        redrives=top.scope.context["Execution"]["RedriveCount"],
        position=tuple(reversed(positions)),
        item=positions[0] if positions else None,
        number=step.cursor.count_attempt(name),
        waits_for_token=waits_for_token,
    )


def _lineage(frame: Frame | None) -> Iterator[Frame]:
    """Yield a frame, that of the Map state which started its execution, and so on."""
    while frame is not None:
        yield frame
        frame = frame.parent
