"""Tools of the policy tests: another evaluator of policies, and AWS's own reference data."""

from pathlib import Path

import pytest
from side_environment import NotInstalledError, install


@pytest.fixture(scope="session")
def aside(pytestconfig: pytest.Config) -> Path:
    try:
        return install(Path(__file__).parent, pytestconfig.cache.mkdir("policies"))
    except NotInstalledError as error:
        pytest.skip(f"the other evaluator and the reference data can't be installed: {error}")
