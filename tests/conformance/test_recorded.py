"""Executions recorded from AWS, run here: the judge of the runner."""

import json
from collections.abc import Callable

import pytest
from recordings import PROJECT, REFUSED, Result, Results, with_masks

# Distributed Maps whose result is known to differ, with the reason.
DISTRIBUTED_EXCEPTIONS: dict[str, str] = {}

FIDELITY = PROJECT / "packages/sfn-local/docs/fidelity.md"


def _share(results: list[Result]) -> float:
    return sum(result.is_same for result in results) / len(results)


def _listing(results: list[Result]) -> str:
    return "\n".join(result.text for result in results if not result.is_same)


def test_recorded_executions_end_as_recorded_in_99_of_100_cases(
    results: Results, record_property: Callable[[str, object], None]
) -> None:
    record_property("conformance", results.summary)  # for the last lines of the run
    assert _share(results.all) >= 0.99, _listing(results.all)


def test_recorded_executions_without_a_choice_end_as_recorded_in_98_of_100_cases(results: Results) -> None:
    chosen = [result for result in results.all if "Choice" not in result.case["features"]]
    assert _share(chosen) >= 0.98, _listing(chosen)


def test_recorded_distributed_maps_end_as_recorded_but_for_the_named(results: Results) -> None:
    chosen = [result for result in results.all if "DistributedMap" in result.case["features"]]
    different = [result for result in chosen if result.case["name"] not in DISTRIBUTED_EXCEPTIONS]
    assert not _listing(different)


def test_recorded_execution_never_succeeds_here_with_another_result(results: Results) -> None:
    assert not [result.text for result in results.all if not result.is_same and result.status == "SUCCEEDED"]


def test_refusal_of_a_recorded_definition_names_the_field(results: Results) -> None:
    refused = [result for result in results.all if result.verdict == REFUSED]
    assert not [result.text for result in refused if not result.details.startswith("/")]


def test_every_difference_from_a_recording_has_a_row_in_the_documentation(results: Results) -> None:
    documented = FIDELITY.read_text()
    assert not [result.text for result in results.all if not result.is_same and result.case["name"] not in documented]


def test_masks_of_a_recording_become_wildcards_wherever_they_stand() -> None:
    case = {"expected_output": {"StartDate": "start-date", "copy": "start-date", "Name": "name", "text": "some-text"}}
    assert with_masks(case)["expected_output"] == {
        "StartDate": "<start-date>",
        "copy": "<start-date>",
        "Name": "name",
        "text": "some-text",
    }


@pytest.mark.parametrize("field", ["name", "definition", "input", "expected_status", "features"])
def test_every_recorded_case_has_what_the_suite_reads(results: Results, field: str) -> None:
    assert not [json.dumps(result.case)[:80] for result in results.all if field not in result.case]
