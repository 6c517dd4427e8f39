"""`hpc.commands.serve.wait_for_signal`: a signal ends it, even one that interrupts no wait of the main thread."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[3]


def test_wait_ends_at_a_signal_that_did_not_interrupt_it() -> None:
    # As one that comes between Python's last look for signals and the wait, but each time: another thread takes it.
    code = """
import signal, threading, time
from hpc.cli.main import InterruptedBySignalError, stopping_signals
from hpc.commands.serve import wait_for_signal

def take_signal():
    time.sleep(0.3)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

with stopping_signals():
    threading.Thread(target=take_signal).start()
    try:
        wait_for_signal()
    except InterruptedBySignalError as interrupt:
        print(interrupt.signal_number)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.stdout, ended.stderr) == ("15\n", "")
