"""The suite's own line in the summary, with ``-q`` too."""

from pathlib import Path

import pytest
from recordings import CASES, Results, run_all

_RESULTS = pytest.StashKey[Results]()


@pytest.fixture(scope="session")
def results(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What became of every recorded execution."""
    if not CASES.is_dir():
        pytest.skip(f"there are no recorded executions at {CASES} (HPC_CONFORMANCE_DIR names another place)")
    results = pytestconfig.stash[_RESULTS] = run_all(Path(tmp_path_factory.mktemp("conformance")))
    return results


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    results = config.stash.get(_RESULTS, None)
    if results is not None:
        terminalreporter.write_line(results.summary)
