"""Checks that an Express state machine contains nothing that only Standard ones can.

Source: Step Functions developer guide, "Service integration patterns" and "Distributed Map"; recorded refusals.
"""

from collections.abc import Mapping

from sfn_local.language import Json
from sfn_local.language.definition import states_of_workflow
from sfn_local.language.invalid import InvalidDefinition

_STANDARD_ONLY = (".waitForTaskToken", ".sync:2", ".sync")


def why_not_express(resource: str) -> str | None:
    """Return why a task of an Express state machine can't have this resource; None if it can.

    Source: a recorded diagnostic, which ends with a space.
    """
    pattern = next((end for end in _STANDARD_ONLY if resource.endswith(end)), None)
    return pattern and f"Express state machine does not support '{pattern}' service integration "


def check_express(fields: Mapping[str, Json]) -> None:
    """Check a definition that is otherwise valid.

    Raises
    ------
    InvalidDefinition
        If it waits for a callback or a job, or has a Distributed Map.
    """
    for name, state in states_of_workflow(fields):
        place = f"/States/{name}"
        reason = why_not_express(state.get("Resource", ""))
        if reason is not None:
            raise InvalidDefinition(f"{place}/Resource", reason)
        processor = state.get("ItemProcessor", {})
        if processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
            raise InvalidDefinition(
                f"{place}/ItemProcessor/ProcessorConfig/Mode", "Express state machine does not support DISTRIBUTED"
            )
