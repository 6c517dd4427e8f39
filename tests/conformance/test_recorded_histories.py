"""Histories, ends of executions and API answers recorded from AWS beside those of the same requests here."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conformance_page import HISTORIES as HISTORY_ROW
from conformance_page import NEWER_ENDS, SEQUENCES, documented, row
from histories import HISTORIES, read_cases, run_histories, summary
from recordings import Results, run_cases
from sequences import run_sequences

pytestmark = pytest.mark.skipif(not HISTORIES.is_dir(), reason=f"there are no recorded histories at {HISTORIES}")

SAME = 0.98  # share of the cases that are not refused


def test_recorded_histories_are_the_same_event_by_event(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    compared = run_histories(tmp_path)
    record_property("conformance", summary("histories", compared))
    _check_page(HISTORY_ROW, [each.verdict for each in compared])
    judged = [each for each in compared if each.verdict != "refused"]
    same = sum(each.verdict == "same" for each in judged)
    assert same >= SAME * len(judged), "\n".join(each.text for each in judged if each.verdict != "same")
    assert not [each.text for each in judged if each.verdict != "same" and each.has_succeeded]


def test_newer_executions_end_as_recorded(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    results = Results(asyncio.run(run_cases(tmp_path, read_cases("expected_status"))))
    record_property("conformance", results.summary.replace("conformance", "newer ends"))
    _check_page(NEWER_ENDS, [result.verdict for result in results.all])
    different = [result for result in results.all if not result.is_same]
    assert len(results.all) - len(different) >= SAME * len(results.all), "\n".join(each.text for each in different)
    assert not [each.text for each in different if each.status == "SUCCEEDED"]
    assert not [json.dumps(result.case["name"]) for result in different if result.verdict == "hangs"]


def test_recorded_api_sequences_get_the_same_answers(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    compared = run_sequences(tmp_path)
    record_property("conformance", summary("sequences", compared))
    _check_page(SEQUENCES, [each.verdict for each in compared])
    judged = [each for each in compared if each.verdict != "refused"]
    different = [each for each in judged if each.verdict != "same"]
    assert len(judged) - len(different) >= SAME * len(judged), "\n".join(each.text for each in different)


def _check_page(suite: str, verdicts: list[str]) -> None:
    """The page has this suite's cases and refusals; a slow machine may make single cases time out, and not more."""
    told, found = documented()[suite], row(suite, verdicts)
    assert (told.cases, told.refused) == (found.cases, found.refused), (
        "write the page anew: python tests/conformance/conformance_page.py"
    )
    assert abs(told.same - found.same) <= (1 - SAME) * found.cases
