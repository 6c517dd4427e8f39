"""Memory that functions used: read from the reports of their invocations, advised from, and warned of."""

from pathlib import Path

import pytest
from sfn_local.lambda_runtime.invocation_log import out_of_memory_report

from hpc.commands.plan import measured_memory
from hpc.runs.memory_used import Used, advised_mib, log_sizes, memory_line, peak_of_run, peaks_since, warnings

COMPUTE, SUM = "HpcStack-FunctionsCompute1DA2736E", "HpcStack-FunctionsSumC5BD6F7F"


def invocation(used: int, run: str | None = None, size: int = 1_769) -> str:
    announced = f"[INFO]\t2026-11-30T19:28:49.483Z\tid\tbatch 0 of {run}\n" if run else ""
    return (
        f"START RequestId: id Version: $LATEST\n{announced}END RequestId: id\n"
        f"REPORT RequestId: id\tDuration: 1.00 ms\tBilled Duration: 1 ms\tMemory Size: {size} MB"
        f"\tMax Memory Used: {used} MB\tInit Duration: 2.00 ms\n"
    )


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    (tmp_path / f"{COMPUTE}.log").write_text(invocation(9_000, "run-0"))
    return tmp_path


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


@pytest.mark.parametrize(("all_invocations", "sum_peak"), [(True, [Used(SUM, 90, 1_769)]), (False, [])])
def test_peak_is_of_what_the_run_logged_since(logs: Path, all_invocations: bool, sum_peak: list[Used]) -> None:
    sizes = log_sizes(logs)
    append(logs / f"{COMPUTE}.log", invocation(50, "run-1") + invocation(2_433, "run-1") + invocation(60, "run-1"))
    append(logs / f"{COMPUTE}.1.log", invocation(2_000, "run-1"))
    append(logs / f"{SUM}.log", invocation(90))
    peaks = peaks_since(logs, sizes, "run-1", all_invocations=all_invocations)
    assert peaks == [Used(COMPUTE, 2_433, 1_769), *sum_peak]


def test_batches_of_another_run_on_the_same_server_do_not_count(logs: Path) -> None:
    append(
        logs / f"{COMPUTE}.log", invocation(5_000, "run-1-more") + invocation(70, "run-1") + invocation(6_000, "run")
    )
    assert peaks_since(logs, {}, "run-1", all_invocations=False) == [Used(COMPUTE, 70, 1_769)]


def test_home_without_logs_has_no_peaks(tmp_path: Path) -> None:
    assert (log_sizes(tmp_path / "none"), peaks_since(tmp_path / "none", {}, "run-1", all_invocations=True)) == ({}, [])


def test_a_function_over_its_memory_is_warned_of_with_what_to_set() -> None:
    over, within = Used(COMPUTE, 2_433, 1_769), Used(SUM, 1_769, 1_769)
    assert warnings([over, within]) == [
        f"{COMPUTE} used 2,433 of 1,769 MiB: Lambda ends a function that uses more than it has; "
        "set hpc:compute_memory_mib to 3,072 or so"
    ]
    assert "has to be smaller" in warnings([Used(SUM, 1_770, 1_769)])[0]


@pytest.mark.parametrize(
    ("peak", "advised"), [(1, 128), (49, 128), (103, 128), (104, 192), (1_769, 2_240), (2_433, 3_072)]
)
def test_advice_leaves_a_quarter_of_room(peak: int, advised: int) -> None:
    assert advised_mib(peak) == advised
    assert advised >= min(peak * 1.2, peak + 128)


@pytest.mark.parametrize(
    ("given", "peak", "memory", "words"),
    [
        (None, 2_433, 3_072, "peak 2,433 MiB"),
        (1_769, 2_433, 3_072, "--memory-mib 1,769 would be too little"),
        (4_096, 2_433, 4_096, "--memory-mib is 4,096"),
        (None, 0, 1_024, "tells of no memory"),
    ],
)
def test_plan_goes_by_the_memory_that_its_sample_used(given: int | None, peak: int, memory: int, words: str) -> None:
    found, note = measured_memory(given, peak)
    assert found == memory
    assert words in note


def test_function_that_was_ended_is_known_and_its_peak_is_no_advice(logs: Path) -> None:
    announced = "START RequestId: id Version: $LATEST\n[INFO]\tbatch 0 of run-1\n"
    append(logs / f"{COMPUTE}.log", invocation(50, "run-1") + announced + out_of_memory_report("id", 1_806, 1_769))
    peak = peak_of_run(logs, "run-1")
    assert peak == Used(COMPUTE, 1_806, 1_769, was_ended=True)
    assert memory_line(peak) == (
        "peak 1,806 of 1,769 MiB, ended for it; set hpc:compute_memory_mib to more, `hpc plan --sample 4` measures how "
        "much, or let an item need less"
    )
    assert peak_of_run(logs, "run-2") is None


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        (212, "peak 212 of 1,769 MiB"),
        (1_592, "peak 1,592 of 1,769 MiB"),
        (1_593, "peak 1,593 of 1,769 MiB, nearly all; set hpc:compute_memory_mib to 2,048 or so"),
    ],
)
def test_peak_comes_with_advice_where_it_is_nearly_all(used: int, expected: str) -> None:
    assert memory_line(Used(COMPUTE, used, 1_769)) == expected
