"""The suite's own line in the summary, with ``-q`` too."""

from pathlib import Path

import pytest
from recordings import CASES, Results, run_all


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Results of all recorded executions."""
    if not CASES.is_dir():
        pytest.skip(f"there are no recorded executions at {CASES} (HPC_CONFORMANCE_DIR names another place)")
    return run_all(Path(tmp_path_factory.mktemp("conformance")))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    for report in reports:
        for name, value in report.user_properties:
            if name == "conformance":
                terminalreporter.write_line(str(value))
