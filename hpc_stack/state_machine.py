"""State machines that log every event, without data, and trace."""

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct


def define_state_machine(
    scope: Construct,
    *,
    definition: sfn.IChainable,
    comment: str,
    log_retention: logs.RetentionDays,
    timeout_seconds: int | None = None,
) -> sfn.StateMachine:
    """Define a Standard machine and its log, which goes with the stack; one in a scope.

    ``timeout_seconds`` is for a machine whose states have no time-out that bounds the whole.
    """
    log_group = logs.LogGroup(
        scope,
        "Logs",
        # Names below /aws/vendedlogs/ don't use up the Region's 5,120 characters of log resource policy.
        log_group_name=f"/aws/vendedlogs/states/{cdk.Names.unique_resource_name(scope, separator='-')}",
        retention=log_retention,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    return sfn.StateMachine(
        scope,
        "StateMachine",
        comment=comment,
        timeout=cdk.Duration.seconds(timeout_seconds) if timeout_seconds is not None else None,
        definition_body=sfn.DefinitionBody.from_chainable(definition),
        # ALL, not ERROR: the log is the only history that an Express child has.  Without data an event is about
        # 0.5 kB, and a child has 11 of them: 10,000 children log 50 MB, some 3 % of what their transitions cost.
        logs=sfn.LogOptions(destination=log_group, level=sfn.LogLevel.ALL, include_execution_data=False),
        tracing_enabled=True,
    )
