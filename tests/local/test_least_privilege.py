"""Every right of every role is needed, and what is needed is given: in each combination of settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from combinations import settings_and_templates
from least_privilege import BOLD, Call, applies, calls_of, complaints, narrowed, reasons, widened
from recorded_rights import EXPRESS, STANDARD, record
from sfn_local.arns import Account
from sfn_local.assembly.cloudformation import Resolver
from sfn_local.assembly.iam_resources import read_policies
from sfn_local.iam.access import Role
from sfn_local.iam.evaluator import Request

PROJECT = Path(__file__).parents[2]
Checked = dict[tuple[Role, frozenset[Call]], Mapping[str, Any]]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[Request]:
    """Calls that runs of every kind made and were allowed."""
    requests = []
    for variant in (STANDARD, EXPRESS):
        decisions = record(tmp_path_factory.mktemp("recorded"), variant)
        # Whether a key is missing or forbidden makes no difference to a handler.
        denied = {request.action for request, decision in decisions.items() if not decision.is_allowed}
        assert denied <= {"s3:ListBucket"}
        requests += [request for request, decision in decisions.items() if decision.is_allowed]
    return requests


# The function that writes messages of ends has no topic here, and so makes no call that could be recorded.
NOT_MADE_HERE = "NoticesFunction"


@pytest.fixture(scope="module")
def checked(recorded: list[Request]) -> Checked:
    """Every role of every combination of settings, with the calls that it makes there."""
    calls = calls_of(recorded)
    found: Checked = {}
    account = Account()
    for settings, template in settings_and_templates():
        policies = read_policies(template, Resolver(template, "HpcStack", account, has_stand_ins=True), account)
        for name, role in policies.roles.items():
            if NOT_MADE_HERE in name:
                continue
            its = frozenset(call for call in calls.get(name, ()) if applies(call, template, settings))
            found.setdefault((role, its), settings)
    return found


def test_every_right_is_needed_and_every_need_has_its_right(checked: Checked) -> None:
    found = {text for (role, calls), settings in checked.items() for text in complaints(role, calls, settings)}
    assert "\n".join(sorted(found)) == ""


def test_every_role_is_one_that_runs_use_or_only_a_service_does(checked: Checked) -> None:
    unused = {role.name for role, calls in checked if not calls}
    assert {name.removeprefix("HpcStack-")[:22] for name in unused} == {
        "BatchJobsExecutionRole",
        "CustomS3AutoDeleteObje",
    }


def test_a_right_more_or_less_is_noticed(checked: Checked, capsys: pytest.CaptureFixture[str]) -> None:
    mutants = [
        (change, mutant, calls, settings)
        for (role, calls), settings in checked.items()
        for change, mutant in (*narrowed(role), *widened(role))
    ]
    survivors = [change for change, mutant, calls, settings in mutants if not complaints(mutant, calls, settings)]
    with capsys.disabled():
        print(f"\n{len(mutants)} mutants of {len(checked)} roles, {len(survivors)} survivors")
    assert len(mutants) > 1_500
    assert survivors == []


def test_a_right_that_is_missing_is_told_by_the_call_that_needs_it(checked: Checked) -> None:
    [(role, calls, settings)] = [
        (role, calls, settings)
        for (role, calls), settings in checked.items()
        if "ComputeRole" in role.name and settings.keys().isdisjoint({"source_buckets", "kms"})
    ]
    told = {change: complaints(mutant, calls, settings) for change, mutant in narrowed(role)}
    [(_change, texts)] = [each for each in told.items() if "without s3:PutObject" in each[0]]
    assert any(f"{role.name} would be denied s3:PutObject on arn:aws:s3:::" in text for text in texts)


def test_what_stands_for_many_has_its_reason_on_the_security_page() -> None:
    page = (PROJECT / "docs/explanation/security.md").read_text()
    section = page.partition("Some rights are wider than necessary, for these reasons:")[2].partition("\n## ")[0]
    assert set(BOLD.findall(section)) == reasons() | {"All jobs"}
