"""Policies against AWS's own reference data: actions exist, and know the resources and the conditions."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from combinations import settings_and_templates
from sfn_local.arns import Account
from sfn_local.assembly.cloudformation import Resolver
from sfn_local.assembly.iam_resources import read_policies
from sfn_local.iam.conditions import matches_action
from sfn_local.iam.policies import Statement, parse

SERVICES = ("batch", "ecr", "events", "kms", "lambda", "logs", "s3", "sns", "states", "sts", "xray")
# Keys that every action knows.  Source: IAM user guide, "AWS global condition context keys".
GLOBAL_KEYS = ("aws:SecureTransport", "aws:SourceAccount", "aws:SourceArn")
# The data knows no resource of theirs; AWS's own CDK grants them on a state machine (grantTaskResponse), which holds.
ANSWERS = ("SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat")
# The stand-in for the ARN of a resource that is not made on this machine, whose kind nobody can tell.
NO_ARN = "arn:aws:not-made-here:"
Reference = dict[str, Any]


@pytest.fixture(scope="module")
def reference(aside: Path) -> Reference:
    command = [str(aside / "python/bin/python"), str(Path(__file__).with_name("reference.py")), *SERVICES]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: Reference = json.loads(done.stdout)
    # Policies take ARNs of log groups with ":*".  Source: CloudWatch Logs user guide, "CloudWatch Logs resources".
    found["logs"]["resources"]["log-group"]["arn"] += ":*"
    for action in ANSWERS:
        found["states"]["actions"][action]["resources"].append("statemachine")
    return found


@cache
def statements() -> frozenset[Statement]:
    """Every statement of every template's roles and resources, trust policies too."""
    found: set[Statement] = set()
    account = Account()
    for _settings, template in settings_and_templates():
        policies = read_policies(template, Resolver(template, "HpcStack", account, has_stand_ins=True), account)
        for role in policies.roles.values():
            found |= {*role.statements, *role.trust}
        for arn, own in policies.of_resources.items():
            # In the policy of a key, "*" is the key.  Source: KMS developer guide, "Key policies".
            found |= {replace(each, resources=(arn,)) if each.resources == ("*",) else each for each in own}
    return frozenset(found)


def faults(reference: Reference, statement: Statement) -> Iterator[str]:
    """Say what a statement has that its actions do not know."""
    kinds: set[str] = set()
    for pattern in statement.actions or ():
        service = pattern.partition(":")[0]
        known = reference.get(service, {"actions": {}})["actions"]
        actions = [known[name] for name in known if matches_action(pattern, f"{service}:{name}")]
        if not actions:
            yield f"{statement.name}: there is no action {pattern}"
            continue
        arns = [reference[service]["resources"][kind]["arn"] for each in actions for kind in each["resources"]]
        kinds |= {*arns, *(() if all(each["resources"] for each in actions) else ("*",))}
        fitting = [each for each in statement.resources or () if any(meet(each, arn) for arn in arns or ["*"])]
        if statement.resources is not None and not fitting:
            yield f"{statement.name}: {pattern} knows no resource like {statement.resources}"
        keys = {key for each in actions for key in each["keys"]}
        keys |= {
            key
            for each in actions
            for kind in each["resources"]
            for key in reference[service]["resources"][kind]["keys"]
        }
        for condition in statement.conditions:
            if not any(_is_of(condition.key.lower(), key.lower()) for key in (*keys, *GLOBAL_KEYS)):
                yield f"{statement.name}: {pattern} knows no condition {condition.key}"
    for resource in statement.resources or ():
        if not any(meet(resource, arn) for arn in kinds):
            yield f"{statement.name}: no action of it knows a resource like {resource}"


def _is_of(condition_key: str, known_key: str) -> bool:
    """Whether a key is one of a kind, like ``kms:encryptioncontext:${encryptioncontextkey}``."""
    beginning, placeholder, _ = known_key.partition("${")
    return condition_key.startswith(beginning) if placeholder else condition_key == known_key


@cache
def meet(pattern: str, arn: str) -> bool:
    """Whether some ARN of a kind, ``arn:${Partition}:s3:::${BucketName}``, is one that a pattern covers."""
    if pattern.startswith(NO_ARN):
        return True
    if "*" in (pattern, arn):
        return pattern == arn
    ours = re.findall(r"\*|\?|[^*?]", pattern)
    theirs = [name if name else character for name, character in re.findall(r"\$\{(\w+)\}|(.)", arn)]
    return _meet(tuple(ours), tuple(theirs))


@cache
def _meet(ours: tuple[str, ...], theirs: tuple[str, ...]) -> bool:
    if not ours or not theirs:
        return all(each == "*" for each in ours) and all(len(each) > 1 for each in theirs)
    (first, *rest), (other, *others) = ours, theirs
    if len(other) > 1:  # a placeholder, for one character or more
        if _meet(ours, tuple(others)):
            return True
        if first == "*":
            return _meet(tuple(rest), theirs) or _meet(ours, tuple(others))
        return (first == "?" or _may_hold(other, first)) and _meet(tuple(rest), theirs)
    if first == "*":
        return _meet(tuple(rest), theirs) or _meet(ours, tuple(others))
    return first in ("?", other) and _meet(tuple(rest), tuple(others))


def _may_hold(placeholder: str, character: str) -> bool:
    return placeholder == "ObjectName" or (character != ":" and (character != "/" or placeholder != "BucketName"))


def test_every_statement_says_what_its_actions_know(reference: Reference) -> None:
    assert len(statements()) > 50
    found = {fault for statement in statements() for fault in faults(reference, statement)}
    assert "\n".join(sorted(found)) == ""


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"Action": "s3:GetObjekt", "Resource": "*"}, "there is no action s3:GetObjekt"),
        ({"Action": "s4:GetObject", "Resource": "*"}, "there is no action s4:GetObject"),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket"}, "s3:GetObject knows no resource like"),
        ({"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::bucket/*"}, "s3:ListBucket knows no resource like"),
        (
            {"Action": "batch:ListJobs", "Resource": "arn:aws:batch:us-east-1:0:job/*"},
            "batch:ListJobs knows no resource",
        ),
        (
            {"Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket"]},
            "no action of it knows a resource like arn:aws:s3:::bucket",
        ),
        (
            {
                "Action": "s3:GetObject",
                "Resource": "arn:aws:s3:::bucket/*",
                "Condition": {"StringLike": {"s3:prefix": "runs/*"}},
            },
            "s3:GetObject knows no condition s3:prefix",
        ),
    ],
)
def test_what_no_action_knows_is_found(reference: Reference, elements: dict[str, Any], reason: str) -> None:
    [statement] = parse({"Statement": {"Effect": "Allow", **elements}}, "policy")
    assert any(reason in fault for fault in faults(reference, statement))
