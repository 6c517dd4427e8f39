"""The layer of the workloads' packages: what it holds, what is refused, and the template with and without it."""

import json
import os
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from synthesis import ROOT, resources_of

from hpc_stack import layer, pythons
from hpc_stack.layer import LayerError
from hpc_stack.packages import PackagesError, Target

PYTHON = pythons.choose("auto", pythons.running())
ARM = Target(python_version="3.14", architecture="arm64")
X86 = Target(python_version="3.14", architecture="x86_64")
AARCH64, X86_64 = 183, 62


def elf(machine: int) -> bytes:
    return b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00" + machine.to_bytes(2, "little") + bytes(44)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "lambdas").mkdir(parents=True)
    return folder


def requirements(project: Path, text: str) -> dict[str, str]:
    file = project / "lambdas/requirements.txt"
    file.write_text(text)
    return layer.read_requirements(file)


def test_the_three_functions_have_the_layer_and_no_other_has(template: dict[str, Any]) -> None:
    [(name, resource)] = resources_of(template, "AWS::Lambda::LayerVersion").items()
    assert resource["Properties"]["CompatibleRuntimes"] == [f"python{PYTHON}"]
    assert resource["Properties"]["CompatibleArchitectures"] == ["arm64"]
    functions = resources_of(template, "AWS::Lambda::Function").values()
    with_layer = [each["Properties"]["Handler"] for each in functions if each["Properties"].get("Layers")]
    assert sorted(with_layer) == ["lambdas.compute.handler", "lambdas.start.handler", "lambdas.sum.handler"]
    assert {json.dumps(each["Properties"].get("Layers", [{"Ref": name}])) for each in functions} == {
        json.dumps([{"Ref": name}])
    }


def test_a_local_run_synthesizes_the_same_but_for_the_layer(
    template: dict[str, Any], synthesize: Callable[..., dict[str, Any]]
) -> None:
    expected = json.loads(json.dumps(template))
    expected["Resources"] = {
        name: each for name, each in expected["Resources"].items() if each["Type"] != "AWS::Lambda::LayerVersion"
    }
    for each in expected["Resources"].values():
        each.get("Properties", {}).pop("Layers", None)
    assert synthesize(packages_layer=False) == expected


def test_the_layer_of_the_assembly_is_for_the_functions(assembly: Path, template: dict[str, Any]) -> None:
    [resource] = resources_of(template, "AWS::Lambda::LayerVersion").values()
    folder = assembly / f"asset.{resource['Properties']['Content']['S3Key'].removesuffix('.zip')}"
    libraries = [path.name for path in folder.rglob("*.so")]
    assert f"_multiarray_umath.cpython-{PYTHON.replace('.', '')}-aarch64-linux-gnu.so" in libraries
    layer.check_binaries(folder, Target(python_version=PYTHON, architecture="arm64"))
    with pytest.raises(LayerError, match=r"of the layer is for another processor than x86_64"):
        layer.check_binaries(folder, Target(python_version=PYTHON, architecture="x86_64"))
    with pytest.raises(LayerError, match=r"of the layer is for another Python than 3\.10"):
        layer.check_binaries(folder, Target(python_version="3.10", architecture="arm64"))
    assert not (folder / "python/bin").exists()


def test_this_machine_has_the_versions_of_the_layer() -> None:
    lines = (line.partition("#")[0].strip() for line in (ROOT / "lambdas/requirements.txt").read_text().splitlines())
    here = [each for each in map(Requirement, filter(None, lines)) if each.marker is None or each.marker.evaluate()]
    assert {each.name: str(each.specifier) for each in here} == {each.name: f"=={version(each.name)}" for each in here}
    assert here


def test_read_requirements_takes_pins_and_comments(project: Path) -> None:
    text = "# why\n\nNumPy==2.4.6  # arrays\nscikit_learn[extra]==1.8.0 ; python_version >= '3.11'\n"
    assert requirements(project, text) == {"numpy": "2.4.6", "scikit-learn": "1.8.0"}
    assert requirements(project, "# nothing\n") == {}


@pytest.mark.parametrize(
    "line", ["numpy", "numpy>=2", "numpy==2.*", "-r other.txt", "git+https://host/x", "./x.whl", "a==1 b==2"]
)
def test_read_requirements_refuses_what_pins_no_version(project: Path, line: str) -> None:
    with pytest.raises(
        PackagesError, match=r"line 2 of .*requirements\.txt must pin one version, like numpy==2\.4\.6, got"
    ):
        requirements(project, f"# first\n{line}\n")


@pytest.mark.parametrize("text", [None, "", "# numpy==2.4.6\n"])
def test_no_requirements_make_no_layer(project: Path, text: str | None) -> None:
    if text is not None:
        (project / "lambdas/requirements.txt").write_text(text)
    undefined: Any = None
    made = layer.define_layer(undefined, "Packages", project_root=project, runtime=undefined, architecture=undefined)
    assert made is None


def test_find_layer_is_built_once_and_the_same_each_time(project: Path) -> None:
    wanted = requirements(project, "six==1.17.0\n")
    folder = layer.find_layer(project, wanted, ARM)
    content = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert Path("python/six.py") in content
    marker = folder / "python/marker"
    marker.touch()
    assert layer.find_layer(project, wanted, ARM) == folder
    assert marker.exists()
    assert layer.find_layer(project, wanted, X86) != folder
    shutil.rmtree(folder)
    again = layer.find_layer(project, wanted, ARM)
    assert again == folder
    assert {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()} == content
    assert not [path for path in (project / ".layer-cache").iterdir() if path.suffix == ".tmp"]


