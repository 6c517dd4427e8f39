"""Alarms, dashboard and messages: what is watched, who may publish, and what it costs by the docs."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from synthesis import ROOT, resources_of

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


def test_message_of_an_end_names_the_run_and_what_to_type_next(watched: Template) -> None:
    [topic] = resources_of(watched, "AWS::SNS::Topic")
    told = {}
    for rule in resources_of(watched, "AWS::Events::Rule").values():
        for target in rule["Properties"].get("Targets", ()):
            if target["Arn"] == {"Ref": topic}:
                [status] = rule["Properties"]["EventPattern"]["detail"]["status"]
                told[status] = json.loads(target["InputTransformer"]["InputTemplate"])
    assert set(told) == {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}
    place = "--aws --stack-name HpcStack"
    assert "<detail-name> has ended: FAILED." in told["FAILED"]
    assert f"Next: hpc failures <detail-name> {place} or hpc redrive <detail-name> {place}" in told["FAILED"]
    assert "items and its answer: <detail-output>" in told["SUCCEEDED"]
    assert f"hpc result <detail-name> {place}" in told["SUCCEEDED"]
    assert all(f"What it cost: hpc status <detail-name> {place}" in text for text in told.values())


def test_services_may_publish_to_the_encrypted_topic(watched: Template) -> None:
    [policy] = resources_of(watched, "AWS::SNS::TopicPolicy").values()
    statements = policy["Properties"]["PolicyDocument"]["Statement"]
    publishers = {each["Principal"]["Service"] for each in statements if each["Effect"] == "Allow"}
    assert publishers == {"cloudwatch.amazonaws.com", "events.amazonaws.com"}
    [key] = resources_of(watched, "AWS::KMS::Key").values()
    using = [
        each["Principal"]["Service"]
        for each in key["Properties"]["KeyPolicy"]["Statement"]
        if {"kms:Decrypt", "kms:GenerateDataKey"} <= set(each["Action"])
    ]
    assert sorted(publishers) in using


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
    counts = re.search(r"each \((\d+); (\d+) with AWS Batch; (\d+) with", page)
    assert counts is not None
    assert counts[number + 1] == str(alarms)


def test_an_address_alone_gets_messages_of_ends_without_alarms(synthesize: Callable[..., Template]) -> None:
    template = synthesize(packages_layer=False, notify_email="team@example.org")
    [subscription] = resources_of(template, "AWS::SNS::Subscription").values()
    properties = subscription["Properties"]
    assert (properties["Protocol"], properties["Endpoint"]) == ("email", "team@example.org")
    assert alarms_of(template) == {}
