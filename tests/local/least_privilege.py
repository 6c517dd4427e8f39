"""Whether roles may do what runs need, and nothing else: by calls that runs made, and by what only services do.

A right is an *atom*: one action, one resource and one value of each condition of a statement.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from sfn_local.iam.access import Role
from sfn_local.iam.conditions import Condition
from sfn_local.iam.evaluator import Request, decide
from sfn_local.iam.policies import Statement

Settings = Mapping[str, Any]
BOLD = re.compile(r"\*\*(.+?)\*\*")


def _always(_settings: Settings) -> bool:
    return True


@dataclass(frozen=True)
class ServiceOnly:
    """Rights that a service uses on its own, where no local run can: roles and resource by pattern, and the source.

    ``condition`` is a key that the right has a condition on, if it has one.
    """

    role: str
    actions: tuple[str, ...]
    resource: str
    page: str
    is_given: Callable[[Settings], bool] = _always
    condition: str | None = None


WRITE_LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")
LOG_GROUP = r"arn:aws:logs:[^*]*:log-group:[^*]+(:\*)?"
TASK_EXECUTION = "AmazonECS/latest/developerguide/task_execution_IAM_role.html"


def _has_image_in_ecr(settings: Settings) -> bool:
    return "batch_image" not in settings


SERVICE_ONLY = (
    ServiceOnly(
        r"(Start|Compute|Sum|Submit|Function|Notify|Compare|AutoDelete\w*)Role",
        WRITE_LOGS,
        LOG_GROUP,
        "lambda/latest/dg/lambda-intro-execution-role.html",
    ),
    ServiceOnly(r"BatchJobsExecutionRole", WRITE_LOGS, LOG_GROUP, TASK_EXECUTION),
    ServiceOnly(
        r"BatchJobsExecutionRole",
        ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
        r"arn:aws:ecr:[^*]*:repository/[^*]+",
        TASK_EXECUTION,
        _has_image_in_ecr,
    ),
    ServiceOnly(r"BatchJobsExecutionRole", ("ecr:GetAuthorizationToken",), r"\*", TASK_EXECUTION, _has_image_in_ecr),
    ServiceOnly(
        r"StateMachineRole",
        tuple(
            f"xray:{action}"
            for action in ("PutTraceSegments", "PutTelemetryRecords", "GetSamplingRules", "GetSamplingTargets")
        ),
        r"\*",
        "step-functions/latest/dg/xray-iam.html",
    ),
    # The local writer writes each file at once; AWS's uploads in parts and reads what it wrote before a redrive.
    ServiceOnly(
        r"MapReduceStateMachineRole",
        ("s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"),
        r"arn:aws:s3:::[^*]+/runs/\*/map/\*",
        "step-functions/latest/dg/iam-policies-eg-dist-map.html",
    ),
    ServiceOnly(
        r"(Start|Compute|Job)Role",
        ("kms:Decrypt",),
        r"arn:aws:kms:[^*]*:key/(?!HpcStack)[^*]+",
        "AmazonS3/latest/userguide/UsingKMSEncryption.html",
        lambda settings: "source_kms_keys" in settings,
    ),
    # Here the role of a machine is asked once, for the machine itself: not for executions of others that it starts or
    # answers, nor for its children.
    ServiceOnly(
        r"(StateMachine|Notify|JobEventsFunction|JobsJob)Role",
        ("kms:Decrypt", "kms:GenerateDataKey"),
        r"arn:aws:kms:[^*]*:key/[^*]+",
        "step-functions/latest/dg/encryption-at-rest.html",
        lambda settings: bool(settings.get("kms")),
        "kms:EncryptionContext:aws:states:stateMachineArn",
    ),
)
"""Pages are of docs.aws.amazon.com."""

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
GENERALISED: tuple[tuple[str, Callable[[re.Match[str]], str], str], ...] = (
    (r"(?<![^/])runs/[^/]+/(?:batch(?:_callback)?/(?=[a-z_]+[./]))?", lambda _: "runs/*/", "Any run"),
    (rf"(?<=batch_callback/){UUID}(?=\.jsonl)", lambda _: "*-*-*-*-*", "Any run"),
    (r"(?<=batch/)\d{1,4}(?=\.jsonl)", lambda found: "?" * len(found[0]), "Any run"),
    (r"(?<=parts/).+", lambda _: "*", "Any run"),
    (r"(?<=map/).+(?=/manifest\.json)", lambda _: "*", "Any run"),
    (r"(?<=map/).+", lambda _: "*", "Any run"),
    (r"(?<=uploads/workloads/).+", lambda _: "*", "Any upload"),
    (r"(?<=uploads/).+", lambda _: "*", "Any upload"),
    (r"(?<=:::data-1/).+", lambda _: "*", "Any object of a source bucket"),
    (rf"(?<=:job/){UUID}", lambda _: "*", "Any job"),
    (r"(?<=:job-definition/)(.+):\d+", lambda found: f"{found[1]}:*", "Any revision"),
    (rf"(?<=:execution:)([^:]+):(?:{UUID})", lambda found: f"{found[1]}:*", "Any execution"),
)
"""What stands for many in a resource, what policies write instead, and the paragraph of the security page."""


def general(text: str) -> frozenset[str]:
    """Return the patterns that policies may have for a resource, or a prefix of keys."""
    found = {text}
    for pattern, write, _reason in GENERALISED:
        found |= {re.sub(pattern, write, each) for each in found}
    return frozenset(found)


def _names_nothing(pattern: str) -> bool:
    """Whether a pattern has no name in it that a run was given."""
    return re.search(UUID, pattern) is None and ("runs/" not in pattern or "runs/*/" in pattern)


def reasons() -> set[str]:
    return {reason for *_rest, reason in GENERALISED}


@dataclass(frozen=True)
class Call:
    """Calls that differ in names of runs and the like only: one of them, and the patterns that may cover it."""

    request: Request
    resources: frozenset[str]
    contexts: frozenset[str]


def calls_of(requests: Iterable[Request]) -> dict[str, frozenset[Call]]:
    """Return the calls by the role that made them."""
    made: dict[str, dict[Any, Call]] = {}
    for request in requests:
        role = request.principal.split("/")[1] if request.principal.startswith("arn:") else request.principal
        contexts = frozenset().union(*(general(value) for _key, value in request.context))
        call = Call(request, general(request.resource), contexts)
        kind = (request.action, *(frozenset(filter(_names_nothing, each)) for each in (call.resources, contexts)))
        made.setdefault(role, {})[kind] = call
    return {role: frozenset(calls.values()) for role, calls in made.items()}


def applies(call: Call, template: Mapping[str, Any], settings: Settings) -> bool:
    """Whether a stack can make a call: it has what the call is about."""
    service, _, name = call.request.action.partition(":")
    text = call.request.resource
    if service == "s3" and "/uploads/workloads/" in text:
        return bool(settings.get("uploaded_workloads", True))
    if service == "s3":
        return text.split(":::")[1].split("/")[0] != "data-1" or "source_buckets" in settings
    if service == "kms":
        return bool(settings.get("kms"))
    if service == "batch" or (service == "events" and "MapReduce" in call.request.principal):
        return bool(settings.get("batch"))
    if name == "RedriveExecution":
        return settings.get("child_type") != "EXPRESS"
    parts = re.findall(r"(?:function|stateMachine|execution):(?:HpcStack-)(\w+)", text)
    return all(any(part == logical_id for logical_id in template["Resources"]) for part in parts)


@cache
def covers(atom: Statement, request: Request) -> bool:
    return atom.covers(*request[1:])


def atoms(statement: Statement) -> Iterator[Statement]:
    """Take a statement apart."""
    values = [[Condition(each.operator, each.key, (value,)) for value in each.values] for each in statement.conditions]
    for action, resource, *conditions in itertools.product(
        statement.actions or ("NotAction",), statement.resources or ("NotResource",), *values
    ):
        yield replace(statement, actions=(action,), resources=(resource,), conditions=tuple(conditions))


def complaints(role: Role, calls: frozenset[Call], settings: Settings) -> list[str]:
    """Say what a role may do without need, and what it may not do though it is needed."""
    allowed = [atom for statement in role.statements if not statement.is_deny for atom in atoms(statement)]
    return [*_denied(role, calls), *_missing(role, allowed, settings), *_unneeded(role, allowed, calls, settings)]


def _denied(role: Role, calls: frozenset[Call]) -> Iterator[str]:
    for call in calls:
        if not decide(role.statements, (), call.request).is_allowed:
            yield f"{role.name} would be denied {call.request.action} on {call.request.resource}"


def _missing(role: Role, allowed: list[Statement], settings: Settings) -> Iterator[str]:
    for row in SERVICE_ONLY:
        if re.search(row.role, role.name) and row.is_given(settings):
            for action in row.actions:
                if not any(_is_of(row, action, atom) for atom in allowed):
                    yield f"{role.name}: the service would be denied {action}; see {row.page}"


def _unneeded(role: Role, allowed: list[Statement], calls: frozenset[Call], settings: Settings) -> Iterator[str]:
    only_cover = {
        covering[0]
        for call in calls
        if len(covering := [number for number, atom in enumerate(allowed) if covers(atom, call.request)]) == 1
    }
    for number, atom in enumerate(allowed):
        assert atom.actions is not None
        assert atom.resources is not None
        [action], [resource] = atom.actions, atom.resources
        if any(
            re.search(row.role, role.name) and row.is_given(settings) and _is_of(row, action, atom)
            for row in SERVICE_ONLY
        ):
            continue
        if "*" in action:
            yield f"{role.name}: {action} names more than one action"
        elif number not in only_cover:
            yield f"{role.name}: no call needs {action} on {resource} {atom.conditions or ''}"
        elif not any(_is_as_narrow(atom, call) for call in calls if covers(atom, call.request)):
            yield f"{role.name}: no call needs as much as {action} on {resource} {atom.conditions or ''}"


def _is_of(row: ServiceOnly, action: str, atom: Statement) -> bool:
    return (
        action in row.actions
        and atom.actions == (action,)
        and atom.resources is not None
        and re.fullmatch(row.resource, atom.resources[0]) is not None
        and (row.condition is None or any(each.key == row.condition for each in atom.conditions))
    )


def _is_as_narrow(atom: Statement, call: Call) -> bool:
    assert atom.resources is not None
    return atom.resources[0] in call.resources and all(each.values[0] in call.contexts for each in atom.conditions)


def narrowed(role: Role) -> Iterator[tuple[str, Role]]:
    """Take one action of one statement away from a role, each in turn."""
    for number, statement in enumerate(role.statements):
        for action in statement.actions or ():
            rest = tuple(each for each in statement.actions or () if each != action)
            left = (replace(statement, actions=rest),) if rest else ()
            statements = (*role.statements[:number], *left, *role.statements[number + 1 :])
            yield f"{role.name} without {action} of {statement.name}", replace(role, statements=statements)


def widened(role: Role) -> Iterator[tuple[str, Role]]:
    """Give a role more, in each of its statements and beside them."""
    for number, statement in enumerate(role.statements):
        actions, resources = statement.actions or (), statement.resources or ()
        for wider in (
            *(replace(statement, actions=(*actions, action)) for action in ("s3:*", "*")),
            *(() if "*" in resources else (replace(statement, resources=("*",)),)),
            *(() if "*" in resources else (replace(statement, resources=(*resources, "*")),)),
        ):
            statements = (*role.statements[:number], wider, *role.statements[number + 1 :])
            yield f"{role.name} with {wider.actions} on {wider.resources}", replace(role, statements=statements)
    if role.statements:
        free = replace(role.statements[0], actions=("*",), resources=("*",), conditions=())
        yield f"{role.name} with a statement more", replace(role, statements=(*role.statements, free))
