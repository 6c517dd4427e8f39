"""Of every suite: the test run takes an interrupt as a terminal would give it, and reads what never changes once.

A shell that starts the run in the background has it ignore SIGINT, and so would every process that a test starts.
"""

import functools
import os
import shutil
import signal
import tempfile

import botocore.session
import pytest
from botocore.loaders import create_loader

signal.signal(signal.SIGINT, signal.default_int_handler)
# The models of services: each session reads its own, which is most of what a short command does.
botocore.session.create_loader = functools.cache(create_loader)


def pytest_configure(config: pytest.Config) -> None:
    """Give all processes of the run one folder for what is made once."""
    if hasattr(config, "workerinput"):
        return  # it has the folder in the environment that it got
    folder = tempfile.mkdtemp(prefix="hpc-tests-")
    os.environ["TEST_RUN_FOLDER"] = folder
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
