"""Imports of a workload: modules beside it travel with it; a run with modules that no worker has is refused."""

import os
import subprocess
from pathlib import Path

import pytest
from hpc_commands import call_with, environment, result_of
from job_commands import assembly, command

CALLS = "def compute(item):\n    return inner(item)\n"
USES = "def compute(item):\n    return helper.area(item)\n"
BESIDE = {
    "import": f"import helper\n{USES}",
    "from": "from helper import area\ndef compute(item):\n    return area(item)\n",
    "of a function": f"def inner(item):\n    import helper\n    return helper.area(item)\n{CALLS}",
    "condition": f"import sys\nif sys.argv:\n    import helper\n{USES}",
    "raised again": f"try:\n    import helper\nexcept ImportError:\n    raise SystemExit(1)\n{USES}",
    "by a call": f"import importlib\nhelper = importlib.import_module('helper')\n{USES}",
    "folder": "import parts.areas\ndef compute(item):\n    return parts.areas.area(item)\n",
}
SAME = "def compute(item):\n    return item\n"
ALLOWED = {
    "optional": f"try:\n    import missing_package\nexcept ImportError:\n    pass\n{SAME}",
    "never run": f"if __name__ == '__main__':\n    import helper\ndef draw():\n    import helper\n{SAME}",
    "there": f"import json\nimport boto3\nfrom lambdas.workloads import squares\nfrom . import n_queens\n{SAME}",
    "types": f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import helper\n{SAME}",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with modules that a workload might import; it is the current one and on the path of the command."""
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "home"))
    made = tmp_path / "mine"
    (made / "parts").mkdir(parents=True)
    for file in ("helper.py", "parts/areas.py"):
        (made / file).write_text("def area(side):\n    return side * side\n")
    monkeypatch.chdir(made)
    monkeypatch.syspath_prepend(str(made))
    return made


def run(capture: pytest.CaptureFixture[str], workload: Path, source: str) -> "subprocess.CompletedProcess[str]":
    workload.write_text(source)
    options = ("--size", "3", "--workload", str(workload), "--assembly", str(assembly()), "--output", "json")
    return call_with(capture, "run", *options)


@pytest.mark.parametrize("way", BESIDE)
def test_module_beside_the_workload_travels_with_it(folder: Path, capfd: pytest.CaptureFixture[str], way: str) -> None:
    done = run(capfd, folder / "mine.py", BESIDE[way])
    assert result_of(done)["output"]["result"] == "[0,1,4]"


def test_module_beside_the_workload_is_not_imported_relative_to_a_package(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    done = run(capfd, folder / "mine.py", f"from . import helper\n{USES}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "mine.py imports helper in line 1 relative to a package" in done.stderr
    assert "which stands beside it (helper.py), without the dot" in done.stderr
    assert not (folder.parent / "home" / "executions.sqlite").exists()


@pytest.mark.parametrize("source", ["import missing_package\n", "import helper, missing_package.parts\n"])
def test_package_that_is_missing_is_named_with_what_to_do(
    folder: Path, capfd: pytest.CaptureFixture[str], source: str
) -> None:
    done = run(capfd, folder / "mine.py", f"{source}def compute(item):\n    return item\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert "imports missing_package in line 1, which is not installed here: name the package in " in done.stderr
    assert "lambdas/requirements.txt and run make, or pip install it" in done.stderr


@pytest.mark.parametrize("way", ALLOWED)
def test_import_that_does_no_harm_is_none_to_refuse(folder: Path, capfd: pytest.CaptureFixture[str], way: str) -> None:
    done = run(capfd, folder / "mine.py", ALLOWED[way])
    assert result_of(done)["output"]["result"] == "[0,1,2]"


@pytest.mark.parametrize("back_end", ["lambda", "batch"])
def test_folder_of_the_workload_is_nowhere_on_the_path_of_what_computes(folder: Path, back_end: str) -> None:
    (folder / "mine.py").write_text("def compute(item):\n    __import__('hel' + 'per')\n")
    options = ("--size", "1", "--workload", "mine.py", "--back-end", back_end)
    done = subprocess.run(
        command("run", *options),
        env=environment(folder.parent / "home", PYTHONPATH=f"{folder}{os.pathsep}"),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'helper' (mine.py:2 in compute)" in done.stderr
