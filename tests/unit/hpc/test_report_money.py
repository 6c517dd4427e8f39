"""Money of a run that has been: units by hand, the quote against the plan, and what a machine of few processors did."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hpc.errors import LostRunError
from hpc.planning.designs import ASSUMPTIONS, Computation, Design, Quotas
from hpc.planning.estimate import estimate
from hpc.planning.ledger import Ledger
from hpc.planning.prices import read_prices
from hpc.planning.quote import quote
from hpc.planning.ranges import Range
from hpc.planning.table import usd
from hpc.planning.usage import usage_of
from hpc.runs.child_times import Children
from hpc.runs.overview import supposed_children
from hpc.runs.run_design import map_design
from hpc.runs.watch import Counts
from hpc.targets.deployed import FunctionSize, InAssembly

BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
PRICES = read_prices("us-east-1")
STANDARD = Design(memory_mib=2_048, architecture="arm64", compute_timeout_seconds=900)


def ledger_of(seconds: list[float], design: Design) -> dict[str, float]:
    ledger = Ledger()
    ledger.add_children(seconds, design)
    return dict(ledger.amounts)


def test_standard_children_are_billed_for_transitions_requests_and_memory() -> None:
    # Each: its start, Compute, IsBatchDone, BatchDone; the one of 1,000 s called Compute twice.
    assert ledger_of([10, 1_000], STANDARD) == {
        "state_transition": 4 + 6,
        "lambda_request": 1 + 2,
        "lambda_gb_second_arm64": 1_010 * 2,
    }


def test_express_children_are_billed_in_steps_of_100_ms() -> None:
    express = Design(child_type="EXPRESS", memory_mib=1_024, architecture="x86_64")
    amounts = ledger_of([0.01, 0.1, 0.25], express)
    assert amounts.pop("express_gb_second") == pytest.approx((0.1 + 0.1 + 0.3) * 64 / 1_024)
    assert amounts.pop("lambda_gb_second_x86_64") == pytest.approx(0.36)
    assert amounts == {"state_transition": 3, "express_request": 3, "lambda_request": 3}


def test_jobs_are_billed_a_minute_at_least_with_their_address() -> None:
    ledger = Ledger()
    ledger.add_jobs([5, 180], Design(back_end="fargate_spot", architecture="arm64", vcpus=2, memory_mib=4_096))
    assert dict(ledger.amounts) == {
        "fargate_spot_vcpu_hour_arm64": pytest.approx(240 / 3_600 * 2),
        "fargate_spot_gb_hour_arm64": pytest.approx(240 / 3_600 * 4),
        "public_ipv4_hour": pytest.approx(240 / 3_600),
    }


def test_price_of_a_ledger_by_hand() -> None:
    ledger = Ledger()
    ledger.add_transitions(1_000)
    ledger.add_calls([60, 60], memory_mib=1_024, architecture="arm64")
    # $0.025 a thousand transitions, $0.20 a million requests, $0.0000133334 a GB-second.
    usd = ledger.usd(PRICES)
    assert [usd.low, usd.expected, usd.high] == pytest.approx([0.025 + 0.4e-6 + 120 * 0.0000133334] * 3)


@example(batches=196, batch_size=1, seconds=1.1, memory_mib=1_769)
@given(
    batches=st.integers(1, 500),
    batch_size=st.integers(1, 40),
    seconds=st.floats(0.01, 20),
    memory_mib=st.integers(128, 10_240),
)
def test_quote_of_a_run_whose_items_take_the_same_is_the_plan_of_it(
    batches: int, batch_size: int, seconds: float, memory_mib: int
) -> None:
    design = Design(memory_mib=memory_mib, batch_size=batch_size)
    quoted = quote(
        item_count=batches * batch_size,
        batch_count=batches,
        seconds=[seconds * batch_size / design.speed] * batches,
        design=design,
        assumptions=ASSUMPTIONS,
        prices=PRICES,
    )
    times = Range.exactly(seconds)
    computation = Computation(
        item_count=batches * batch_size, seconds_per_item=times, longest_seconds=times, memory_mib=memory_mib
    )
    planned = estimate(computation, design, Quotas(), ASSUMPTIONS, PRICES)
    assert quoted is not None
    # Lambda bills whole milliseconds: the last digits of a time may be one of them.
    millisecond = 0.001 * design.speed / (seconds * batch_size)
    assert quoted.usd.expected == pytest.approx(planned.usd.expected, rel=max(1e-6, millisecond))
    assert quoted.seconds.expected == pytest.approx(planned.seconds.expected)


def test_quote_of_a_run_that_goes_on_is_of_the_whole_run() -> None:
    given_ = {"item_count": 1_000, "batch_count": 100, "design": Design(batch_size=10)}
    quotes = [
        quote(seconds=[5.0] * done, assumptions=ASSUMPTIONS, prices=PRICES, **given_)  # type: ignore[arg-type]  # a dict of several types
        for done in (3, 100)
    ]
    assert quotes[0] is not None
    assert quotes[1] is not None
    assert quotes[0].usd.expected == pytest.approx(quotes[1].usd.expected)


@pytest.mark.parametrize(("item_count", "seconds"), [(0, [1.0]), (10, [])])
def test_nothing_that_was_measured_gives_no_quote(item_count: int, seconds: list[float]) -> None:
    found = quote(
        item_count=item_count,
        batch_count=1,
        seconds=seconds,
        design=STANDARD,
        assumptions=ASSUMPTIONS,
        prices=PRICES,
    )
    assert found is None


def test_plan_of_an_array_job_takes_the_number_of_its_children() -> None:
    computation = Computation(item_count=100, seconds_per_item=Range.exactly(1), longest_seconds=Range.exactly(1))
    design = Design(back_end="fargate", batch_size=1, job_count=7)
    assert usage_of(computation, design, Quotas(), ASSUMPTIONS, "expected").children == 7


def children_of(spans: list[tuple[float, float]]) -> Children:
    children = Children()
    for start, seconds in spans:
        started = BEGIN + timedelta(seconds=start)
        children.add("SUCCEEDED", started, started + timedelta(seconds=seconds), "child", "")
    return children


def test_express_children_that_run_are_taken_to_take_as_long_as_they_have_on_average() -> None:
    now = BEGIN + timedelta(seconds=60)
    children = supposed_children(Counts(total=100, succeeded=40, failed=0, running=10), BEGIN, now)
    # Ten at a time for a minute.
    assert sum(children.durations()) == pytest.approx(600)
    assert children.statuses == Counter(RUNNING=50)
    # Ten at a time, of which two compute on a machine with two cores.
    few = supposed_children(Counts(total=100, succeeded=40, failed=0, running=10), BEGIN, now, 2)
    assert sum(few.durations()) == pytest.approx(120)
    assert supposed_children(Counts(total=100, succeeded=0, failed=0, running=0), BEGIN, now).durations() == []


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0, "0.0000"), (0.0000054, "0.0000054"), (0.00123, "0.0012"), (0.5, "0.5000"), (1_234.567, "1,234.57")],
)
def test_amount_is_shown_with_digits_that_say_something(amount: float, shown: str) -> None:
    assert usd(amount) == shown


# --- sizes from a cloud assembly ---


def write_template(folder: Path, resources: dict[str, object]) -> Path:
    folder.mkdir()
    (folder / "Stack.template.json").write_text(json.dumps({"Resources": resources}))
    return folder


def test_sizes_come_from_the_assembly_and_where_it_lacks_something_from_those_beside_it(tmp_path: Path) -> None:
    compute = {"Type": "AWS::Lambda::Function", "Properties": {"MemorySize": 512, "Architectures": ["arm64"]}}
    submit = {"Type": "AWS::Lambda::Function", "Properties": {"Timeout": 60}}
    environment = {
        "Type": "AWS::Batch::ComputeEnvironment",
        "Properties": {"ComputeResources": {"Type": "FARGATE_SPOT"}},
    }
    write_template(tmp_path / "old", {"Compute1": {**compute, "Properties": {}}, "Submit1": submit, "E": environment})
    found = InAssembly(write_template(tmp_path / "new", {"Compute1": compute}))
    assert found.function("arn:aws:lambda:r:0:function:Stack-Compute1") == FunctionSize(512, "arm64", 3)
    assert found.function("arn:aws:lambda:r:0:function:Stack-Submit1") == FunctionSize(128, "x86_64", 60)
    assert found.is_spot("any")
    with pytest.raises(LostRunError, match="has no function Other"):
        found.function("arn:aws:lambda:r:0:function:Other")


def test_machine_without_a_distributed_map_has_no_design_of_a_map(tmp_path: Path) -> None:
    found = InAssembly(write_template(tmp_path / "assembly", {}))
    with pytest.raises(LostRunError, match="not MapReduce"):
        map_design({"States": {"Only": {"Type": "Pass"}}}, found, batch_size=1, max_concurrency=1)
