"""Evaluates policies for one request: an explicit deny, an allow, or the implicit deny of everything else.

Source: IAM user guide, "Policy evaluation logic", within one account: what either the policies of the identity or the
policy of the resource allow is allowed, unless one of them denies it.
"""

from typing import NamedTuple

from sfn_local.iam.conditions import Context
from sfn_local.iam.policies import Principal, Statement


class Request(NamedTuple):
    """One action of one principal.

    Attributes
    ----------
    principal : str
        ARN of an assumed role's session, or the name of a service.
    action : str
        As policies name it, ``s3:GetObject``.
    resource : str
        Its ARN, or ``*`` for an action that knows none.
    """

    principal: str
    action: str
    resource: str
    context: Context = ()


class Decision(NamedTuple):
    """A decision and the statement that made it, None where no statement allows or denies.

    Attributes
    ----------
    is_by_resource : bool
        Whether the statement belongs to the policy of the resource.
    """

    is_allowed: bool
    statement: Statement | None = None
    is_by_resource: bool = False


def decide(identity: tuple[Statement, ...], resource: tuple[Statement, ...], request: Request) -> Decision:
    """Decide a request.

    Parameters
    ----------
    identity : tuple of Statement
        Statements of the principal's policies.
    resource : tuple of Statement
        Statements of the resource's policy.
    """
    what = request[1:]
    own = [each for each in identity if each.covers(*what)]
    others = [each for each in resource if each.covers(*what)]
    for statement in own:
        if statement.is_deny:
            return Decision(False, statement)
    for statement in others:
        if statement.is_deny and _applies(statement, request.principal):
            return Decision(False, statement, True)
    for statement in own:
        return Decision(True, statement)
    for statement in others:
        if not statement.is_deny and _applies(statement, request.principal):
            return Decision(True, statement, True)
    return Decision(False)


def leaves_to_account(resource: tuple[Statement, ...], request: Request) -> bool:
    """Whether the policy of a resource lets the policies of the account decide a request.

    Source: AWS KMS developer guide, "Default key policy": without it no policy of an identity allows the use of a key.
    """
    return any(
        not each.is_deny and each.covers(*request[1:]) and any(map(_is_account, each.principals or ()))
        for each in resource
    )


def _applies(statement: Statement, principal: str) -> bool:
    """Whether a resource's statement is about a principal.

    An Allow to a whole account only lets the account's own policies decide, so it allows nothing by itself.
    """
    named = [each for each in statement.principals or () if _is_named(each, principal)]
    return any(statement.is_deny or not _is_account(each) for each in named)


def _is_named(named: Principal, principal: str) -> bool:
    is_service = not principal.startswith("arn:")
    if named.kind == "Service":
        return is_service and named.value == principal
    if named.value == "*":
        return True
    if is_service:
        return False
    account, role = principal.split(":")[4], _role_name(principal)
    # Whatever the partition.  Roles of a template have no path.
    is_this_role = named.value.split(":", 2)[::2] == ["arn", f"iam::{account}:role/{role}"]
    return named.value == principal or is_this_role or (_is_account(named) and account in named.value.split(":"))


def _is_account(named: Principal) -> bool:
    return named.kind == "AWS" and (named.value.isdecimal() or named.value.endswith(":root"))


def _role_name(session_arn: str) -> str:
    return session_arn.split("/")[1]
