"""Outputs of a stack: those of its pipeline, whatever construct that is in."""

import re
from collections.abc import Mapping

from hpc.errors import NotStartedError

NAMES = ("StateMachineArn", "ResultsBucketName", "JobQueueArn", "JobDefinitionArn", "OrchestratorArn")
NEEDED = NAMES[:2]
# For a construct that is not called Default, the CDK makes the logical id of its path, the name, and a hash of both.
KEY = re.compile(rf"(?P<construct>.*?)(?P<name>{'|'.join(NAMES)})(?P<hash>[0-9A-F]{{8}})?")


def pipeline_outputs(outputs: Mapping[str, str], place: str) -> dict[str, str]:
    """Return the outputs of the only pipeline under their own names, and all others as they are.

    Raises
    ------
    NotStartedError
        If there is no pipeline, or more than one.
    """
    pipelines: dict[str, dict[str, str]] = {}
    for key, value in outputs.items():
        match = KEY.fullmatch(key)
        if match is not None:
            pipelines.setdefault(match["construct"], {})[match["name"]] = value
    whole = {construct: found for construct, found in pipelines.items() if found.keys() >= set(NEEDED)}
    if not whole:
        raise NotStartedError(
            f"{place} has no outputs StateMachineArn and ResultsBucketName of one construct, "
            f"it has {', '.join(sorted(outputs)) or 'none'}"
        )
    if len(whole) > 1:
        raise NotStartedError(
            f"{place} has {len(whole)} pipelines, and one is expected: {', '.join(sorted(whole))} "
            "(the beginning of their outputs' names)"
        )
    [found] = whole.values()
    return {**outputs, **found}
