"""The card of a run in a notebook."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hpc.api.card import card, keep_showing
from hpc.errors import LostRunError
from hpc.runs.watch import Seen

BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
COUNTS = {"total": 10, "succeeded": 7, "failed": 1, "timedOut": 0, "aborted": 2, "running": 0}


def seen(status: str, **more: Any) -> Seen:
    return Seen(
        {"status": status, "startDate": BEGIN, "stopDate": BEGIN + timedelta(seconds=5), **more}, {"itemCounts": COUNTS}
    )


def test_card_has_status_batches_time_and_result() -> None:
    shown = card("run-1", seen("SUCCEEDED", output='{"result": 3.14, "complete": true}'))
    for text in ("run-1", "✓ SUCCEEDED", "10 of 10 batches done, 1 failed, 2 stopped", "5.0 s", "3.14"):
        assert text in shown


def test_card_of_a_run_without_some_of_its_items_is_amber() -> None:
    shown = card("run-1", seen("SUCCEEDED", output='{"result": 3, "complete": false}'))
    assert "◐ PARTIAL" in shown
    assert "#bf8700" in shown


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "\x1b[31m\u202e"])
def test_card_shows_what_a_workload_wrote_as_text(text: str) -> None:
    shown = card(text, seen("FAILED", error="ValueError", cause=text))
    assert "<script>" not in shown
    assert "\u202e" not in shown
    assert "\x1b" not in shown


def test_card_goes_on_until_the_run_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpc.api.card.REFRESH_SECONDS", 0.0)
    looks = iter(["RUNNING", "RUNNING", "SUCCEEDED"])
    shown: list[str] = []
    keep_showing("run-1", lambda: seen(next(looks)), shown.append).join(timeout=60)
    assert [next(word for word in ("RUNNING", "SUCCEEDED") if word in each) for each in shown] == [
        *("RUNNING", "RUNNING", "SUCCEEDED")
    ]


def test_card_of_a_run_that_can_not_be_asked_any_more_stays_as_it_is() -> None:
    def look() -> Seen:
        raise LostRunError("the server has ended")

    shown: list[str] = []
    keep_showing("run-1", look, shown.append).join(timeout=60)
    assert shown == []
