"""Whether the roles of a stack let AWS make what the stack describes: what a deployment would stumble over.

Source of the wording: the refusals of CreateStateMachine and CreateFunction; Amazon ECS, "Stopped tasks error
messages".
"""

from sfn_local.arns import Account
from sfn_local.assembly.read import AssemblyError, Stack
from sfn_local.assembly.resources.state_machines import StateMachine
from sfn_local.batch.resources import JobDefinition
from sfn_local.iam.access import Access
from sfn_local.iam.conditions import Context
from sfn_local.iam.machine_rights import check_machine_role
from sfn_local.lambda_runtime.function import Function
from sfn_local.protocol import ServiceError

LAMBDA = "lambda.amazonaws.com"
TASKS = "ecs-tasks.amazonaws.com"


def check_stack_roles(stack: Stack, access: Access, account: Account) -> None:
    """Refuse a stack whose deployment would fail for a role, or whose jobs would not start.

    Raises
    ------
    AssemblyError
        Names the resource and what its role lacks.
    """
    for machine in stack.all(StateMachine):
        try:
            check_machine_role(
                access,
                account,
                machine_arn=machine.arn,
                role_arn=machine.role_arn,
                definition=machine.definition,
                is_logged=machine.is_logged,
            )
        except ServiceError as error:
            raise AssemblyError(f"state machine {machine.name} can't be made: {error}") from error
    for function in stack.all(Function):
        if not _trusts(access, function.role_arn, LAMBDA, ()):
            reason = "The role defined for the function cannot be assumed by Lambda."
            raise AssemblyError(f"function {function.name} can't be made: {reason}")
    source = (("aws:SourceAccount", account.account_id), ("aws:SourceArn", account.arn("ecs", "*")))
    for definition in stack.all(JobDefinition):
        for role_arn in (definition.role_arn, definition.container.get("executionRoleArn")):
            if not _trusts(access, role_arn, TASKS, source):
                raise AssemblyError(
                    f"jobs of {definition.name} would not start: ECS was unable to assume the role {role_arn}"
                )


def _trusts(access: Access, role_arn: str | None, service: str, context: Context) -> bool:
    role = access.role(role_arn) if role_arn is not None else None
    return role is None or access.trusts(role, service, context)
