"""Both distributions as a person has them: wheels in an environment of their own, used in a folder of their own."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from email.parser import Parser
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
WORKLOAD = "def compute(item):\n    return item * item\n\n\ndef combine(a, b):\n    return a + b\n"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
SUM_OF_SQUARES = sum(index * index for index in range(100))


@pytest.fixture(scope="session")
def programs(install: Callable[..., Path]) -> Path:
    """The environment of a person who runs workloads and has no CDK."""
    return install("local")


@pytest.fixture
def call(programs: Path, tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Return what runs a program of that environment in an empty folder."""
    return lambda *command: run(programs, tmp_path, *command)


def run(programs: Path, folder: Path, *command: str | Path) -> "subprocess.CompletedProcess[str]":
    names = ("HPC_HOME", "PYTHONPATH", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    program, *arguments = command
    return subprocess.run(
        [programs / program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def files_of(programs: Path) -> set[str]:
    return {str(path) for path in programs.parent.rglob("*") if "__pycache__" not in path.parts}


def test_own_workload_runs_in_an_empty_folder_and_leaves_its_state_there(
    call: Callable[..., "subprocess.CompletedProcess[str]"], programs: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(WORKLOAD)
    before = files_of(programs)
    done = call("hpc", "run", "--workload", "mine.py", "--size", "100")
    assert done.returncode == 0, done.stderr
    assert f"total         {SUM_OF_SQUARES}" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"mine.py", ".hpc"}
    assert files_of(programs) == before


def test_version_is_that_of_the_distribution(call: Callable[..., "subprocess.CompletedProcess[str]"]) -> None:
    shown = [call(*command).stdout for command in (("hpc", "--version"), ("python", "-m", "hpc", "--version"))]
    assert shown == ["hpc 0.1.0\n"] * 2
    assert call("sfn-local", "--version").stdout == "sfn-local 0.1.0\n"


def test_a_new_workload_and_its_test_run(call: Callable[..., "subprocess.CompletedProcess[str]"]) -> None:
    assert call("hpc", "new", "model").returncode == 0
    tested = call("python", "test_model.py")
    assert tested.stdout == "passed\n", tested.stderr
    ran = call("hpc", "run", "--workload", "model.py", "--size", "4")
    assert ran.returncode == 0, ran.stderr


def test_a_persons_own_package_lambdas_stays_theirs(
    call: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path: Path
) -> None:
    (tmp_path / "lambdas").mkdir()
    (tmp_path / "lambdas/__init__.py").write_text("theirs = True\n")
    (tmp_path / "mine.py").write_text(WORKLOAD)
    (tmp_path / "check.py").write_text(
        "import mine\nfrom hpc.testing import answer\nimport lambdas\nassert lambdas.theirs\n"
        "print(answer(mine, size=100))\n"
    )
    checked = call("python", "check.py")
    assert checked.stdout == f"{SUM_OF_SQUARES}\n", checked.stderr
    ran = call("hpc", "run", "--workload", "mine.py", "--size", "100")
    assert f"total         {SUM_OF_SQUARES}" in ran.stdout, ran.stderr


def test_what_a_workload_imports_from_lambdas_is_there_for_its_test(
    call: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path: Path
) -> None:
    (tmp_path / "check.py").write_text(
        "from hpc.testing import answer\nfrom lambdas.run_files import storage\nprint(storage.__name__)\n"
    )
    assert call("python", "check.py").stdout == "lambdas.run_files.storage\n"


def test_without_the_runner_a_local_run_says_what_to_install(install: Callable[..., Path], tmp_path: Path) -> None:
    programs = install()
    assert run(programs, tmp_path, "hpc", "--version").returncode == 0
    done = run(programs, tmp_path, "hpc", "run", "--size", "4")
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'serverless-hpc[local]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_assembly_and_cdk_a_run_says_what_to_install(install: Callable[..., Path], tmp_path: Path) -> None:
    programs = install("local")
    [shipped] = programs.parent.glob("lib/python*/site-packages/hpc_stack/assemblies")
    shutil.rmtree(shipped)
    done = run(programs, tmp_path, "hpc", "run", "--size", "4")
    assert done.returncode == 2
    assert "pip install 'serverless-hpc[cdk]'" in done.stderr


def test_with_the_cdk_the_packaged_sources_are_synthesized(install: Callable[..., Path], tmp_path: Path) -> None:
    programs = install("cdk", "local")
    [shipped] = programs.parent.glob("lib/python*/site-packages/hpc_stack/assemblies")
    shutil.rmtree(shipped)
    done = run(programs, tmp_path, "hpc", "run", "--size", "4")
    assert "total         2634907" in done.stdout, done.stderr
    assert "synthesizing" in done.stderr


def find_python(version: str) -> str | None:
    """Return a Python of this machine: one that uv finds, or one of pyenv's, whatever pyenv has chosen."""
    command = [Path(sys.executable).with_name("uv"), "python", "find", "--no-python-downloads", "--system", version]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode == 0:
        return found.stdout.strip()
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    return next(map(str, sorted(root.glob(f"versions/{version}.*/bin/python"))), None)


@pytest.mark.parametrize("version", VERSIONS)
def test_both_wheels_install_and_run_on_each_python(version: str, install: Callable[..., Path], tmp_path: Path) -> None:
    python = find_python(version)
    if python is None:
        pytest.skip(f"this machine has no Python {version}")
    programs = install("local", python=python)
    (tmp_path / "mine.py").write_text(WORKLOAD)
    done = run(programs, tmp_path, "hpc", "run", "--workload", "mine.py", "--size", "100")
    assert f"total         {SUM_OF_SQUARES}" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("wheel", "packages"), [("serverless_hpc", {"hpc", "hpc_stack"}), ("sfn_local", {"sfn_local"})]
)
def test_wheel_has_its_packages_types_and_licence_and_names_ranges(
    wheel: str, packages: set[str], wheels: Path
) -> None:
    [file] = wheels.glob(f"{wheel}-*.whl")
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        [metadata] = [name for name in names if name.endswith(".dist-info/METADATA")]
        fields = Parser().parsestr(archive.read(metadata).decode())
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == packages
    assert {f"{package}/py.typed" for package in packages} <= set(names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert fields["License-Expression"] == "Apache-2.0"
    required = fields.get_all("Requires-Dist") or []
    assert required
    assert all(">=" in each and "<" in each and "==" not in each.split(";")[0] for each in required), required


def test_the_asset_in_the_wheel_is_that_of_the_checkout(wheels: Path) -> None:
    [file] = wheels.glob("serverless_hpc-*.whl")
    with zipfile.ZipFile(file) as archive:
        packed = {
            name.removeprefix("hpc_stack/asset/"): archive.read(name)
            for name in archive.namelist()
            if name.startswith("hpc_stack/asset/")
        }
    sources = [PROJECT / name for name in ("cdk.json", "constraints.txt", "requirements-uv.txt")]
    sources += [path for path in (PROJECT / "lambdas").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert packed == {path.relative_to(PROJECT).as_posix(): path.read_bytes() for path in sources}
