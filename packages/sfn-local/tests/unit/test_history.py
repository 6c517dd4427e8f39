"""The history of one execution in memory: ids, the limit, and what ends it."""

import itertools

import pytest
from sfn_local.execution.execution import Ending, close_history
from sfn_local.execution.history import MAX_EVENTS, History, HistoryLimitError
from sfn_local.language.errors import StatesError


def filled(history: History, count: int) -> History:
    for _ in range(count):
        history.add("PassStateEntered", history.count)
    return history


def test_drained_events_count_on_and_come_once() -> None:
    history = History(itertools.count().__next__)
    filled(history, 3)
    assert [event["id"] for event in history.pending()] == [1, 2, 3]
    assert [event["id"] for event in history.drain()] == [1, 2, 3]
    filled(history, 2)
    assert [event["id"] for event in history.drain()] == [4, 5]
    assert history.drain() == []


def test_last_event_that_fits_is_the_one_that_ends_the_execution() -> None:
    history = filled(History(lambda: 0.0), MAX_EVENTS - 1)
    with pytest.raises(HistoryLimitError, match=str(MAX_EVENTS)) as caught:
        history.add("PassStateEntered", 1)
    assert caught.value.name == "States.Runtime"
    close_history(history, Ending("FAILED", None, caught.value.name, caught.value.cause))
    assert history.pending()[-1]["id"] == MAX_EVENTS


def test_history_that_is_not_kept_counts_without_limit() -> None:
    history = filled(History(lambda: 0.0, keep=False), MAX_EVENTS + 10)
    assert (history.count, history.drain()) == (MAX_EVENTS + 10, [])


def test_refusal_fails_the_next_event_but_not_the_one_that_ends_the_execution() -> None:
    history = filled(History(lambda: 0.0), 2)
    history.refusal = "deleted"
    with pytest.raises(StatesError) as caught:
        history.add("PassStateExited", 2)
    assert (caught.value.name, caught.value.cause) == ("States.Runtime", "deleted")
    close_history(history, Ending("FAILED", None, "States.Runtime", "deleted"))
    assert [event["id"] for event in history.drain()] == [1, 2, 3]


@pytest.mark.parametrize(
    ("status", "previous_id", "kind"),
    [
        ("SUCCEEDED", 2, "ExecutionSucceeded"),
        ("FAILED", 2, "ExecutionFailed"),
        ("ABORTED", 0, "ExecutionAborted"),
        ("TIMED_OUT", 0, "ExecutionTimedOut"),
    ],
)
def test_end_follows_the_last_event_unless_it_comes_from_outside(status: str, previous_id: int, kind: str) -> None:
    history = filled(History(lambda: 0.0), 2)
    close_history(history, Ending(status, "{}" if status == "SUCCEEDED" else None))
    last = history.pending()[-1]
    assert (last["id"], last["previousEventId"], last["type"]) == (3, previous_id, kind)
