"""One Python: functions, layer, image of jobs, and this environment where Lambda has it."""

import re
from importlib.metadata import distributions
from pathlib import Path

import boto3
import pytest
from aws_cdk import aws_lambda as lambda_
from synthesis import ROOT, resources_of

from app import make_app, read_context
from hpc_stack import pythons
from hpc_stack.layer import install
from hpc_stack.packages import Target


def test_known_pythons_are_those_of_lambda_and_of_the_pinned_cdk() -> None:
    known = {each.name for each in lambda_.Runtime.ALL if each.family is lambda_.RuntimeFamily.PYTHON}
    model = boto3.Session()._session.get_service_model("lambda").shape_for("Runtime").enum
    # The project itself needs 3.11.
    wanted = [name for name in model if name in known and int(name.rpartition(".")[2]) >= 11]
    assert sorted(f"python{version}" for version in pythons.VERSIONS) == sorted(wanted)
    assert max(pythons.VERSIONS, key=lambda version: int(version.partition(".")[2])) == pythons.NEWEST


@pytest.mark.parametrize("version", pythons.VERSIONS)
def test_base_image_has_that_version_and_a_digest(version: str) -> None:
    pattern = rf"{re.escape(version)}\.[0-9]+-slim-trixie@sha256:[0-9a-f]{{64}}"
    assert re.fullmatch(pattern, pythons.BASE_IMAGES[version])


def test_dockerfile_alone_has_the_newest() -> None:
    assert f"ARG PYTHON_IMAGE={pythons.base_image(pythons.NEWEST)}\n" in (ROOT / "lambdas/Dockerfile").read_text()


@pytest.mark.parametrize(
    ("setting", "here", "chosen", "words"),
    [
        ("auto", "3.13", "3.13", None),
        ("auto", "3.14", "3.14", None),
        ("auto", "3.11", "3.11", None),
        ("auto", "3.10", "3.14", ("Python 3.14", "Python 3.10", "has no Python 3.10")),
        ("auto", "3.15", "3.14", ("Python 3.14", "Python 3.15", "has no Python 3.15")),
        ("3.12", "3.13", "3.12", ("Python 3.12", "Python 3.13", "hpc:python is 3.12")),
        ("3.11", "3.11", "3.11", None),
    ],
)
def test_python_is_that_of_here_or_a_warning_names_both(
    setting: str, here: str, chosen: str, words: tuple[str, ...] | None
) -> None:
    assert pythons.choose(setting, here) == chosen
    warning = pythons.difference(chosen, setting, here)
    assert (warning is None) == (words is None)
    assert all(word in (warning or "") for word in words or ())


@pytest.mark.parametrize("version", ["3.12", "3.14", "auto"])
def test_functions_and_image_have_the_python_that_is_set_or_that_of_here(version: str, tmp_path: Path) -> None:
    context = read_context() | {"hpc:python": version, "hpc:batch": True, "hpc:packages_layer": False}
    assembly = make_app(str(tmp_path), context).synth()
    version = pythons.choose(version, pythons.running())
    functions = resources_of(assembly.stacks[0].template, "AWS::Lambda::Function").values()
    runtimes = {each["Properties"]["Runtime"] for each in functions}
    assert {name for name in runtimes if name.startswith("python")} == {f"python{version}"}
    assert f'"PYTHON_IMAGE": "{pythons.base_image(version)}"' in (tmp_path / "HpcStack.assets.json").read_text()


def test_warning_stands_in_the_assembly_where_pythons_differ(tmp_path: Path) -> None:
    other = next(version for version in pythons.VERSIONS if version != pythons.running())
    context = read_context() | {"hpc:python": other, "hpc:packages_layer": False}
    messages = [each.entry.data for each in make_app(str(tmp_path), context).synth().stacks[0].messages]
    assert any(f"get Python {other}, local runs have Python {pythons.running()}" in str(each) for each in messages)


@pytest.mark.parametrize(("version", "glibc"), [("3.11", "2_17"), ("3.12", "2_28"), ("3.14", "2_28")])
def test_wheels_of_the_layer_fit_the_linux_of_the_function(version: str, glibc: str) -> None:
    assert Target(python_version=version, architecture="arm64").platform == f"aarch64-manylinux_{glibc}"


@pytest.mark.parametrize(("python", "version"), [("3.11", "2.2.6"), ("3.12", "2.4.6"), ("3.14", "2.4.6")])
@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_numpy_of_each_python_has_wheels_for_its_linux(
    python: str, architecture: str, version: str, tmp_path: Path
) -> None:
    install(tmp_path, ROOT, Target(python_version=python, architecture=architecture))
    [numpy] = distributions(path=[str(tmp_path)], name="numpy")
    assert numpy.version == version
    glibc = re.findall(r"manylinux_2_(\d+)", numpy.read_text("WHEEL") or "")
    assert min(map(int, glibc)) <= (26 if python in pythons.ON_OLD_LINUX else 34)
