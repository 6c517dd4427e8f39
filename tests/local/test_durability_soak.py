"""`make soak` in short: a run that is killed and fails again and again is exact in the end, and nothing is lost."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hpc_commands import synthesized

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


def soak(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(SOAK), "--assembly", str(synthesized()), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, (figures, done.stderr)
    return figures


@pytest.mark.parametrize(("items", "batch_size"), [(2_000, 1), (3_000, 7)])
def test_run_that_is_killed_and_fails_again_and_again_is_exact(items: int, batch_size: int) -> None:
    figures = soak(
        *("--items", str(items), "--batch-size", str(batch_size)),
        *("--kills", "3", "--worker-kills", "2", "--faults", "0.0002", "--most-at-once", "500"),
    )
    assert figures["kills"] == 3
    assert figures["redrives"] >= 3
