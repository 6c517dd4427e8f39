"""Outputs of a pipeline are found whatever construct it is in."""

import pytest

from hpc.errors import NotStartedError
from hpc.targets.outputs import pipeline_outputs

ARN, BUCKET = "arn:aws:states:us-east-1:111122223333:stateMachine:M", "results"


@pytest.mark.parametrize(
    ("state_machine", "bucket"),
    [
        ("StateMachineArn", "ResultsBucketName"),
        ("HpcStateMachineArn93AB12CD", "HpcResultsBucketName0F12AB34"),
        ("Theirs.DeepHpcStateMachineArn93AB12CD", "Theirs.DeepHpcResultsBucketName0F12AB34"),
    ],
)
def test_outputs_have_their_own_names(state_machine: str, bucket: str) -> None:
    outputs = {state_machine: ARN, bucket: BUCKET, "OtherStateMachineArn": "x", "Topic": "y"}
    found = pipeline_outputs(outputs, "stack 'S'")
    assert (found["StateMachineArn"], found["ResultsBucketName"], found["Topic"]) == (ARN, BUCKET, "y")


@pytest.mark.parametrize(
    "outputs", [{}, {"StateMachineArn": ARN, "Other": "x"}, {"AStateMachineArn": ARN, "BResultsBucketName": "b"}]
)
def test_outputs_without_a_pipeline_are_refused_with_those_that_are_there(outputs: dict[str, str]) -> None:
    with pytest.raises(NotStartedError, match=f"it has {', '.join(sorted(outputs)) or 'none'}$"):
        pipeline_outputs(outputs, "stack 'S'")


def test_several_pipelines_are_refused_by_name() -> None:
    outputs = {f"{name}{output}": "x" for name in ("A.", "B.") for output in ("StateMachineArn", "ResultsBucketName")}
    with pytest.raises(NotStartedError, match=r"has 2 pipelines, and one is expected: A\., B\."):
        pipeline_outputs(outputs, "stack 'S'")
