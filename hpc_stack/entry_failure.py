"""The error of a failed entry: that of its own execution comes first."""

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct


def define_entry_failure(scope: Construct) -> sfn.IChainable:
    """Define what follows a failed entry: its own error and cause become those of the whole execution.

    The cause of a nested execution's failure is a text that describes that execution; its own are in there, if it has
    any: one that was stopped has not.
    """
    as_caught = sfn.Fail(scope, "EntryNotRun", error_path="$.failure.Error", cause_path="$.failure.Cause")
    as_told = sfn.Fail(scope, "EntryFailed", error_path="$.execution.Error", cause_path="$.execution.Cause")
    read_failure = sfn.Pass(
        scope,
        "ReadFailure",
        parameters={
            "failure": sfn.JsonPath.object_at("$.failure"),
            "execution": sfn.JsonPath.string_to_json(sfn.JsonPath.string_at("$.failure.Cause")),
        },
    )
    is_told = (
        sfn.Choice(scope, "HasFailureOfItsOwn")
        .when(
            sfn.Condition.and_(
                sfn.Condition.is_present("$.execution.Error"), sfn.Condition.is_present("$.execution.Cause")
            ),
            as_told,
        )
        .otherwise(as_caught)
    )
    return (
        sfn.Choice(scope, "IsFailureOfExecution")
        .when(sfn.Condition.string_equals("$.failure.Error", "States.TaskFailed"), read_failure.next(is_told))
        .otherwise(as_caught)
    )
