"""Decisions of policies, and the messages with which services refuse."""

from contextlib import nullcontext
from typing import Any

import pytest
from sfn_local.arns import Account
from sfn_local.assembly.cloudformation import Resolver, TemplateError
from sfn_local.assembly.iam_resources import read_policies
from sfn_local.batch import service as batch_service
from sfn_local.iam.access import Access, Policies, Role
from sfn_local.iam.api_actions import S3_RIGHTS, batch_rights, states_rights
from sfn_local.iam.evaluator import Request, decide
from sfn_local.iam.machine_rights import check_machine_role
from sfn_local.iam.policies import PolicyError, parse
from sfn_local.protocol import ServiceError
from sfn_local.s3 import service as s3_service
from sfn_local.states_api import service as states_service

ROLE = "arn:aws:iam::000000000000:role/stack-Role"
SESSION = "arn:aws:sts::000000000000:assumed-role/stack-Role/session"
OBJECT = "arn:aws:s3:::bucket/runs/a/run.json"


def statement(**elements: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*", **elements}


def allows(
    *identity: dict[str, Any], resource: tuple[dict[str, Any], ...] = (), context: tuple[tuple[str, str], ...] = ()
) -> bool:
    own, others = parse({"Statement": list(identity)}, "own"), parse({"Statement": list(resource)}, "bucket policy")
    return decide(own, others, Request(SESSION, "s3:GetObject", OBJECT, context)).is_allowed


def test_what_nothing_allows_is_denied() -> None:
    assert not allows()


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({}, True),
        ({"Action": "s3:getobject"}, True),
        ({"Action": ["s3:Put*", "s3:Get*"]}, True),
        ({"Action": "s3:GetObjec?"}, True),
        ({"Action": "s3:PutObject"}, False),
        ({"Resource": "*"}, True),
        ({"Resource": "arn:aws:s3:::bucket/RUNS/*"}, False),
        ({"Resource": "arn:aws:s3:*:bucket/runs/*"}, False),
        ({"Condition": {"StringLike": {"s3:prefix": "runs/*"}}}, True),
        ({"Condition": {"StringEquals": {"S3:Prefix": ["other", "runs/a"]}}}, True),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": "1"}}}, False),
    ],
)
def test_statement_allows_what_its_elements_say(elements: dict[str, Any], expected: bool) -> None:
    assert allows(statement(**elements), context=(("s3:prefix", "runs/a"),)) is expected


def test_not_action_and_not_resource_cover_the_rest() -> None:
    rest = {"Effect": "Allow", "NotAction": "s3:Put*", "NotResource": "arn:aws:s3:::bucket/private/*"}
    assert allows(rest)
    assert not allows({**rest, "NotAction": "s3:Get*"})
    assert not allows({**rest, "NotResource": "arn:aws:s3:::bucket/runs/*"})


