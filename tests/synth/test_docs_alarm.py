"""The construct of docs/how-to/add_an_alarm.md makes alarms in a stack."""

import re
import textwrap
from typing import Any

from synthesis import ROOT, resources_of

import aws_cdk as cdk  # isort: skip
from aws_cdk import aws_stepfunctions as sfn  # isort: skip


def test_the_alarm_of_the_page_watches_failed_and_timed_out_runs(tmp_path: Any) -> None:
    page = (ROOT / "docs/how-to/add_an_alarm.md").read_text(encoding="utf-8")
    [source] = re.findall(r"^ *```python\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(textwrap.dedent(source), "alarms.py", "exec"), names)
    stack = cdk.Stack(cdk.App(outdir=str(tmp_path)), "Alarms")
    machine = sfn.StateMachine(stack, "Machine", definition_body=sfn.DefinitionBody.from_string("{}"))
    names["RunAlarms"](stack, "RunAlarms", state_machine=machine)
    template = cdk.assertions.Template.from_stack(stack).to_json()
    metrics = {alarm["Properties"]["MetricName"] for alarm in resources_of(template, "AWS::CloudWatch::Alarm").values()}
    assert metrics == {"ExecutionsFailed", "ExecutionsTimedOut"}
