"""Every example runs as its page says, in a copy of its folder."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from assemblies import PROJECT
from hpc_commands import environment

EXAMPLES = PROJECT / "examples"
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")


@pytest.fixture
def copy(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Copy the example that the test names."""
    return Path(shutil.copytree(EXAMPLES / request.param, tmp_path / request.param))


def run(copy: Path, *command: str) -> str:
    """Run a command of this Python environment in the example's folder, and return what it prints."""
    commands = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [Path(sys.executable).with_name(command[0]), *command[1:]],
        cwd=copy,
        env=environment(copy / ".hpc", PATH=commands, PYTHONPATH=str(PROJECT)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("copy", ["own_workload"], indirect=True)
def test_own_workload_gives_pi(copy: Path) -> None:
    assert "3.14" in run(copy, "hpc", "run", "--size", "100", "--workload", "pi.py")
    run(copy, "python", *PYTEST, "test_pi.py")


@pytest.mark.parametrize("copy", ["local_runner"], indirect=True)
def test_local_runner_tests_a_foreign_state_machine(copy: Path) -> None:
    run(copy, "python", "app.py")
    assert "2 passed" in run(copy, "python", *PYTEST, "test_orders.py")


@pytest.mark.skipif(find_spec("nbclient") is None, reason="nbclient is not installed: make test installs it")
def test_notebook_runs_from_top_to_bottom(tmp_path: Path) -> None:
    for name in ("notebook.ipynb", "tides.py"):
        shutil.copy(EXAMPLES / name, tmp_path)
    run(tmp_path, "jupyter-execute", "--inplace", "notebook.ipynb")
    cells = json.loads((tmp_path / "notebook.ipynb").read_text())["cells"]
    shown = json.dumps([cell["outputs"] for cell in cells if cell["cell_type"] == "code"])
    assert all(text in shown for text in ("(7, 24)", "ZeroDivisionError at item 2", "(True, True)"))
    assert re.search(r"\b(\d+)/\1 batches done, 0 failed", shown)  # as many as the machine has processors for
    assert (tmp_path / "report.html").is_file()


def test_notebook_is_kept_without_outputs() -> None:
    cells = json.loads((EXAMPLES / "notebook.ipynb").read_text())["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


def test_the_page_on_testing_a_state_machine_runs(tmp_path: Path) -> None:
    page = (PROJECT / "docs/how-to/test_your_own_state_machine.md").read_text(encoding="utf-8")
    [source] = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "greet.py").write_text(source)
    assert run(tmp_path, "python", "greet.py") == 'SUCCEEDED "hello"\n'


def test_every_example_has_a_page_and_a_row() -> None:
    page = (EXAMPLES / "README.md").read_text()
    folders = [folder for folder in EXAMPLES.iterdir() if folder.is_dir()]
    assert [folder.name for folder in folders if f"({folder.name}/README.md)" not in page] == []
    assert all((folder / "README.md").is_file() for folder in folders)
