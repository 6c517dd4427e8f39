"""The page that says how many recordings of AWS this runner reproduces: what the suites find, as a table.

Written anew by ``python tests/conformance/conformance_page.py``, which runs every suite.
"""

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from histories import read_cases, run_histories
from recordings import PROJECT, run_all, run_cases
from sequences import run_sequences
from test_jsonata_suite import KNOWN_DIFFERENCES, SUITE, run_suite

PAGE = PROJECT / "packages" / "sfn-local" / "docs" / "conformance.md"

_HEAD = """# Recordings of AWS beside this runner

What AWS answered was recorded by others; the tests give the same requests to this runner and compare. A case is
refused where the runner says by name what it does not have, and different where it answers something else. JSONata's
own test-suite was written by its authors; what the service answers to it is not known but for what is named below.

| suite | cases | same | refused | different |
| --- | ---: | ---: | ---: | ---: |
"""
ENDS = "status, output, error and cause of executions"
NEWER_ENDS = "status, output, error, cause and number of events of newer executions"
HISTORIES = "event histories of executions, event by event"
SEQUENCES = "sequences of API calls, through the HTTP endpoint"
JSONATA = "expressions of JSONata's own test-suite"

_REASONS = """
## Where JSONata's own test-suite differs

| group or file | why |
| --- | --- |
"""


class Row(NamedTuple):
    """Results of one suite's cases."""

    suite: str
    cases: int
    same: int
    refused: int

    @property
    def text(self) -> str:
        different = self.cases - self.same - self.refused
        return f"| {self.suite} | {self.cases} | {self.same} | {self.refused} | {different} |"


def row(suite: str, verdicts: Iterable[str]) -> Row:
    """Count the verdicts of one suite."""
    counts = Counter(verdicts)
    return Row(suite, counts.total(), counts["same"], counts["refused"])


def documented() -> dict[str, Row]:
    """Read the rows of the page, by suite."""
    table = PAGE.read_text().partition(_REASONS)[0]
    cells = (line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| "))
    rows = (Row(suite, int(cases), int(same), int(refused)) for suite, cases, same, refused, _ in list(cells)[2:])
    return {each.suite: each for each in rows}


def page() -> str:
    """Run the suites and return the page."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        newer = asyncio.run(run_cases(root / "newer", read_cases("expected_status")))
        rows = (
            row(ENDS, (result.verdict for result in run_all(root / "ends").all)),
            row(NEWER_ENDS, (result.verdict for result in newer)),
            row(HISTORIES, (each.verdict for each in run_histories(root / "histories"))),
            row(SEQUENCES, (each.verdict for each in run_sequences(root / "sequences"))),
            _jsonata_row(),
        )
        reasons = "".join(f"| `{place}` | {reason} |\n" for place, reason in KNOWN_DIFFERENCES.items())
        return _HEAD + "".join(f"{each.text}\n" for each in rows) + _REASONS + reasons


def _jsonata_row() -> Row:
    """Run JSONata's suite where there is a checkout of it; else what the page says stays."""
    if not SUITE.is_dir():
        return documented()[JSONATA]
    count, different = run_suite()
    return Row(JSONATA, count, count - len(different), 0)


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"written: {PAGE}\n")
