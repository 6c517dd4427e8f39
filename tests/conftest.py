"""Of every suite: the test run takes an interrupt as a terminal would give it.

A shell that starts the run in the background has it ignore SIGINT, and so would every process that a test starts.
"""

import os
import shutil
import signal
import tempfile

import pytest

signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Give all processes of the run one folder for what is made once."""
    if hasattr(config, "workerinput"):
        return  # it has the folder in the environment that it got
    folder = tempfile.mkdtemp(prefix="hpc-tests-")
    os.environ["TEST_RUN_FOLDER"] = folder
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
