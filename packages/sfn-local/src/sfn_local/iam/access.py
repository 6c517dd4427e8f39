"""Access control of one home: the roles and policies of its assembly, asked before every action.

Source of the wording: AWS's messages since 2021, "Troubleshoot access denied error messages" in the IAM user guide; S3
puts the resource in quotation marks.

**Differs from AWS:** whoever signs with a key that belongs to no role may do everything: the person at the keyboard.
So may a role that the assembly does not describe, such as that of a state machine that was made by API.  Nothing is
encrypted; the rights on a bucket's KMS key are asked for all the same, for HeadObject too; those on the key of a bucket
that is not part of the assembly are not.  iam:PassRole is asked of nobody: only the person makes state machines.  An
answer with a task token that is used or has expired is refused for its token, whatever its sender may do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from sfn_local.iam.conditions import Context
from sfn_local.iam.evaluator import Decision, Request, decide, leaves_to_account
from sfn_local.iam.policies import Statement
from sfn_local.protocol import ServiceError

# Objects of many keys share few decisions, and a run's own few keys are asked for often.
_CACHED_DECISIONS = 8_192
_SERVICE = ".amazonaws.com"
# Loopback stands for the TLS that AWS's endpoints speak.
_OF_EVERY_REQUEST: Context = (("aws:SecureTransport", "true"), ("s3:TlsVersion", "1.3"))

# Code and HTTP status of a refusal, by the service's name in actions.  Source: the answers that SDKs show.
REFUSALS = {
    "batch": ("AccessDeniedException", 403),
    "kms": ("AccessDenied", 403),  # as S3 hands it on
    "lambda": ("AccessDeniedException", 403),
    "s3": ("AccessDenied", 403),
    "sqs": ("AccessDenied", 403),
    "states": ("AccessDeniedException", 400),
}
# What S3 does with a bucket's key.  Source: Amazon S3 user guide, "Using server-side encryption with AWS KMS keys".
_KEY_ACTIONS = {"s3:GetObject": "kms:Decrypt", "s3:PutObject": "kms:GenerateDataKey"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role of the assembly; ``trust`` says who may assume it."""

    arn: str
    trust: tuple[Statement, ...]
    statements: tuple[Statement, ...]

    @property
    def name(self) -> str:
        return self.arn.rpartition("/")[2]


OnDecision = Callable[[Request, Decision], None]


@dataclass(frozen=True, kw_only=True)
class Policies:
    """Roles and policies of an assembly.

    Attributes
    ----------
    roles : mapping
        By name.
    of_resources : mapping
        Statements of policies that resources have themselves, by the ARN of a bucket, a function or a key.
    bucket_keys : mapping
        ARN of the KMS key that encrypts a bucket's objects, by the ARN of the bucket.
    """

    roles: Mapping[str, Role] = field(default_factory=dict)
    of_resources: Mapping[str, tuple[Statement, ...]] = field(default_factory=dict)
    bucket_keys: Mapping[str, str] = field(default_factory=dict)


