"""Roles, policies and keys in a template, read for this machine.

**Differs from AWS:** policies are attached to roles only; managed policies are the template's own and those in
``MANAGED_POLICIES``; boundaries, users and groups are refused by name.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sfn_local.arns import Account
from sfn_local.assembly.cloudformation import Resolver
from sfn_local.assembly.resource_types import TemplateError, check_properties
from sfn_local.assembly.resources.iam import KEY, MANAGED_POLICY, POLICY, ROLE, ROLE_POLICY
from sfn_local.assembly.resources.lambda_functions import PERMISSION
from sfn_local.assembly.resources.s3 import BUCKET, BUCKET_POLICY
from sfn_local.assembly.resources.sqs import QUEUE_POLICY
from sfn_local.iam.access import Policies, Role
from sfn_local.iam.conditions import Condition
from sfn_local.iam.managed import MANAGED_POLICIES
from sfn_local.iam.policies import PolicyError, Principal, Statement, parse

_MANAGED_PREFIX = ":iam::aws:policy/"
_ROLE_PROPERTIES = frozenset(
    [
        "AssumeRolePolicyDocument",
        "Description",
        "ManagedPolicyArns",
        "MaxSessionDuration",
        "Policies",
        "RoleName",
        "Tags",
    ]
)
_POLICY_PROPERTIES = frozenset(["PolicyDocument", "PolicyName", "Roles"])
_ROLE_POLICY_PROPERTIES = frozenset(["PolicyDocument", "PolicyName", "RoleName"])
_MANAGED_POLICY_PROPERTIES = frozenset(["Description", "ManagedPolicyName", "Path", "PolicyDocument", "Roles"])
_BUCKET_POLICY_PROPERTIES = frozenset(["Bucket", "PolicyDocument"])
_QUEUE_POLICY_PROPERTIES = frozenset(["PolicyDocument", "Queues"])
_KEY_PROPERTIES = frozenset(
    ["Description", "Enabled", "EnableKeyRotation", "KeyPolicy", "PendingWindowInDays", "RotationPeriodInDays", "Tags"]
)
_PERMISSION_PROPERTIES = frozenset(["Action", "FunctionName", "Principal", "SourceAccount", "SourceArn"])


def read_policies(template: Mapping[str, Any], resolver: Resolver, account: Account) -> Policies:
    """Read what a template says of rights.

    Raises
    ------
    TemplateError
        If it uses something that is not evaluated here; names the resource.
    """
    try:
        return _Reader(template, resolver, account).read()
    except PolicyError as error:
        raise TemplateError(str(error)) from error


def _of_identity(document: Any, name: str) -> tuple[Statement, ...]:
    """Read a policy of a role, which says on what and not who."""
    return _statements(document, name, has_principal=False, has_resource=True)


def _of_trust(document: Any, name: str) -> tuple[Statement, ...]:
    """Read the trust policy of a role, which says who and not on what."""
    return _statements(document, name, has_principal=True, has_resource=False)


def _of_resource(document: Any, name: str) -> tuple[Statement, ...]:
    """Read the policy of a bucket, a queue or a key, which says who and on what."""
    return _statements(document, name, has_principal=True, has_resource=True)


def _statements(document: Any, name: str, *, has_principal: bool, has_resource: bool) -> tuple[Statement, ...]:
    statements = parse(document, name)
    for each in statements:
        if has_principal and each.principals is None:
            raise PolicyError(f"{each.name}: has no Principal")
        if not has_principal and each.principals is not None:
            raise PolicyError(f"{each.name}: has a Principal, which only policies of resources have")
        names_resource = each.resources is not None or each.except_resources is not None
        if has_resource and not names_resource:
            raise PolicyError(f"{each.name}: has neither Resource nor NotResource")
        if not has_resource and names_resource:
            raise PolicyError(f"{each.name}: has a Resource, which is always the role itself")
    return statements


class _Given(dict[str, Any]):
    """Properties of a resource; one that is missing is named with the resource."""

    def __init__(self, logical_id: str, properties: Mapping[str, Any]) -> None:
        super().__init__(properties)
        self._logical_id = logical_id

    def __missing__(self, name: str) -> Any:
        raise TemplateError(f"{self._logical_id}: property {name} is missing")


class _Reader:
    def __init__(self, template: Mapping[str, Any], resolver: Resolver, account: Account) -> None:
        self._resources: Mapping[str, Any] = template["Resources"]
        self._resolver = resolver
        self._account = account
        self._statements: dict[str, list[Statement]] = {}  # of roles, by name
        self._managed: dict[str, tuple[Statement, ...]] = {}  # by ARN
        self._trust: dict[str, tuple[Statement, ...]] = {}
        self._of_resources: dict[str, list[Statement]] = {}
        self._bucket_keys: dict[str, str] = {}

    def read(self) -> Policies:
        for resource_type, read in (
            (MANAGED_POLICY, self._read_managed_policy),
            (ROLE, self._read_role),
            (POLICY, self._read_policy),
            (ROLE_POLICY, self._read_role_policy),
            (MANAGED_POLICY, self._attach_managed_policy),
            (BUCKET_POLICY, self._read_bucket_policy),
            (QUEUE_POLICY, self._read_queue_policy),
            (PERMISSION, self._read_permission),
            (KEY, self._read_key),
            (BUCKET, self._read_bucket_key),
        ):
            for logical_id, resource in self._resources.items():
                if resource["Type"] == resource_type:
                    properties = _Given(logical_id, self._resolver.value(resource.get("Properties", {})))
                    read(logical_id, properties)
        roles = {
            name: Role(
                arn=f"arn:aws:iam::{self._account.account_id}:role/{name}",
                trust=self._trust[name],
                statements=tuple(statements),
            )
            for name, statements in self._statements.items()
        }
        return Policies(
            roles=roles,
            of_resources={arn: tuple(own) for arn, own in self._of_resources.items()},
            bucket_keys=self._bucket_keys,
        )

    def _read_role(self, logical_id: str, properties: Mapping[str, Any]) -> None:
        check_properties(logical_id, properties, _ROLE_PROPERTIES)
        name = self._resolver.physical_name(logical_id)
        self._trust[name] = _of_trust(properties["AssumeRolePolicyDocument"], f"{logical_id}, its trust policy")
        own = self._statements[name] = []
        for inline in properties.get("Policies", ()):
            own += _of_identity(inline["PolicyDocument"], f"{logical_id}, policy {inline['PolicyName']}")
        for arn in properties.get("ManagedPolicyArns", ()):
            own += self._managed_statements(logical_id, str(arn))

    def _managed_statements(self, logical_id: str, arn: str) -> tuple[Statement, ...]:
        if arn in self._managed:
            return self._managed[arn]
        managed = arn.rpartition(_MANAGED_PREFIX)[2]
        if managed not in MANAGED_POLICIES:
            raise TemplateError(
                f"{logical_id}: managed policy {arn} is not known here; known are {', '.join(MANAGED_POLICIES)}"
            )
        return parse(MANAGED_POLICIES[managed], f"managed policy {managed}")

    def _read_managed_policy(self, logical_id: str, properties: Mapping[str, Any]) -> None:
        check_properties(logical_id, properties, _MANAGED_POLICY_PROPERTIES)
        self._managed[self._arn_of(logical_id)] = _of_identity(properties["PolicyDocument"], logical_id)

    def _attach_managed_policy(self, logical_id: str, properties: Mapping[str, Any]) -> None:
        self._attach(logical_id, properties.get("Roles", ()), self._managed[self._arn_of(logical_id)])

    def _arn_of(self, logical_id: str) -> str:
        return str(self._resolver.value({"Ref": logical_id}))

    def _read_policy(self, logical_id: str, properties: Mapping[str, Any]) -> None:
        check_properties(logical_id, properties, _POLICY_PROPERTIES)
        statements = _of_identity(properties["PolicyDocument"], logical_id)
        self._attach(logical_id, properties.get("Roles", ()), statements)

    def _read_role_policy(self, logical_id: str, properties: Mapping[str, Any]) -> None:
        check_properties(logical_id, properties, _ROLE_POLICY_PROPERTIES)
        statements = _of_identity(properties.get("PolicyDocument", {}), logical_id)
        self._attach(logical_id, [properties["RoleName"]], statements)

    def _attach(self, logical_id: str, roles: Iterable[str], statements: tuple[Statement, ...]) -> None:
        for name in roles:
            if name not in self._statements:
                raise TemplateError(f"{logical_id}: role {name} is not part of the template")
            self._statements[name] += statements

    def _read_bucket_policy(self, logical_id: str, properties: Mapping[str, Any]) -> None:
        check_properties(logical_id, properties, _BUCKET_POLICY_PROPERTIES)
        bucket = f"arn:aws:s3:::{properties['Bucket']}"
        self._of_resources.setdefault(bucket, []).extend(_of_resource(properties["PolicyDocument"], logical_id))

    def _read_queue_policy(self, logical_id: str, properties: Mapping[str, Any]) -> None:
        check_properties(logical_id, properties, _QUEUE_POLICY_PROPERTIES)
        for url in properties["Queues"]:
            queue = self._account.arn("sqs", str(url).rpartition("/")[2])
            self._of_resources.setdefault(queue, []).extend(_of_resource(properties["PolicyDocument"], logical_id))

    def _read_key(self, logical_id: str, properties: Mapping[str, Any]) -> None:
        check_properties(logical_id, properties, _KEY_PROPERTIES)
        arn = str(self._resolver.value({"Fn::GetAtt": [logical_id, "Arn"]}))
        self._of_resources[arn] = list(_of_resource(properties["KeyPolicy"], logical_id))

    def _read_bucket_key(self, logical_id: str, properties: Mapping[str, Any]) -> None:
        for rule in properties.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", ()):
            key = rule.get("ServerSideEncryptionByDefault", {}).get("KMSMasterKeyID")
            if key is not None:
                self._bucket_keys[f"arn:aws:s3:::{self._resolver.physical_name(logical_id)}"] = str(key)

    def _read_permission(self, logical_id: str, properties: Mapping[str, Any]) -> None:
        check_properties(logical_id, properties, _PERMISSION_PROPERTIES)
        function = str(properties["FunctionName"])
        if not function.startswith("arn:"):
            function = self._account.arn("lambda", f"function:{function}")
        given = str(properties["Principal"])
        conditions = [
            Condition(operator, f"AWS:{name}", (str(properties[name]),))
            for operator, name in (("ArnLike", "SourceArn"), ("StringEquals", "SourceAccount"))
            if name in properties
        ]
        is_service = given.endswith(".amazonaws.com")
        self._of_resources.setdefault(function, []).append(
            Statement(
                name=logical_id,
                is_deny=False,
                actions=(str(properties["Action"]),),
                except_actions=None,
                resources=(function,),
                except_resources=None,
                principals=(Principal("Service" if is_service else "AWS", given),),
                conditions=tuple(conditions),
            )
        )
