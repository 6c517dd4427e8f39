"""Lines that a workload printed: found in the logs, and followed while a run goes on."""

from collections import Counter

import pytest

from hpc.commands.log_follower import news
from hpc.commands.render import shorten_number
from hpc.runs.own_lines import own_lines
from hpc.terminal.colours import coloured

LOG = """\
==> Start.log <==
INIT_START Runtime Version: python:3.11
START RequestId: a Version: $LATEST
END RequestId: a
REPORT RequestId: a\tDuration: 1.00 ms
==> Compute.log <==
START RequestId: b Version: $LATEST
[INFO]\t2026-11-30T23:29:33.514Z\tb\tbatch 3 of run-1
computing 15
[ERROR]\t2026-11-30T23:29:33.600Z\tb\titem 15 failed: no
END RequestId: b
REPORT RequestId: b\tDuration: 1.00 ms
START RequestId: c Version: $LATEST
[INFO]\t2026-11-30T23:29:34.000Z\tc\tbatch 4 of run-1
REPORT RequestId: c\tDuration: 1.00 ms
START RequestId: d Version: $LATEST
[INFO]\t2026-11-30T23:29:35.000Z\td\tbatch 0 of another
of another run
""".splitlines()


def test_own_lines_have_the_time_and_the_items_that_they_were_printed_for() -> None:
    assert list(own_lines(LOG, "run-1", lambda batch: f"items {5 * batch} to {5 * batch + 4}")) == [
        "==> Compute.log <==",
        "-- 23:29:33.514 items 15 to 19 (batch 3) --",
        "computing 15",
        "[ERROR]\t2026-11-30T23:29:33.600Z\tb\titem 15 failed: no",
        "-- 23:29:35.000 batch 0 of another --",
        "of another run",
    ]


def test_json_lines_of_lambda_are_not_own_ones() -> None:
    lines = ['{"time": "2026-11-30T23:29:33Z", "type": "platform.start", "record": {}}', "own"]
    assert list(own_lines(lines, "run-1", str)) == ["own"]


def test_followed_lines_are_told_once_each() -> None:
    shown: Counter[str] = Counter()
    first = list(news(iter(["==> a <==", "1", "2", "==> b <==", "1"]), shown))
    assert first == [("==> a <==", "1"), ("==> a <==", "2"), ("==> b <==", "1")]
    again = list(news(iter(["==> a <==", "1", "2", "3", "==> b <==", "1"]), shown))
    assert again == [("==> a <==", "3")]


@pytest.mark.parametrize(
    ("line", "code"), [("PARTIAL (SUCCEEDED without the failed items)", 33), ("SUCCEEDED", 32), ("FAILED", 31)]
)
def test_first_status_of_a_line_has_its_colour(line: str, code: int) -> None:
    status = line.partition(" ")[0]
    assert coloured(f"SUCCEEDED-run  {line}", after=13).startswith(f"SUCCEEDED-run  \x1b[{code}m{status}\x1b[0m")


def test_colour_lets_nothing_else_steer_the_terminal() -> None:
    assert "\x1b[31mred" not in coloured("\x1b[31mred")


def test_number_is_whole_up_to_the_limit() -> None:
    assert shorten_number("1" * 100, 100) == "1" * 100
    assert shorten_number("1" * 100, 99).endswith("(100 digits)")
