"""Compute and time: batches that need more than one invocation, items that need more than one has."""

import json
import signal
import zlib
from types import SimpleNamespace
from typing import Any

import pytest

from lambdas import compute
from lambdas.batch.time_limit import TimeLimit, TimeUp

ADDITION = "def combine(a, b): return a + b\n"
# One tenth of a second for items; the rest of an invocation's time is kept for writing results.
SHORT_SECONDS = 0.6


def context(seconds: float = 900) -> Any:
    return SimpleNamespace(get_remaining_time_in_millis=lambda: int(seconds * 1000))


SLEEPING = {
    "compute": "import time\ndef compute(item):\n    time.sleep(item)\n    return item\n",
    "lazy": "import time\ndef compute_batch(items):\n    for item in items:\n"
    "        time.sleep(item)\n        yield item\n",
    "eager": "import time\ndef compute_batch(items):\n    [time.sleep(item) for item in items]\n    return items\n",
}
# Time is up at every third item that is tried, as if the timer had fired there.
INTERRUPTED = {
    kind: source.replace(
        "import time\n",
        "import signal\ntried = []\ndef work(item):\n    tried.append(item)\n"
        "    if len(tried) % 3 == 0: signal.raise_signal(signal.SIGALRM)\n",
    ).replace("time.sleep", "work")
    for kind, source in SLEEPING.items()
}


@pytest.mark.parametrize("source", INTERRUPTED.values(), ids=INTERRUPTED)
@pytest.mark.parametrize("inline", [True, False])
def test_compute_goes_on_where_time_was_up(pipeline: Any, make_workload: Any, source: str, inline: bool) -> None:
    data = {"items": list(range(20))} if inline else {"size": 20}
    run = pipeline(**data, workload=make_workload(source), batch_size=20)
    run.start()
    [child] = run.map()
    assert child.error == ""
    assert child.invocations > 5
    run.write_results()
    assert json.loads(run.sum()["result"]) == list(range(20))


@pytest.mark.parametrize("source", SLEEPING.values(), ids=SLEEPING)
def test_compute_names_an_item_that_no_invocation_can_end(pipeline: Any, make_workload: Any, source: str) -> None:
    run = pipeline(items=[0, 0, 60, 0], workload=make_workload(source), batch_size=4)
    run.start()
    [child] = run.map(SHORT_SECONDS)
    assert child.error == "ItemTooLongError"
    sentence, _, details = child.output["errorMessage"].partition("\n")
    assert sentence == (
        "item 2 did not finish in the 0.1 s that one invocation of Compute has for it: "
        f"items this long belong on AWS Batch (hpc redrive {run.name} --back-end batch)"
    )
    assert json.loads(details)["index"] == 2


@pytest.mark.parametrize("source", SLEEPING.values(), ids=SLEEPING)
def test_compute_isolates_an_item_that_is_too_long_under_tolerance(
    pipeline: Any, make_workload: Any, source: str
) -> None:
    run = pipeline(items=[0, 60, 0], workload=make_workload(source), batch_size=3, tolerated_failure_percentage=50)
    output = run.run(seconds=SHORT_SECONDS)
    assert (output["result"], output["failed_items"]["first"]) == ("[0,null,0]", [1])
    failed = json.loads(run.text("failed.jsonl"))
    assert (failed["index"], failed["error_type"]) == (1, "ItemTooLongError")
    assert failed["message"].startswith("item 1 did not finish")


class Clock:
    """A clock that workloads set forward, in place of the module ``time``."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("kind", "item_seconds", "invocations"), [("compute", 300, 5), ("lazy", 300, 4), ("eager", 80, 1)]
)
def test_compute_begins_no_item_that_would_not_end(
    pipeline: Any, make_workload: Any, monkeypatch: Any, kind: str, item_seconds: int, invocations: int
) -> None:
    """Ten items; an invocation has 890 s for them."""
    clock = Clock()
    monkeypatch.setattr("lambdas.batch.time_limit.time", clock)
    monkeypatch.setattr("lambdas.batch.compute_batch.time", clock)
    monkeypatch.setattr(pytest, "clock_of_workloads", clock, raising=False)
    source = SLEEPING[kind].replace(
        "import time\n", f"import pytest\ndef work(item):\n    pytest.clock_of_workloads.now += {item_seconds}\n"
    )
    run = pipeline(size=10, workload=make_workload(source.replace("time.sleep", "work")), batch_size=10)
    run.start()
    [child] = run.map()
    assert (child.error, child.invocations) == ("", invocations)


def test_compute_pauses_with_what_it_has(pipeline: Any, make_workload: Any) -> None:
    run = pipeline(items=[11, 22, 33, 44], workload=make_workload(INTERRUPTED["compute"] + ADDITION), batch_size=4)
    run.start()
    batch = run.batches()[0]
    assert compute.handler({"run": run.name, "batch": batch}, context()) == {
        "done": False,
        "run": run.name,
        "batch": batch,
        "next": 2,
        "offset": 6,
        "checksum": zlib.crc32(b"11\n") + 2 * zlib.crc32(b"22\n"),
        "limit": None,
        "parts": [{"first": 0, "count": 2, "result": "33"}],
    }


def test_time_limit_interrupts_only_what_it_calls() -> None:
    limit = TimeLimit(SHORT_SECONDS)
    with limit.enforced():
        signal.raise_signal(signal.SIGALRM)  # between items: noted, not raised
        assert not limit.has(0)
        with pytest.raises(TimeUp):
            limit.call(signal.raise_signal, signal.SIGALRM)
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


def test_time_limit_without_seconds_never_ends() -> None:
    limit = TimeLimit(None)
    with limit.enforced():
        assert limit.has(1e9)
        assert limit.call(max, 1, 2) == 2
