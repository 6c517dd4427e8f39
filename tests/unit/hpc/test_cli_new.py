"""`hpc new` and `--workload FILE.py` as far as they need no server."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hpc.cli.main import main
from hpc.errors import NotStartedError
from hpc.targets.home import Home
from hpc.targets.workload_file import overlay_folder, read_workload_file, workload_name

PROJECT = Path(__file__).parents[3]
WORKLOAD = "def compute(item): return item\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def home(here: Path) -> Home:
    return Home(project=PROJECT, folder=here / "home")


def test_new_writes_a_workload_and_a_test_that_passes(here: Path) -> None:
    assert main(["new", "my_circle"]) == 0
    assert sorted(path.name for path in here.iterdir()) == ["my_circle.py", "test_my_circle.py"]
    checks = (
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_circle.py"],
        [sys.executable, "test_my_circle.py"],
        [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length=120", "--select=E,F,W", "."],
    )
    for check in checks:
        done = subprocess.run(check, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_what_new_writes_passes_the_lint_of_the_project_as_a_bundled_workload(here: Path) -> None:
    """The steps of docs/how-to/add_a_bundled_workload.md, in a folder that is laid out as the project is."""
    assert main(["new", "my_circle"]) == 0
    workloads, tests = here / "lambdas/workloads", here / "tests/unit/lambdas"
    for folder in (workloads, tests):
        folder.mkdir(parents=True)
    for package in (here / "lambdas", workloads):
        (package / "__init__.py").touch()
    shutil.copy(PROJECT / "pyproject.toml", here)
    (here / "my_circle.py").rename(workloads / "my_circle.py")
    test = (
        (here / "test_my_circle.py").read_text().replace("import my_circle", "from lambdas.workloads import my_circle")
    )
    (tests / "test_my_circle.py").write_text(test)
    (here / "test_my_circle.py").unlink()
    mypy = ["mypy", "--strict", "--cache-dir", str(here / "cache"), str(workloads / "my_circle.py")]
    for check in (["ruff", "check", "--fix-only", "tests"], ["ruff", "check"], ["ruff", "format", "--check"], mypy):
        done = subprocess.run([sys.executable, "-m", *check], cwd=here, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_new_says_what_to_type_whether_or_not_the_environment_is_on_the_path(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(sys.executable).parent
    for name, path, typed in (("first", f"{folder}:/usr/bin", "hpc"), ("second", "/usr/bin", f"{folder}/hpc")):
        monkeypatch.setenv("PATH", path)
        assert main(["new", name]) == 0
        assert f"try it with {typed} run --size 100 --workload {name}.py\n" in capsys.readouterr().out
    monkeypatch.setattr(sys, "executable", str(here / ".venv/bin/python"))
    assert main(["new", "third"]) == 0
    assert capsys.readouterr().out.endswith("its test: .venv/bin/python test_third.py\n")


@pytest.mark.parametrize("taken", ["my_circle.py", "test_my_circle.py"])
def test_new_overwrites_nothing_and_writes_nothing_then(
    here: Path, capsys: pytest.CaptureFixture[str], taken: str
) -> None:
    (here / taken).write_text("mine")
    assert main(["new", "my_circle"]) == 2
    assert capsys.readouterr().err == f"hpc new: {taken} is there, and nothing was written: take another name\n"
    assert [(path.name, path.read_text()) for path in here.iterdir()] == [(taken, "mine")]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Model", "must be like my_model"),
        ("../model", "must be like my_model"),
        ("model.py", "must be like my_model"),
        ("", "must be like my_model"),
        ("class", "must be like my_model"),
        ("random", "has a module random"),
        ("numpy", "has a module numpy"),
        ("lambdas", "has a module lambdas"),
        ("squares", "the project has a workload squares of its own (lambdas/workloads/squares.py)"),
    ],
)
def test_new_refuses_names(here: Path, capsys: pytest.CaptureFixture[str], name: str, message: str) -> None:
    assert main(["new", name]) == 2
    assert message in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_new_says_that_it_may_not_write(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = here / "gone"
    folder.mkdir()
    os.chdir(folder)
    folder.rmdir()
    assert main(["new", "my_circle"]) == 2
    assert "hpc new: nothing was written: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "name"),
    [(None, None), ("squares", "squares"), ("mine.py", "mine"), ("a/b/mine.py", "mine"), ("./mine", "mine")],
)
def test_workload_name_is_that_of_the_file(given: str | None, name: str | None) -> None:
    assert workload_name(given) == name


def test_a_workload_file_is_copied_under_its_hash(here: Path, home: Home) -> None:
    (here / "mine.py").write_text(WORKLOAD)
    workload = read_workload_file("mine.py", home, on_aws=False)
    assert workload is not None
    (here / "mine.py").write_text("an edit that comes later")
    folder = workload.copy_to(home.folder)
    assert folder == workload.copy_to(home.folder)
    assert folder == overlay_folder(home.folder, "mine", hashlib.sha256(WORKLOAD.encode()).hexdigest())
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("mine.py", WORKLOAD)]


@pytest.mark.parametrize("given", [None, "squares", str(PROJECT / "lambdas/workloads/squares.py")])
@pytest.mark.parametrize("on_aws", [True, False])
def test_a_workload_of_the_project_needs_no_copy(home: Home, given: str | None, on_aws: bool) -> None:
    assert read_workload_file(given, home, on_aws=on_aws) is None


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("missing.py", None, "can't be read: .*No such file"),
        ("My-Model.py", WORKLOAD, "must be a file named like my_model.py"),
        ("./model", WORKLOAD, "must be a file named like my_model.py"),
        ("squares.py", WORKLOAD, "the project has a workload squares of its own"),
        ("broken.py", "def compute(item) return 1", r"is not Python: expected ':' \(broken.py, line 1\)"),
        ("binary.py", "\0", "is not Python"),
    ],
)
def test_a_workload_file_that_can_t_run_is_refused_before_anything_starts(
    here: Path, home: Home, name: str, source: str | None, message: str
) -> None:
    if source is not None:
        (here / name).write_text(source)
    with pytest.raises(NotStartedError, match=message):
        read_workload_file(name, home, on_aws=False)


def test_a_workload_file_on_aws_is_refused_with_how_to_deploy_it(home: Home) -> None:
    with pytest.raises(NotStartedError, match=r"copy the file to lambdas/workloads/.* make deploy, .*--workload mine$"):
        read_workload_file("mine.py", home, on_aws=True)
