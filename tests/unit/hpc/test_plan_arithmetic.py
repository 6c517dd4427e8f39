"""Prices of a run against five cases computed by hand; every figure of the arithmetic is written out."""

import pytest

from hpc.planning.designs import Assumptions, Computation, Design, Quotas, original_design
from hpc.planning.estimate import Estimate, estimate
from hpc.planning.prices import read_prices
from hpc.planning.ranges import Range

ZERO = Range.exactly(0)
# Nothing but the items themselves, so that a case can be computed on paper.
NOTHING_BESIDES = Assumptions(
    cold_start_seconds=ZERO,
    call_seconds=ZERO,
    overhead_seconds=ZERO,
    seconds_per_batch=ZERO,
    job_start_seconds=ZERO,
    retried_share=ZERO,
    interrupted_share=ZERO,
    log_bytes_per_child=0,
)


def computed(count: int, seconds: float, design: Design, assumptions: Assumptions = NOTHING_BESIDES) -> Estimate:
    times = Range.exactly(seconds)
    computation = Computation(item_count=count, seconds_per_item=times, longest_seconds=times)
    return estimate(computation, design, Quotas(), assumptions, read_prices("us-east-1"))


def expected_lines(found: Estimate) -> dict[str, float]:
    return {name: line.expected for name, line in found.lines.items() if line.expected}


def test_a_million_items_in_a_thousand_standard_children() -> None:
    # 1,000 batches of 1,000 items of 0.1 s: 100 s each, one invocation each, on one vCPU.
    found = computed(1_000_000, 0.1, Design(batch_size=1_000, memory_mib=2_048, max_concurrency=1_000))
    assert expected_lines(found) == pytest.approx(
        {
            # 3 of the parent; a start, Compute, IsBatchDone and BatchDone of each child: 4,003 at $0.025 / 1,000
            "state_transition": 0.100075,
            # 1,000 of Compute, Start and Sum: 1,002 at $0.20 / 1,000,000
            "lambda_request": 0.0002004,
            # 1,000 x 100 s x 2 GB = 200,000 GB-s at $0.0000133334
            "lambda_gb_second_arm64": 2.66668,
            # run.json, batches.jsonl, result.json and 5 of ResultWriter: 8 at $0.005 / 1,000
            "s3_put": 0.00004,
            # 5, and run.json by each of 1,000 environments: 1,005 at $0.0004 / 1,000
            "s3_get": 0.000402,
        }
    )
    assert found.usd.expected == pytest.approx(2.7673974)
    # The last of 1,000 children starts after 9.99 s and takes 100 s; 100,000 s on 2,048 / 1,769 of a vCPU.
    assert found.seconds.expected == pytest.approx(109.99)
    assert found.expected.vcpu_hours == pytest.approx(100_000 * 2_048 / 1_769 / 3_600)


def test_a_long_batch_is_called_again_and_pays_two_transitions_more() -> None:
    # 2 batches of 2,000 items of 1 s: 2,000 s, in invocations of 900 - 10 s: 3 calls each.
    found = computed(4_000, 1, Design(batch_size=2_000, architecture="x86_64", memory_mib=1_769))
    assert expected_lines(found) == pytest.approx(
        {
            # 3, and for each of 2 children a start, 3 x (Compute, IsBatchDone) and BatchDone: 3 + 2 x 8 = 19
            "state_transition": 0.000475,
            # 2 x 3 of Compute, Start and Sum: 8
            "lambda_request": 0.0000016,
            # 4,000 s x 1,769 / 1,024 GB = 6,910.15625 GB-s at $0.0000166667
            "lambda_gb_second_x86_64": 0.115169501,
            "s3_put": 0.00004,
            # 5, and run.json by 2 environments: 7
            "s3_get": 0.0000028,
        }
    )
    # The second child starts 0.01 s after the first.
    assert found.seconds.expected == pytest.approx(2_000.01)


