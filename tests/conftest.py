"""Settings of all suites: interrupts act as those of a terminal, and constant data is read once.

A shell that starts the run in the background has it ignore SIGINT, and so would every process that a test starts.
"""

import functools
import os
import shutil
import signal
import tempfile
from pathlib import Path

import boto3
import botocore.session
import pytest
from botocore.loaders import create_loader
from hypothesis import HealthCheck, settings

signal.signal(signal.SIGINT, signal.default_int_handler)
# The models of services: each session reads its own, which is most of what a short command does.
botocore.session.create_loader = functools.cache(create_loader)

# How long an example takes, or its input, depends on what else the machine does; it says nothing about the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# The files that take longest, the longest first: begun last, one of them would keep the other processes waiting.
LONGEST = (
    "test_hpc_printing.py",
    "test_hpc_offline.py",
    "test_least_privilege.py",
    "test_hpc_run.py",
    "test_gallery.py",
    "test_hpc_watch.py",
    "test_hpc_places.py",
    "test_hostile_machines.py",
    "test_fault_laws.py",
    "test_hpc_stopping.py",
    "test_readme.py",
    "test_fuzz_definitions.py",
    "test_lambda_runtime_processes.py",
    "test_orchestrate.py",
    "test_orchestrate_back_ends.py",
    "test_own_stack.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Give all processes of the run one folder for what is made once."""
    if hasattr(config, "workerinput"):
        return  # it has the folder in the environment that it got
    folder = tempfile.mkdtemp(prefix="hpc-tests-")
    os.environ["TEST_RUN_FOLDER"] = folder
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the others, and the tests of each file, stay in their order."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(Path(item.fspath).name, len(LONGEST)))


@pytest.fixture(scope="module", autouse=True)
def _no_session_of_another_file() -> None:
    """Drop the session of ``boto3.client``: it would keep the credentials that it found in an earlier file."""
    boto3.DEFAULT_SESSION = None
