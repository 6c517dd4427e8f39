"""`make soak` in short: a run that is killed and fails again and again is exact in the end, and nothing is lost."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from assemblies import synthesized

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


def test_run_that_is_killed_and_fails_again_and_again_is_exact() -> None:
    figures = soak("--items", "400", "--batch-size", "1", "--kills", "3", "--most-at-once", "100", "--seed", "7")
    assert figures["kills"] == 3
    assert figures["redrives"] >= 3
    assert figures["runs"] >= 2
    assert min(figures["faults"].get(kind, 0) for kind in ("crash", "throttle", "timeout", "duplicate")) > 0