def test_express_children_pay_for_time_in_steps_of_100_ms() -> None:
    # 100 batches of 100 items of 2.5 ms: 0.25 s each, billed as 0.3 s; half a vCPU would take twice as long.
    found = computed(10_000, 0.0025, Design(child_type="EXPRESS", batch_size=100, memory_mib=1_769))
    assert expected_lines(found) == pytest.approx(
        {
            # 3, and the start of each of 100 children: 103
            "state_transition": 0.002575,
            # 100 at $1.00 / 1,000,000
            "express_request": 0.0001,
            # 100 x 0.3 s x 64 / 1,024 GB = 1.875 GB-s at $0.00001667
            "express_gb_second": 0.00003125625,
            "lambda_request": 0.0000204,
            # 100 x 0.25 s x 1,769 / 1,024 GB = 43.18848 GB-s at $0.0000133334
            "lambda_gb_second_arm64": 0.000575849,
            "s3_put": 0.00004,
            # 5, and run.json by 100 environments
            "s3_get": 0.000042,
        },
        rel=1e-5,
    )
    # The last of 100 children starts after 0.099 s and takes 0.25 s.
    assert found.seconds.expected == pytest.approx(0.349)


def test_fargate_pays_vcpus_memory_and_addresses_by_the_hour() -> None:
    # 6 jobs at a time, 24 children of the array, each a 24th of 86,400 s: an hour each, 24 hours in all.
    found = computed(86_400, 1, Design(back_end="fargate", batch_size=86, memory_mib=4_096, architecture="x86_64"))
    assert expected_lines(found) == pytest.approx(
        {
            # Start, ChooseBackEnd, the job's state and Sum
            "state_transition": 0.0001,
            "lambda_request": 0.0000004,
            # 24 vCPU-hours at $0.04048
            "fargate_vcpu_hour_x86_64": 0.97152,
            # 24 h x 4 GB = 96 GB-hours at $0.004445
            "fargate_gb_hour_x86_64": 0.42672,
            # 24 hours of an address at $0.005
            "public_ipv4_hour": 0.12,
            # 3, and a part of each job: 27
            "s3_put": 0.000135,
            # 5, and 3 of each job: 77
            "s3_get": 0.0000308,
        }
    )
    assert found.usd.expected == pytest.approx(1.5185062)
    assert found.expected.vcpu_hours == pytest.approx(24)
    # 4 times 6 jobs of an hour; of 1,005 batches of 86 a job has at most 42, 3,612 s, and the last one is such a job.
    assert found.seconds.expected == pytest.approx(4 * 3_600 + 12)


def test_the_published_run_in_the_design_of_the_article() -> None:
    # 1,024 items, one a child, that grow like index^4.3 up to 600 s: 116,112 s in all, 113.39 s on average.
    seconds = sum(600 * (index / 1_023) ** 4.3 for index in range(1_024)) / 1_024
    assert seconds == pytest.approx(113.39, abs=0.001)
    found = computed(1_024, seconds, original_design())
    assert found.expected.of("lambda_gb_second") == pytest.approx(463_991, rel=1e-5)
    assert expected_lines(found) == pytest.approx(
        {
            # 3, and the start and the one state of each of 1,024 children: 2,051
            "state_transition": 0.051275,
            "lambda_request": 0.0002052,
            # 116,112 s x 4,092 / 1,024 GB = 463,991 GB-s at $0.0000166667
            "lambda_gb_second_x86_64": 7.7332,
            "s3_put": 0.00004,
            # 5, and run.json by 1,000 environments
            "s3_get": 0.000402,
        },
        rel=1e-3,
    )


def test_what_is_assumed_of_the_service_is_in_the_bill() -> None:
    assumptions = Assumptions(
        cold_start_seconds=Range.exactly(1),
        call_seconds=Range.exactly(0.5),
        overhead_seconds=Range.exactly(4),
        seconds_per_batch=Range.exactly(0.1),
        job_start_seconds=ZERO,
        retried_share=Range.exactly(0.5),
        interrupted_share=ZERO,
        log_bytes_per_child=2**29,
    )
    found = computed(10, 1, Design(batch_size=1, memory_mib=2_048), assumptions)
    amounts = found.expected.amounts
    # A child takes 1.5 x (1 + 0.5) s, its environment 1 s more, at 2 GB; Start and Sum take 4 + 10 x 0.1 s.
    assert amounts["lambda_gb_second_arm64"] == pytest.approx((10 * 2.25 + 10) * 2 + 5 * 1_769 / 1_024)
    assert amounts["lambda_request"] == pytest.approx(10 * 1.5 + 2)
    # A retry is one transition more.
    assert amounts["state_transition"] == pytest.approx(3 + 10 * 4.5)
    assert amounts["log_gb"] == pytest.approx(5)
    assert found.seconds.expected == pytest.approx(5 + 0.09 + 2.25 + 1)
