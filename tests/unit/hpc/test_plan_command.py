"""`hpc plan`: which designs are compared, what is recommended, what is printed and what is refused."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.cli.main import main
from hpc.contract.default_batches import default_batch_size
from hpc.contract.limits import MAX_BATCH_COUNT
from hpc.errors import NotStartedError
from hpc.planning.advice import Plan, PlanOptions, candidates, make_plan
from hpc.planning.designs import ASSUMPTIONS, Computation, Design, Quotas, original_design
from hpc.planning.estimate import estimate
from hpc.planning.prices import PRICES_FILE, read_prices
from hpc.planning.ranges import Range
from hpc.planning.table import HEADINGS, lines, rows, show_table
from lambdas.items import batches

PROJECT = Path(__file__).parents[3]


def computation(count: int, seconds: float, **more: Any) -> Computation:
    times = Range.exactly(seconds)
    return replace(Computation(item_count=count, seconds_per_item=times, longest_seconds=times), **more)


def planned(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    assert main(["plan", *options, "--output", "json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert isinstance(value, dict)
    return value


def test_plan_sets_the_bill_and_the_time_of_the_article_beside_ours(capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned(capsys, "--size", "100000", "--seconds", "0.2")
    ours, article = plan["recommended"], plan["original"]
    design = article["design"]
    assert (design["batch_size"], design["child_type"]) == (1, "STANDARD")
    assert (design["memory_mib"], design["architecture"]) == (4_092, "x86_64")
    # 2 transitions a child, and at least 0.2 s at 4,092 / 1,024 GB.
    assert article["amounts"]["state_transition"] == 200_003
    assert article["amounts"]["lambda_gb_second_x86_64"] > 100_000 * 0.2 * 4_092 / 1_024
    # The article's machine has no execution log, ours has.
    assert article["amounts"]["log_gb"] == 0 < ours["amounts"]["log_gb"]
    assert article["usd"]["expected"] > 5 * ours["usd"]["expected"]
    assert article["seconds"]["expected"] > ours["seconds"]["expected"]


def test_plan_shows_every_design_as_a_row_and_the_article_last(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--size", "1000", "--seconds", "1:2:3"]) == 0
    text = capsys.readouterr().out.splitlines()
    heading = next(number for number, line in enumerate(text) if line.startswith("design"))
    table = text[heading : text.index("", heading)]
    assert table[0].split() == " ".join(HEADINGS).split()
    assert table[-1].startswith("  article: 1 a batch, 4,092 MB x86")
    assert sum(line.startswith("*") for line in table) == 1
    assert any(line.startswith("prices not confirmed: fargate_spot") for line in text)
    assert any(line.strip().startswith("settings: hpc:") for line in text)


def test_plan_on_a_terminal_has_the_same_figures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    wanted, prices = computation(5_000, 2), read_prices("us-east-1")
    plan = make_plan(wanted, PlanOptions(), Quotas(), ASSUMPTIONS, prices)
    show_table(plan, wanted, prices, ["a note"])
    shown = capsys.readouterr().out
    table = [line.split() for line in shown.splitlines()]
    assert all(" ".join(row).split() in table for row in rows(plan))
    assert shown.endswith("a note\n")


def test_plan_compares_types_back_ends_batches_and_memory(capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned(capsys, "--size", "50000", "--seconds", "0.1", "--memory-mib", "1024")
    designs = [each["design"] for each in plan["designs"]]
    assert {each["back_end"] for each in designs} == {"lambda", "fargate", "fargate_spot"}
    assert {each["child_type"] for each in designs if each["back_end"] == "lambda"} == {"STANDARD", "EXPRESS"}
    assert {each["memory_mib"] for each in designs if each["back_end"] == "lambda"} == {1_024, 1_769}
    assert len({each["batch_size"] for each in designs}) >= 3
    prices = [each["usd"]["expected"] for each in plan["designs"]]
    assert prices == sorted(prices)


def test_plan_tells_which_designs_are_left_out_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--size", "50000", "--seconds", "1000", "--fargate-vcpus", "0.5"]) == 0
    shown = capsys.readouterr().out
    assert "recommended: none, no design can run it" in shown
    assert "an item may take 1,000 s, an invocation has 890 s for it" in shown
    assert "a job has 1 vCPU, the quota 0.5" in shown
    assert "the article's design can't run it: an item may take 1,000 s" in shown


def test_plan_tells_that_the_article_could_not_start_so_many_items(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--size", "50000", "--seconds", "1"]) == 0
    assert "it could not start: its state holds about 45,000 items" in capsys.readouterr().out


def test_plan_takes_aws_batch_for_items_that_no_invocation_can_finish(capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned(capsys, "--size", "100", "--seconds", "1200", "--memory-mib", "1769")
    assert plan["recommended"]["design"]["back_end"].startswith("fargate")
    assert {each["design"]["back_end"] for each in plan["designs"]} == {"fargate", "fargate_spot"}
    assert plan["original"] is None
    assert all("an item may take 1,200 s" in each["reason"] for each in plan["refused"])


def test_plan_leaves_out_express_children_that_would_outlive_their_limit(capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned(capsys, "--size", "1000000", "--seconds", "1")
    for each in plan["designs"]:
        design = each["design"]
        assert design["child_type"] == "STANDARD" or design["batch_size"] * 1 <= 231


def test_recommendation_follows_the_worth_of_time(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--size", "100000", "--seconds", "1")
    patient = planned(capsys, *options, "--usd-per-hour", "0")
    hurried = planned(capsys, *options, "--usd-per-hour", "10000")
    assert patient["recommended"]["usd"]["expected"] == min(each["usd"]["expected"] for each in patient["designs"])
    times = [each["seconds"]["expected"] for each in hurried["designs"]]
    assert hurried["recommended"]["seconds"]["expected"] == min(times)


def test_plan_counts_the_items_of_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('a,b\n1,"two\nlines"\n\n2,3\n')
    assert planned(capsys, "--items", str(tmp_path / "rows.csv"), "--seconds", "1")["computation"]["item_count"] == 2
    (tmp_path / "items.csv").write_text("a,b\n1,2\n3,4\n")
    plan = planned(capsys, "--items", str(tmp_path / "items.csv"), "--seconds", "1")
    assert plan["computation"]["item_count"] == 2
    assert plan["computation"]["item_bytes"] == 6
    (tmp_path / "items.jsonl").write_text("1\n\n2\n3")
    assert planned(capsys, "--items", str(tmp_path / "items.jsonl"), "--seconds", "1")["computation"]["item_count"] == 3


@given(
    count=st.integers(0, 10**9),
    seconds=st.floats(0, 5_000),
    memory=st.integers(128, 10_240),
    concurrency=st.integers(1, 10_000),
)
def test_every_estimate_rises_from_low_to_high_and_covers_the_work(
    count: int, seconds: float, memory: int, concurrency: int
) -> None:
    wanted = computation(count, seconds, memory_mib=memory)
    options = PlanOptions(max_concurrency=concurrency)
    plan = make_plan(wanted, options, Quotas(), ASSUMPTIONS, read_prices("us-east-1"))
    assert len(plan.estimates) + len(plan.refused) == len(candidates(wanted, options))
    for each in plan.estimates:
        assert 0 < each.usd.low <= each.usd.expected <= each.usd.high
        assert 0 < each.seconds.low <= each.seconds.expected <= each.seconds.high
        assert each.expected.batch_count <= MAX_BATCH_COUNT
        assert each.expected.vcpu_hours * 3_600 >= count * seconds * 0.999
        assert each.seconds.expected >= count * seconds / max(each.expected.children, 1) * 0.999
    assert lines(plan, wanted, read_prices("us-east-1"), [])


def test_an_estimate_rises_with_the_number_of_items() -> None:
    counts = (10, 1_000, 100_000, 10_000_000)
    prices = read_prices("us-east-1")
    plans = [make_plan(computation(count, 0.5), PlanOptions(), Quotas(), ASSUMPTIONS, prices) for count in counts]
    cheapest = [plan.estimates[0].usd.expected for plan in plans]
    assert cheapest == sorted(cheapest)


def test_more_fargate_vcpus_take_less_time_for_about_the_same_price() -> None:
    wanted, prices = computation(10_000, 100), read_prices("us-east-1")
    few, many = (
        next(
            each
            for each in make_plan(wanted, PlanOptions(), quotas, ASSUMPTIONS, prices).estimates
            if each.design.back_end == "fargate"
        )
        for quotas in (Quotas(), replace(Quotas(), fargate_vcpus=60))
    )
    assert many.seconds.expected < few.seconds.expected / 9
    assert many.usd.expected == pytest.approx(few.usd.expected, rel=0.05)


def test_every_price_has_a_source_and_both_regions_have_the_same_ones() -> None:
    regions = json.loads(PRICES_FILE.read_text())["regions"]
    names = {tuple(sorted(entries)) for entries in regions.values()}
    assert len(names) == 1
    for region in regions:
        assert all(price.source and price.usd.low > 0 for price in read_prices(region).by_name.values())


def test_prices_of_an_unknown_region_are_refused() -> None:
    with pytest.raises(NotStartedError, match=r"no prices for the region 'mars-1': .* has eu-west-1, us-east-1"):
        read_prices("mars-1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "one of the arguments --size --items is required"),
        (["--size", "3"], "one of the arguments --seconds --sample is required"),
        (["--size", "3", "--seconds", "1", "--sample", "2"], "not allowed with argument"),
        (["--size", "3", "--seconds", "3:2:1"], "must be S or LOW:S:HIGH, which rises"),
        (["--size", "3", "--seconds", "1:2"], "must be S or LOW:S:HIGH"),
        (["--size", "3", "--seconds", "-1"], "must be S or LOW:S:HIGH"),
        (["--size", "3", "--seconds", "nan"], "must be a number, got 'nan'"),
        (["--size", "3", "--seconds", "1", "--workload", "squares"], "--workload can be given with --sample only"),
        (["--size", "3", "--sample", "2", "--longest-seconds", "2"], "--longest-seconds can't be given with --sample"),
        (["--size=-1", "--seconds", "1"], "--size: must be 0 to 9,007,199,254,740,992, got -1"),
        (["--size", "3", "--sample", "1234567"], "--sample must be 1 to 10,000, got 1,234,567"),
        (["--size", "3", "--seconds", "1", "--longest-seconds", "1234567890.5"], "1,000,000,000, got 1,234,567,890.5"),
        (["--size", "3", "--seconds", "1", "--memory-mib", "20000"], "--memory-mib must be 128 to 10,240, got 20,000"),
        (["--size", "3", "--seconds", "2", "--longest-seconds", "1"], "--longest-seconds must be 2"),
        (["--size", "3", "--seconds", "1", "--region", "mars-1"], "no prices for the region 'mars-1'"),
        (["--items", "no-such.csv", "--seconds", "1"], "--items must be a file that can be read"),
        (["--items", os.devnull, "--seconds", "1"], "--items must be a file that ends in .jsonl or .csv"),
        (["--size", "3", "--seconds", "1", "--batch-size", "0"], "--batch-size must be 1 to"),
        (["--size", "100000", "--seconds", "1", "--batch-size", "2"], "--batch-size must be 10 or more for 100,000"),
    ],
)
def test_plan_exits_with_2_and_says_what_is_wrong(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["plan", *options])
    except SystemExit as exit_:
        code = int(str(exit_.code))
    shown = capsys.readouterr()
    assert (code, shown.out) == (2, "")
    assert message in shown.err


def test_plan_loads_neither_boto3_nor_the_local_server_for_given_times() -> None:
    call = "main(['plan', '--size', '9', '--seconds', '1'])"
    code = f"import sys; from hpc.cli.main import main; {call}; print(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    output = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, text=True)
    loaded = {name.partition(".")[0] for name in output.stdout.splitlines()[-1].split()}
    assert "hpc" in loaded
    assert loaded.isdisjoint({"boto3", "botocore", "sfn_local", "rich"})


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "which has none"), (b"a,b\n", "which has none"), (b"a\n\xff\n", "can't be read")]
)
def test_items_that_are_none_are_refused(
    content: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "items.csv").write_bytes(content)
    assert main(["plan", "--items", str(tmp_path / "items.csv"), "--seconds", "1"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("item_count", [0, 1, 64, 65, 256, 257, 1_000, 1_024, 4_000, 4_001, 123_456])
def test_batches_are_planned_as_start_makes_them(item_count: int) -> None:
    assert batches.range_batches(item_count, None) == batches.range_batches(item_count, default_batch_size(item_count))


@pytest.mark.parametrize("count", [10, 1_000, 100_000])
@pytest.mark.parametrize("seconds", [0.001, 0.1, 10])
def test_advice_is_close_to_the_best_of_a_grid_three_times_as_fine(count: int, seconds: float) -> None:
    wanted, prices = computation(count, seconds), read_prices("us-east-1")
    chosen = make_plan(wanted, PlanOptions(), Quotas(), ASSUMPTIONS, prices).recommended
    assert chosen is not None

    def worth(plan: Plan) -> float:
        assert plan.recommended is not None
        return plan.recommended.usd.expected + plan.recommended.seconds.expected / 3_600

    counts = {round(10_000 ** (point / 179)) for point in range(180)}
    sizes = {-(-count // batches) for batches in counts}
    best = min(worth(make_plan(wanted, PlanOptions(batch_size=size), Quotas(), ASSUMPTIONS, prices)) for size in sizes)
    assert chosen.usd.expected + chosen.seconds.expected / 3_600 <= 1.05 * best


def usd_by_default_and_in_the_article(count: int, seconds: float) -> tuple[float, float]:
    wanted, prices = computation(count, seconds), read_prices("us-east-1")
    designs = (Design(batch_size=default_batch_size(count)), original_design())
    ours, article = (estimate(wanted, design, Quotas(), ASSUMPTIONS, prices).usd.expected for design in designs)
    return ours, article


@given(st.integers(65, 1_000_000), st.floats(0.001, 600))
def test_a_run_by_default_costs_no_more_than_in_the_design_of_the_article(count: int, seconds: float) -> None:
    ours, article = usd_by_default_and_in_the_article(count, seconds)
    assert ours <= article


@pytest.mark.parametrize("seconds", [0.001, 0.01, 0.1, 1, 10, 60, 600])
def test_few_items_cost_by_default_a_tenth_of_a_cent_more_at_the_most(seconds: float) -> None:
    for count in range(1, 65):
        ours, article = usd_by_default_and_in_the_article(count, seconds)
        assert ours <= article or (seconds < 1 and ours < min(1.15 * article, article + 0.001)), count
