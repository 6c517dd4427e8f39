"""Rights that the role of a state machine needs before Step Functions creates the machine.

Source: Step Functions developer guide, "How Step Functions generates IAM policies for integrated services" (managed
rules of ``.sync``) and "Logging using CloudWatch Logs"; the refusals are CreateStateMachine's, as CloudFormation shows
them.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sfn_local.arns import Account
from sfn_local.iam.access import Access
from sfn_local.iam.sessions import service_session_arn
from sfn_local.protocol import ServiceError

# Part of a Resource that waits for a job -> the managed rule by which the service hears of its end.
_MANAGED_RULES = {
    "batch:submitJob.sync": "StepFunctionsGetEventsForBatchJobsRule",
    "states:startExecution.sync": "StepFunctionsGetEventsForStepFunctionsExecutionRule",
}
_RULE_ACTIONS = ("events:PutTargets", "events:PutRule", "events:DescribeRule")
_LOG_ACTIONS = tuple(
    f"logs:{action}"
    for action in (
        "CreateLogDelivery",
        "GetLogDelivery",
        "UpdateLogDelivery",
        "DeleteLogDelivery",
        "ListLogDeliveries",
        "PutResourcePolicy",
        "DescribeResourcePolicies",
        "DescribeLogGroups",
    )
)
STATES = "states.amazonaws.com"


def check_machine_role(
    access: Access, account: Account, *, machine_arn: str, role_arn: str, definition: str, is_logged: bool
) -> None:
    """Refuse a state machine whose role does not let the service make it; raises :class:`ServiceError`."""
    role = access.role(role_arn)
    if role is None:
        return
    principal = service_session_arn(role_arn)
    services = (STATES, STATES.replace(".", f".{account.region}.", 1))
    if not any(access.trusts(role, each, _source(machine_arn, account)) for each in services):
        raise _denied(
            f"Neither the global service principal {STATES}, nor the regional one is authorized to assume the "
            f"provided role {role.arn}"
        )
    for rule in sorted(set(_rules(json.loads(definition)))):
        arn = account.arn("events", f"rule/{rule}")
        for action in _RULE_ACTIONS:
            if not _allows(access, principal, action, arn):
                raise _denied(f"'{role_arn}' is not authorized to create managed-rule.", action, arn)
    for action in _LOG_ACTIONS if is_logged else ():
        if not _allows(access, principal, action, "*"):
            raise _denied("The state machine IAM Role is not authorized to access the Log Destination", action, "*")


def _source(machine_arn: str, account: Account) -> tuple[tuple[str, str], ...]:
    return (("aws:SourceArn", machine_arn), ("aws:SourceAccount", account.account_id))


def _allows(access: Access, principal: str, action: str, resource: str) -> bool:
    decision = access.decide(principal, action, resource)
    return decision is None or decision.is_allowed


def _denied(message: str, action: str = "", resource: str = "") -> ServiceError:
    # AWS does not say which right is missing; who reads this on their own machine should not have to guess.
    missing = f" (the right that is missing: {action} on {resource})" if action else ""
    return ServiceError("AccessDeniedException", message + missing)


def _rules(definition: Any) -> Iterator[str]:
    """Yield the managed rules that the states of a definition need."""
    if isinstance(definition, Mapping):
        resource = definition.get("Resource")
        if isinstance(resource, str):
            name = resource.rpartition(":::")[2].removesuffix(":2")
            if name in _MANAGED_RULES:
                yield _MANAGED_RULES[name]
        for value in definition.values():
            yield from _rules(value)
    elif isinstance(definition, list):
        for value in definition:
            yield from _rules(value)
