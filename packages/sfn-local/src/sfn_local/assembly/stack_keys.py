"""Whether the services that use a stack's KMS keys may: what executions and logs would stumble over.

Source: "Data at rest encryption in Step Functions", Step Functions developer guide; "Encrypt log data in CloudWatch
Logs using AWS KMS", CloudWatch Logs user guide.

**Differs from AWS:** the rights on the key of a state machine are asked for once, when the assembly is loaded, and of
its own role only; whoever starts its executions or answers its tasks needs none here.
"""

from collections.abc import Mapping

from sfn_local.arns import Account
from sfn_local.assembly.read import AssemblyError, Stack
from sfn_local.assembly.resources.logs import LogGroup
from sfn_local.assembly.resources.state_machines import StateMachine
from sfn_local.iam.access import Access
from sfn_local.iam.conditions import Context
from sfn_local.iam.sessions import service_session_arn

DELIVERY = "delivery.logs.amazonaws.com"


def check_stack_keys(stack: Stack, access: Access, account: Account) -> None:
    """Refuse a stack whose executions or logs could not be encrypted.

    Raises
    ------
    AssemblyError
        Names the resource, and the right on the key that is missing.
    """
    logs = f"logs.{account.region}.amazonaws.com"
    keys = {group.arn: group.key_arn for group in stack.all(LogGroup)}
    for log_group, key in keys.items():
        # CloudWatch Logs names the group in the context without the star that its ARN ends with.
        context = (("kms:EncryptionContext:aws:logs:arn", log_group.removesuffix(":*")),)
        for action in ("kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"):
            if not access.allows_service(logs, action, key, context):
                raise AssemblyError(f"log group {log_group} can't be made: {logs} may not {action} with {key}")
    for machine in stack.all(StateMachine):
        _check_machine(machine, keys, access, account)


def _check_machine(machine: StateMachine, log_keys: Mapping[str, str], access: Access, account: Account) -> None:
    if machine.key_arn is not None:
        context = (("kms:EncryptionContext:aws:states:stateMachineArn", machine.arn),)
        for action in ("kms:Decrypt", "kms:GenerateDataKey"):
            _require(machine, access, action, machine.key_arn, context)
    delivered = (("kms:EncryptionContext:SourceArn", account.arn("logs", "*")),)
    for log_group in machine.log_group_arns if machine.is_logged else ():
        key = log_keys.get(log_group)
        if key is not None:
            _require(machine, access, "kms:GenerateDataKey", key, delivered)
            if not access.allows_service(DELIVERY, "kms:Decrypt", key, delivered):
                raise AssemblyError(
                    f"the log of state machine {machine.name} can't be delivered: {DELIVERY} may not kms:Decrypt "
                    f"with {key}"
                )


def _require(machine: StateMachine, access: Access, action: str, key: str, context: Context) -> None:
    decision = access.decide(service_session_arn(machine.role_arn), action, key, context)
    if decision is not None and not decision.is_allowed:
        raise AssemblyError(
            f"executions of state machine {machine.name} would fail: its role {machine.role_arn} may not {action} "
            f"with {key}"
        )