def test_a_deny_of_either_side_wins() -> None:
    assert not allows(statement(), statement(Effect="Deny"))
    assert not allows(statement(), resource=(statement(Effect="Deny", Principal="*"),))


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        ("*", True),
        ({"AWS": ROLE}, True),
        ({"AWS": [SESSION]}, True),
        ({"AWS": "arn:aws:iam::000000000000:role/other"}, False),
        ({"AWS": "000000000000"}, False),  # lets the account's own policies decide
        ({"Service": "lambda.amazonaws.com"}, False),
    ],
)
def test_policy_of_a_resource_allows_whom_it_names(principal: Any, expected: bool) -> None:
    assert allows(resource=(statement(Principal=principal),)) is expected


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"Condition": {"DateLessThan": {"aws:CurrentTime": "2026"}}}, "condition operator DateLessThan"),
        ({"Condition": {"StringEqualsIfExists": {"a:b": "c"}}}, "StringEqualsIfExists"),
        ({"Condition": {"ForAllValues:StringEquals": {"s3:prefix": "c"}}}, "ForAllValues:StringEquals"),
        ({"Condition": {"stringequals": {"s3:prefix": "c"}}}, "condition operator stringequals"),
        ({"Condition": {"StringEquals": {"aws:PrincipalArn": ROLE}}}, "condition key aws:PrincipalArn has no value"),
        ({"Condition": {"Bool": {"aws:ViaAWSService": True}}}, "condition key aws:ViaAWSService has no value"),
        ({"Condition": {"StringLike": {"s3:prefix": "${aws:username}/*"}}}, "policy variables"),
        ({"Resource": "arn:aws:s3:::${aws:username}"}, "policy variables"),
        ({"Resource": "arn:aws:s3:::bucket/${*}"}, "policy variables"),
        ({"NotPrincipal": {"AWS": ROLE}, "Effect": "Deny"}, "NotPrincipal is not evaluated here"),
        ({"Principal": {"AWS": "arn:aws:iam::000000000000:role/*"}}, "Principal has no wildcards"),
        ({"Principal": {"Service": "*"}}, "Principal has no wildcards"),
        ({"Principal": {"AWS": 1}}, "Principal must be text, got 1"),
        ({"Principal": {"Federated": "x"}}, "Federated"),
        ({"Effect": "allow"}, "Effect must be Allow or Deny"),
        ({"NotAction": "s3:*"}, "both Action and NotAction"),
    ],
)
def test_what_is_not_evaluated_is_refused_by_name(elements: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=rf"policy, statement 1: .*{reason}"):
        parse({"Statement": statement(**elements)}, "policy")


def access_to(*statements: dict[str, Any]) -> Access:
    role = Role(arn=ROLE, trust=(), statements=parse({"Statement": list(statements)}, "policy"))
    return Access(Policies(roles={role.name: role}))


def test_refusal_has_the_words_of_the_service() -> None:
    access = access_to(statement(Effect="Deny"))
    with pytest.raises(ServiceError) as denied:
        access.require(SESSION, "s3:GetObject", OBJECT)
    assert (denied.value.code, denied.value.status) == ("AccessDenied", 403)
    assert denied.value.message == (
        f'User: {SESSION} is not authorized to perform: s3:GetObject on resource: "{OBJECT}" '
        "with an explicit deny in an identity-based policy"
    )
    machine = "arn:aws:states:us-east-1:000000000000:stateMachine:m"
    with pytest.raises(ServiceError) as refused:
        access.require(SESSION, "states:StartExecution", machine)
    assert (refused.value.code, refused.value.status) == ("AccessDeniedException", 400)
    assert refused.value.message == (
        f"User: {SESSION} is not authorized to perform: states:StartExecution on resource: {machine} "
        "because no identity-based policy allows the states:StartExecution action"
    )


@pytest.mark.parametrize("principal", ["user", SESSION.replace("stack-Role", "unknown")])
def test_nothing_binds_the_person_and_roles_of_others(principal: str) -> None:
    access_to().require(principal, "s3:DeleteObject", OBJECT)


def read(**resources: dict[str, Any]) -> Policies:
    template = {"Resources": resources}
    account = Account()
    return read_policies(template, Resolver(template, "stack", account), account)


TRUST = {"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}}


def role(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST, **properties}}


def test_role_has_its_inline_attached_and_managed_policies() -> None:
    basic = {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":iam::aws:policy/service-role/"]]}
    managed = {"Fn::Join": ["", [basic, "AWSLambdaBasicExecutionRole"]]}
    inline = {"PolicyName": "own", "PolicyDocument": {"Statement": statement()}}
    attached = {"Roles": [{"Ref": "Role"}], "PolicyName": "p", "PolicyDocument": {"Statement": [statement()]}}
    policies = read(
        Role=role(ManagedPolicyArns=[managed], Policies=[inline]),
        Policy={"Type": "AWS::IAM::Policy", "Properties": attached},
    )
    names = [each.name for each in policies.roles["stack-Role"].statements]
    assert names == [
        "Role, policy own, statement 1",
        "managed policy service-role/AWSLambdaBasicExecutionRole, statement 1",
        "Policy, statement 1",
    ]


