"""The short form of benchmarks/hammer.py; the long one runs by hand."""

import json
import subprocess
import sys
from pathlib import Path

HAMMER = Path(__file__).parents[2] / "benchmarks" / "hammer.py"


def test_a_server_answers_clients_that_try_to_hold_it() -> None:
    """How long an answer takes on a busy machine says nothing; that there is one does."""
    done = subprocess.run(
        [sys.executable, str(HAMMER), "--seconds", "10", "--clients", "5", "--answers-within", "60"],
        capture_output=True,
        text=True,
        check=False,
    )
    figures = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, figures["faults"]) == (0, []), done.stderr
    assert figures["requests"] > 0