class Access:
    """Decides by the policies of an assembly.

    Parameters
    ----------
    on_decision : callable or None
        Told of every decision about a principal that policies bind.
    """

    def __init__(self, policies: Policies, on_decision: OnDecision | None = None) -> None:
        self._policies = policies
        self._on_decision = on_decision
        self._decide = lru_cache(_CACHED_DECISIONS)(self._decide_anew)

    def role(self, role_arn: str) -> Role | None:
        """Return a role of the assembly, None for any other."""
        role = self._policies.roles.get(role_arn.rpartition("/")[2])
        return role if role is not None and role.arn == role_arn else None

    def decide(self, principal: str, action: str, resource: str, context: Context = ()) -> Decision | None:
        """Decide; None for a principal that no policy binds."""
        if not self._is_bound(principal):
            return None
        request = Request(principal, action, resource, context)
        decision = self._decide(request)
        if self._on_decision is not None:
            self._on_decision(request, decision)
        return decision

    def require(self, principal: str, action: str, resource: str, context: Context = ()) -> None:
        """Refuse what is not allowed, as the service does; raises :class:`ServiceError`."""
        decision = self.decide(principal, action, resource, context)
        if decision is not None and not decision.is_allowed:
            raise refusal(Request(principal, action, resource), decision)
        if action in _KEY_ACTIONS and decision is not None:
            self.require_key(principal, _KEY_ACTIONS[action], resource)

    def require_key(self, principal: str, action: str, object_arn: str) -> None:
        """Refuse what is not allowed with the key of an object's bucket, if it has one; raises as `require` does."""
        bucket = object_arn.partition("/")[0]
        key = self._policies.bucket_keys.get(bucket)
        if key is not None:
            via = f"s3.{key.split(':')[3]}{_SERVICE}"
            # With a key of the bucket's own below it, as here, the context is the bucket and not the object.
            self.require(
                principal, action, key, (("kms:ViaService", via), ("kms:EncryptionContext:aws:s3:arn", bucket))
            )

    def require_any(self, principal: str, action: str, resources: Sequence[str]) -> None:
        """Refuse what is allowed on none of these resources; the refusal names the first."""
        for resource in resources[1:]:
            if not self._is_allowed(principal, action, resources[0]) and self._is_allowed(principal, action, resource):
                return self.require(principal, action, resource)
        return self.require(principal, action, resources[0])

    def _is_allowed(self, principal: str, action: str, resource: str) -> bool:
        return not self._is_bound(principal) or self._decide(Request(principal, action, resource)).is_allowed

    def _is_bound(self, principal: str) -> bool:
        """Whether policies say what a principal may do: services, and roles of the assembly."""
        if principal.startswith("arn:"):
            return principal.split("/")[1] in self._policies.roles
        return principal.endswith(_SERVICE)

    def trusts(self, role: Role, service: str, context: Context) -> bool:
        """Whether a service may assume a role."""
        return decide((), role.trust, Request(service, "sts:AssumeRole", role.arn, context)).is_allowed

    def allows_service(self, service: str, action: str, resource: str, context: Context) -> bool:
        """Whether a service may do something with a resource, which the policy of the resource says."""
        decision = self.decide(service, action, resource, context)
        return decision is not None and decision.is_allowed

    def _decide_anew(self, request: Request) -> Decision:
        role = (
            self._policies.roles.get(request.principal.split("/")[1]) if request.principal.startswith("arn:") else None
        )
        bound = request._replace(context=(*_OF_EVERY_REQUEST, *request.context))
        of_resource = self._of_resource(request.resource)
        statements = role.statements if role is not None else ()
        if of_resource and request.action.startswith("kms:") and not leaves_to_account(of_resource, bound):
            # The policy of a key decides alone, unless it leaves the decision to the account's own policies.
            statements = tuple(each for each in statements if each.is_deny)
        return decide(statements, of_resource, bound)

    def _of_resource(self, resource: str) -> tuple[Statement, ...]:
        whole = resource.split("/", 1)[0] if resource.startswith("arn:aws:s3:::") else resource
        return self._policies.of_resources.get(whole, ())


def refusal(request: Request, decision: Decision) -> ServiceError:
    """Word the refusal of a request as its service does."""
    service = request.action.split(":")[0]
    resource = f'"{request.resource}"' if service == "s3" else request.resource
    where = "" if request.resource == "*" else f" on resource: {resource}"
    kind = "resource-based" if decision.is_by_resource else "identity-based"
    article = "a" if decision.is_by_resource else "an"
    reason = f"with an explicit deny in {article} {kind} policy"
    if decision.statement is None:
        reason = f"because no identity-based policy allows the {request.action} action"
    code, status = REFUSALS[service]
    return ServiceError(
        code, f"User: {request.principal} is not authorized to perform: {request.action}{where} {reason}", status
    )