def test_role_has_managed_policies_of_the_template_and_those_that_name_it() -> None:
    def managed(name: str, **properties: Any) -> dict[str, Any]:
        return {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {"PolicyDocument": {"Statement": statement(Sid=name)}, **properties},
        }

    own = {"RoleName": {"Ref": "Role"}, "PolicyName": "p", "PolicyDocument": {"Statement": statement(Effect="Deny")}}
    policies = read(
        Role=role(ManagedPolicyArns=[{"Ref": "Listed"}, {"Ref": "Named"}]),
        Listed=managed("a"),
        Named=managed("b", ManagedPolicyName="reads", Path="/team/"),
        Attached=managed("c", Roles=[{"Ref": "Role"}]),
        Own={"Type": "AWS::IAM::RolePolicy", "Properties": own},
    )
    statements = policies.roles["stack-Role"].statements
    assert sorted(each.name.partition(",")[0] for each in statements) == ["Attached", "Listed", "Named", "Own"]
    with pytest.raises(TemplateError, match="Listed: property Users"):
        read(Listed=managed("a", Users=["somebody"]))
    with pytest.raises(TemplateError, match="Attached: role other is not part of the template"):
        read(Attached=managed("c", Roles=["other"]))


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"PermissionsBoundary": "arn"}, "Role: property PermissionsBoundary"),
        (
            {"ManagedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]},
            "AdministratorAccess is not known here",
        ),
        (
            {"Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": statement(Condition={"Null": {}})}}]},
            "Role, policy p, statement 1: condition operator Null",
        ),
    ],
)
def test_role_that_is_not_understood_is_refused_by_name(properties: dict[str, Any], reason: str) -> None:
    with pytest.raises(TemplateError, match=reason):
        read(Role=role(**properties))


