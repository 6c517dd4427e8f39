"""`hpc.cli.main.stopping_signals`: the first signal raises, the second ends the process, ignored ones stay ignored."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hpc.cli.main import STOPPING_SIGNALS, InterruptedBySignalError, stopping_signals

PROJECT = Path(__file__).parents[3]


@pytest.mark.parametrize("number", STOPPING_SIGNALS)
def test_stopping_signals_raise_and_are_restored(number: signal.Signals) -> None:
    before = [signal.getsignal(ours) for ours in STOPPING_SIGNALS]
    with pytest.raises(InterruptedBySignalError) as caught, stopping_signals():
        os.kill(os.getpid(), number)
    assert caught.value.signal_number == number
    assert isinstance(caught.value, KeyboardInterrupt)
    assert [signal.getsignal(ours) for ours in STOPPING_SIGNALS] == before


def test_stopping_signals_leave_an_ignored_signal_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping_signals():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_second_signal_ends_the_process_at_once() -> None:
    code = """
import os, signal
from hpc.cli.main import stopping_signals
with stopping_signals():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        print("still here")
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, check=False)
    assert result.returncode == -signal.SIGTERM
    assert result.stdout == b""