def test_find_layer_keeps_the_latest_only(project: Path) -> None:
    cache = project / ".layer-cache"
    for age in range(8):
        (cache / f"old-{age}").mkdir(parents=True)
        os.utime(cache / f"old-{age}", (1_000 - age, 1_000 - age))
    layer.find_layer(project, requirements(project, "six==1.17.0\n"), ARM)
    assert len(list(cache.iterdir())) == layer.KEPT_LAYERS
    assert (cache / "old-0").exists()


def test_find_layer_leaves_alone_what_other_syntheses_build_and_take_away(project: Path) -> None:
    cache = project / ".layer-cache"
    for name in ("1.tmp", "2.tmp", "3.tmp", "4.tmp", "abandoned.tmp"):
        (cache / name).mkdir(parents=True)
    os.utime(cache / "abandoned.tmp", (1_000, 1_000))
    (cache / "gone").symlink_to("nowhere")  # found in the folder, and gone when it is looked at
    made = layer.find_layer(project, requirements(project, "six==1.17.0\n"), ARM)
    assert {path.name for path in cache.iterdir()} == {made.name, "gone", "1.tmp", "2.tmp", "3.tmp", "4.tmp"}


def test_find_layer_takes_the_one_that_another_synthesis_has_just_built(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = requirements(project, "six==1.17.0\n")

    def check_and_be_overtaken(packages: Path, *_rest: object) -> None:
        [name] = {path.name.split(".")[0] for path in packages.parents[1].iterdir()}
        shutil.copytree(packages.parent, packages.parents[1] / name)

    monkeypatch.setattr(layer, "check_pins", check_and_be_overtaken)
    folder = layer.find_layer(project, wanted, ARM)
    assert (folder / "python/six.py").exists()
    assert list((project / ".layer-cache").iterdir()) == [folder]


def test_a_package_without_a_wheel_is_named(project: Path) -> None:
    # Source distributions only, on the registry.
    wanted = requirements(project, "docopt==0.6.2\n")
    with pytest.raises(
        LayerError, match=r"(?s)can't be installed from wheels for Python 3\.14 on arm64; uv says:.*docopt"
    ):
        layer.find_layer(project, wanted, ARM)
    assert list((project / ".layer-cache").iterdir()) == []


def test_what_comes_along_has_to_be_pinned_too(project: Path) -> None:
    wanted = requirements(project, "python-dateutil==2.9.0.post0\n")
    with pytest.raises(LayerError, match=r"six \S+ comes along .* add six==\S+ there \(needed by python-dateutil\)"):
        layer.find_layer(project, wanted, ARM)
    (project / "constraints.txt").write_text("six==1.17.0\n")
    assert (layer.find_layer(project, wanted, ARM) / "python/six.py").exists()


def test_workload_has_another_version_than_the_project(project: Path) -> None:
    wanted = requirements(project, "six==1.16.0\npython-dateutil==2.8.2\n")
    (project / "constraints.txt").write_text("six==1.17.0\npython-dateutil==2.9.0.post0\n")
    folder = layer.find_layer(project, wanted, ARM) / "python"
    assert sorted(path.name for path in folder.glob("*.dist-info")) == [
        "python_dateutil-2.8.2.dist-info",
        "six-1.16.0.dist-info",
    ]


def test_what_a_workload_needs_in_another_version_has_to_be_named(project: Path) -> None:
    wanted = requirements(project, "pathlib2==2.3.7.post1\n")
    (project / "constraints.txt").write_text("six==1.0.0\n")
    with pytest.raises(LayerError, match=r"six \S+ comes along .* add six==\S+ there \(needed by pathlib2\)"):
        layer.find_layer(project, wanted, ARM)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.so", elf(X86_64), "a.so of the layer is for another processor than arm64"),
        ("a.cpython-313-aarch64-linux-gnu.so", elf(AARCH64), "for another Python than 3.14"),
        ("a.cpython-314t-aarch64-linux-gnu.so", elf(AARCH64), "for another Python than 3.14"),
        ("liba.so.3.0", b"\xcf\xfa\xed\xfe" + bytes(60), "is no library of Linux"),
        ("a.so", b"", "is no library of Linux"),
    ],
)
def test_a_library_for_something_else_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / "python/package").mkdir(parents=True)
    (tmp_path / "python/package" / name).write_bytes(content)
    with pytest.raises(LayerError, match=message):
        layer.check_binaries(tmp_path, ARM)


@pytest.mark.parametrize("name", ["a.so", "a.abi3.so", "a.cpython-314-aarch64-linux-gnu.so", "liba-12ab.so.5.0.0"])
def test_a_library_for_the_functions_is_taken(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(elf(AARCH64))
    layer.check_binaries(tmp_path, ARM)


def test_more_than_lambda_takes_is_refused_with_the_largest(tmp_path: Path) -> None:
    for name, size in (("big/inner/data", 197), ("small/data", 1), ("module.py", 2), ("least.py", 0)):
        _make_file(tmp_path / "layer/python" / name, size)
    _make_file(tmp_path / "code/data", 50)
    layer.check_size(tmp_path / "layer", tmp_path / "code")
    _make_file(tmp_path / "code/data", 51)
    with pytest.raises(
        LayerError,
        match=r"may have 262144000 bytes together, they have 53477376 and 209715200; "
        r"largest in the layer: big 206569472, module\.py 2097152, small 1048576$",
    ):
        layer.check_size(tmp_path / "layer", tmp_path / "code")


def _make_file(path: Path, mebibytes: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.truncate(path, mebibytes * 1024 * 1024)