@pytest.mark.parametrize(
    ("service", "is_made"),
    [
        ("states.amazonaws.com", True),
        ("states.us-east-1.amazonaws.com", True),
        ("states.eu-west-1.amazonaws.com", False),
        ("lambda.amazonaws.com", False),
    ],
)
def test_machine_is_made_whose_role_trusts_the_service_or_that_of_the_region(service: str, is_made: bool) -> None:
    trust = {"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}}
    access = Access(read(Role=role(AssumeRolePolicyDocument=trust)))
    with nullcontext() if is_made else pytest.raises(ServiceError, match="nor the regional one is authorized"):
        check_machine_role(
            access,
            Account(),
            machine_arn="arn:aws:states:us-east-1:000000000000:stateMachine:m",
            role_arn=ROLE,
            definition="{}",
            is_logged=False,
        )


def test_permission_lets_a_rule_call_a_function() -> None:
    permission = {
        "Action": "lambda:InvokeFunction",
        "FunctionName": "f",
        "Principal": "events.amazonaws.com",
        "SourceArn": "arn:aws:events:us-east-1:000000000000:rule/mine",
    }
    access = Access(read(Permission={"Type": "AWS::Lambda::Permission", "Properties": permission}))
    function = "arn:aws:lambda:us-east-1:000000000000:function:f"
    for rule, expected in (("mine", True), ("other", False)):
        source = (("aws:SourceArn", f"arn:aws:events:us-east-1:000000000000:rule/{rule}"),)
        assert access.allows_service("events.amazonaws.com", "lambda:InvokeFunction", function, source) is expected


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (None, "must be an object with Statement, got None"),
        ([], "must be an object with Statement"),
        ({"statement": []}, "must be an object with Statement"),
        ({"Statement": [], "Statements": []}, "Statements is no element of a policy"),
        ({"Statement": [], "Version": "2012-10-18"}, "Version must be 2012-10-17 or 2008-10-17, got '2012-10-18'"),
        ({"Statement": None}, "statement 1: must be an object, got None"),
        ({"Statement": ["text"]}, "statement 1: must be an object, got 'text'"),
        ({"Statement": statement(Action=[])}, "Action must have one value at least"),
        (
            {"Statement": {"Effect": "Allow", "NotAction": [], "Resource": "*"}},
            "NotAction must have one value at least",
        ),
        ({"Statement": statement(Resource=[])}, "Resource must have one value at least"),
        ({"Statement": statement(Action="GetObject")}, r"Action must be service:action or \*, got GetObject"),
        ({"Statement": statement(Action="*:*")}, "Action must be service:action"),
        ({"Statement": statement(Resource="bucket/key")}, r"Resource must be an ARN or \*, got bucket/key"),
        ({"Statement": [statement(Sid="A"), statement(Sid="B"), statement(Sid="A")]}, "Sid A names 2 statements"),
        ({"Statement": statement(Sid=1)}, "Sid must be text, got 1"),
        ({"Statement": statement(Condition=["x"])}, "Condition must be operators"),
        ({"Statement": statement(Condition={"StringEquals": "x"})}, "Condition must be operators"),
        ({"Statement": statement(Condition={"StringEquals": {"s3:prefix": None}})}, "s3:prefix must be texts, numbers"),
        ({"Statement": statement(Condition={"StringEquals": {"s3:prefix": {}}})}, "s3:prefix must be texts, numbers"),
    ],
)
def test_malformed_policy_is_refused_with_what_is_wrong(document: Any, reason: str) -> None:
    with pytest.raises(PolicyError, match=reason):
        parse(document, "policy")


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [
        ("*", "", True),
        ("a*", "a", True),
        ("*a", "ba", True),
        ("a*a", "a", False),
        ("a**b", "ab", True),
        ("a?*", "a", False),
        ("?", "é", True),
        ("a*b*c", "a-b-b-c-c", True),
        ("a*b*c", "acb", False),
        ("*ab*ab", "ab", False),
        ("*.json", "a.jsonl", False),
        ("a.b[c]+", "a.b[c]+", True),
        ("a.b[c]+", "axbc", False),
        ("a:*", "a:b\nc", True),
        ("*a" * 30 + "b", "a" * 3_000, False),  # a search that went back would not end
    ],
)
def test_stars_and_question_marks_match_anything_between_what_is_given(pattern: str, key: str, expected: bool) -> None:
    own = parse({"Statement": statement(Resource=f"arn:aws:s3:::bucket/{pattern}")}, "own")
    request = Request(SESSION, "s3:GetObject", f"arn:aws:s3:::bucket/{key}")
    assert decide(own, (), request).is_allowed is expected


@pytest.mark.parametrize(
    ("value", "given", "expected"),
    [(True, "true", True), (False, "true", False), ("TRUE", "true", True), ("x", "true", False)],
)
def test_truth_is_compared_as_text_without_case(value: Any, given: str, expected: bool) -> None:
    conditions = {"Bool": {"aws:SecureTransport": value}}
    assert allows(statement(Condition=conditions), context=(("aws:SecureTransport", given),)) is expected


@pytest.mark.parametrize(
    ("limit", "expected"), [(1.2, True), ("1.2", True), (1, False), ("one", False), ([0, 2], True)]
)
def test_numbers_may_be_texts(limit: Any, expected: bool) -> None:
    conditions = {"NumericLessThan": {"s3:TlsVersion": limit}}
    assert allows(statement(Condition=conditions), context=(("s3:TlsVersion", "1.1"),)) is expected


def test_deny_of_not_resource_leaves_only_what_it_names() -> None:
    for kept, expected in (("arn:aws:s3:::bucket/runs/*", True), ("arn:aws:s3:::bucket/uploads/*", False)):
        assert allows(statement(), {"Effect": "Deny", "Action": "*", "NotResource": kept}) is expected


