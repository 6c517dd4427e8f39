"""Alarms, dashboard and messages: what is watched, who may publish, and what it costs by the docs."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from synthesis import ROOT, resources_of

from hpc.notices import NEXT_COMMANDS

Template = dict[str, Any]
ALARM_USD, METRIC_USD, DASHBOARD_USD = 0.10, 0.30, 3.00


@pytest.fixture(scope="module")
def watched(synthesize: Callable[..., Template]) -> Template:
    return synthesize(
        packages_layer=False, batch=True, orchestrator=True, kms=True, alarms=True, notify_email="team@example.org"
    )


def alarms_of(template: Template) -> dict[str, dict[str, Any]]:
    return {
        each["Properties"]["AlarmDescription"]: each["Properties"]
        for each in resources_of(template, "AWS::CloudWatch::Alarm").values()
    }


def test_nothing_is_watched_unless_asked(template: Template) -> None:
    kinds = {each["Type"] for each in template["Resources"].values()}
    assert not [kind for kind in kinds if kind.startswith(("AWS::CloudWatch::", "AWS::SNS::"))]


def test_every_machine_and_function_has_its_alarms_and_they_publish_to_the_topic(watched: Template) -> None:
    alarms = alarms_of(watched)
    [topic] = resources_of(watched, "AWS::SNS::Topic")
    assert all(each["AlarmActions"] == [{"Ref": topic}] for each in alarms.values())
    assert all(each["TreatMissingData"] == "notBreaching" for each in alarms.values())
    metrics: dict[str, set[str]] = {}
    for each in alarms.values():
        for dimension in each.get("Dimensions", ()):
            metrics.setdefault(str(dimension["Value"]), set()).add(each["MetricName"])
    machines = resources_of(watched, "AWS::StepFunctions::StateMachine")
    functions = {
        name
        for name, each in resources_of(watched, "AWS::Lambda::Function").items()
        if each["Properties"]["Runtime"].startswith("python")
    }
    for name in machines:
        assert metrics[str({"Ref": name})] == {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionThrottled"}
    for name in functions:
        assert metrics[str({"Ref": name})] == {"Errors", "Throttles", "Duration"}


def test_long_invocations_alarm_after_the_time_at_which_compute_stops_by_itself(watched: Template) -> None:
    alarms = alarms_of(watched)
    assert alarms["An invocation of Compute took 895 s or more, of 900 s"]["Threshold"] == 895_000
    assert alarms["An invocation of Notify took 57 s or more, of 60 s"]["Threshold"] == 57_000


def test_failures_of_map_runs_are_counted_in_the_log_of_the_machine_with_the_map(watched: Template) -> None:
    [metric] = (each["Properties"] for each in resources_of(watched, "AWS::Logs::MetricFilter").values())
    assert metric["FilterPattern"] == '{ $.type = "MapRunFailed" }'
    assert "MapReduceLogs" in metric["LogGroupName"]["Ref"]
    [transformed] = metric["MetricTransformations"]
    alarm = alarms_of(watched)["A Map Run had more failures than tolerated"]
    assert (alarm["Namespace"], alarm["MetricName"]) == (transformed["MetricNamespace"], transformed["MetricName"])


def test_jobs_that_failed_are_counted_without_the_children_of_arrays(watched: Template) -> None:
    alarm = alarms_of(watched)["A job of AWS Batch failed"]
    [dimension] = alarm["Dimensions"]
    rule = watched["Resources"][dimension["Value"]["Ref"]]["Properties"]
    assert rule["EventPattern"]["detail"]["status"] == ["FAILED"]
    assert rule["EventPattern"]["detail"]["arrayProperties"] == {"index": [{"exists": False}]}


def function_of_messages(template: Template) -> tuple[str, dict[str, Any]]:
    [found] = (
        (name, each["Properties"])
        for name, each in resources_of(template, "AWS::Lambda::Function").items()
        if each["Properties"]["Handler"] == "hpc.notices.handler"
    )
    return found


def test_ends_of_what_a_person_starts_call_the_function_that_tells_of_them(watched: Template) -> None:
    name, function = function_of_messages(watched)
    [rule] = (
        each["Properties"]
        for each in resources_of(watched, "AWS::Events::Rule").values()
        if any(target["Arn"] == {"Fn::GetAtt": [name, "Arn"]} for target in each["Properties"].get("Targets", ()))
    )
    detail = rule["EventPattern"]["detail"]
    variables = function["Environment"]["Variables"]
    assert set(detail["status"]) == set(NEXT_COMMANDS) - {"PARTIAL"}
    assert detail["stateMachineArn"] == [variables["STATE_MACHINE_ARN"], variables["ORCHESTRATOR_ARN"]]
    [topic] = resources_of(watched, "AWS::SNS::Topic")
    assert (variables["TOPIC_ARN"], variables["STACK_NAME"]) == ({"Ref": topic}, "HpcStack")


def test_function_of_messages_looks_and_publishes_and_changes_nothing(watched: Template) -> None:
    _, function = function_of_messages(watched)
    role = {"Ref": function["Role"]["Fn::GetAtt"][0]}
    actions = {
        action
        for policy in resources_of(watched, "AWS::IAM::Policy").values()
        if role in policy["Properties"]["Roles"]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    looks = {action for action in actions if action.split(":")[1].startswith(("Describe", "List", "Get"))}
    assert actions - looks == {
        *("sns:Publish", "logs:CreateLogStream", "logs:PutLogEvents"),
        *("kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateDataKey*"),
    }
    assert "s3:ListBucket" in looks


def test_code_of_the_messages_runs_with_boto3_alone(watched: Template, tmp_path: Path) -> None:
    """The asset's folder alone, without the packages that Lambda's runtime has not."""
    code = Path(__file__).parents[2]
    exclude = {"api", "cli", "commands", "report"}
    for source in (code / "hpc").rglob("*"):
        relative = source.relative_to(code)
        if source.suffix in (".py", ".json") and relative.parts[1] not in exclude:
            (tmp_path / relative).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / relative).write_bytes(source.read_bytes())
    for source in (code / "lambdas/contract").glob("*.py"):
        (tmp_path / "hpc/contract").mkdir(exist_ok=True)
        (tmp_path / "hpc/contract" / source.name).write_bytes(source.read_bytes())
    program = (
        "import sys; sys.modules.update(dict.fromkeys(('rich', 'sfn_local', 'lambdas', 'argcomplete')));"
        "import hpc.notices; print(hpc.notices.__file__)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(tmp_path)


def test_services_may_publish_to_the_encrypted_topic(watched: Template) -> None:
    [policy] = resources_of(watched, "AWS::SNS::TopicPolicy").values()
    statements = policy["Properties"]["PolicyDocument"]["Statement"]
    publishers = {each["Principal"]["Service"] for each in statements if each["Effect"] == "Allow"}
    assert publishers == {"cloudwatch.amazonaws.com"}
    [key] = resources_of(watched, "AWS::KMS::Key").values()
    using = [
        each["Principal"]["Service"]
        for each in key["Properties"]["KeyPolicy"]["Statement"]
        if {"kms:Decrypt", "kms:GenerateDataKey"} <= set(each["Action"])
    ]
    assert publishers <= set(using)


@pytest.mark.parametrize(
    ("settings", "number"), [({}, 0), ({"batch": True}, 1), ({"batch": True, "orchestrator": True}, 2)]
)
def test_documented_price_is_that_of_what_is_made(
    settings: dict[str, bool], number: int, synthesize: Callable[..., Template]
) -> None:
    template = synthesize(packages_layer=False, alarms=True, **settings)
    alarms = len(resources_of(template, "AWS::CloudWatch::Alarm"))
    usd = ALARM_USD * alarms + METRIC_USD + DASHBOARD_USD
    page = (ROOT / "docs/reference/configuration.md").read_text()
    [row] = re.findall(r"^\| `hpc:alarms` .*$", page, re.MULTILINE)
    assert re.findall(r"\$(\d+\.\d\d)", row)[number] == f"{usd:.2f}"
    counts = re.search(r"\((\d+) alarms; (\d+) with AWS Batch; (\d+) with", page)
    assert counts is not None
    assert counts[number + 1] == str(alarms)


def test_an_address_alone_gets_messages_of_ends_without_alarms(synthesize: Callable[..., Template]) -> None:
    template = synthesize(packages_layer=False, notify_email="team@example.org")
    [subscription] = resources_of(template, "AWS::SNS::Subscription").values()
    properties = subscription["Properties"]
    assert (properties["Protocol"], properties["Endpoint"]) == ("email", "team@example.org")
    assert alarms_of(template) == {}