def test_role_is_named_by_its_whole_arn() -> None:
    for other in (f"{ROLE}2", ROLE.replace("role/", "role/path/"), f"x{ROLE}"):
        assert not allows(resource=(statement(Principal={"AWS": other}),))
    assert allows(resource=(statement(Principal={"AWS": ROLE.replace("arn:aws:", "arn:aws-cn:")}),))


def test_policy_of_a_role_says_on_what_and_not_who() -> None:
    for elements, reason in (
        ({"Action": "s3:*"}, "has neither Resource nor NotResource"),
        (statement(Principal="*"), "has a Principal"),
    ):
        inline = {"PolicyName": "own", "PolicyDocument": {"Statement": {"Effect": "Allow", **elements}}}
        with pytest.raises(TemplateError, match=f"Role, policy own, statement 1: {reason}"):
            read(Role=role(Policies=[inline]))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("execution:m:*", True),
        ("execution:*:one", True),
        ("*", True),
        ("*:*", False),
        ("*:m:one", False),
        ("?xecution:m:one", False),
        ("exec*:m:one", False),
    ],
)
def test_type_of_a_resource_has_no_wildcards(pattern: str, expected: bool) -> None:
    arn = "arn:aws:states:us-east-1:000000000000:execution:m:one"
    given = {"Effect": "Allow", "Action": "*", "Resource": arn.replace("execution:m:one", pattern)}
    own = parse({"Statement": given}, "own")
    assert decide(own, (), Request(SESSION, "states:StopExecution", arn)).is_allowed is expected


def of_resource(**elements: Any) -> dict[str, Any]:
    return {"Statement": {"Effect": "Allow", "Action": "s3:GetObject", **elements}}


@pytest.mark.parametrize(
    ("resource_type", "properties"),
    [
        ("AWS::S3::BucketPolicy", {"Bucket": "bucket"}),
        ("AWS::SQS::QueuePolicy", {"Queues": ["https://sqs/000000000000/queue"]}),
        ("AWS::KMS::Key", {}),
    ],
)
def test_policy_of_a_resource_says_who_and_on_what(resource_type: str, properties: dict[str, Any]) -> None:
    field = "KeyPolicy" if resource_type == "AWS::KMS::Key" else "PolicyDocument"
    for elements, reason in (({"Resource": "*"}, "has no Principal"), ({"Principal": "*"}, "has neither Resource")):
        given = {**properties, field: of_resource(**elements)}
        with pytest.raises(TemplateError, match=f"Own, statement 1: {reason}"):
            read(Own={"Type": resource_type, "Properties": given})


@pytest.mark.parametrize(
    ("resource_type", "name"),
    [
        ("AWS::IAM::Role", "AssumeRolePolicyDocument"),
        ("AWS::IAM::Policy", "PolicyDocument"),
        ("AWS::IAM::ManagedPolicy", "PolicyDocument"),
        ("AWS::S3::BucketPolicy", "Bucket"),
        ("AWS::SQS::QueuePolicy", "Queues"),
        ("AWS::KMS::Key", "KeyPolicy"),
        ("AWS::Lambda::Permission", "FunctionName"),
    ],
)
def test_property_that_is_missing_is_named(resource_type: str, name: str) -> None:
    with pytest.raises(TemplateError, match=f"Own: property {name} is missing"):
        read(Own={"Type": resource_type})


def test_trust_policy_says_who_and_not_on_what() -> None:
    for elements, reason in (({}, "has no Principal"), ({"Principal": "*", "Resource": "*"}, "has a Resource")):
        trust = {"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", **elements}}
        with pytest.raises(TemplateError, match=f"Role, its trust policy, statement 1: {reason}"):
            read(Role=role(AssumeRolePolicyDocument=trust))


def test_every_action_of_every_service_takes_a_right() -> None:
    account = Account()
    assert set(S3_RIGHTS) == set(s3_service._ACTIONS)
    assert set(states_rights(account, lambda _token: None)) == set(states_service.ACTIONS)
    assert set(batch_rights(account, lambda _kind, name: name)) == set(batch_service.ACTIONS)
