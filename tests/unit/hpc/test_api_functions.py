"""`hpc.api.functions`: a function travels with all that its source needs, or the refusal says why not."""

import importlib.util
import math
import operator
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hpc.api.functions import package_functions
from hpc.errors import NotStartedError
from hpc.targets.workload_package import WorkloadPackage

LIMIT = 3
NAMES = {"a": [1, 2.5, None], "b": ("x", b"y")}


class Doubling:
    def __init__(self, by: int) -> None:
        self.by = by

    def of(self, value: int) -> int:
        return value * self.by


def helper(value: int) -> int:
    return value + LIMIT if value else helper(1)


def area(item: int, params: dict[str, Any], seed: int) -> Any:
    return [Doubling(2).of(helper(item)), math.floor(2.5), NAMES["a"][0], params]


def loaded(package: WorkloadPackage, folder: Path) -> ModuleType:
    """Import the workload as it arrives: from its files alone."""
    for name, content in package.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    spec = importlib.util.spec_from_file_location(f"arrived_{package.name}", folder / f"{package.name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_function_arrives_with_helpers_classes_constants_and_imports(tmp_path: Path) -> None:
    package = package_functions({"compute": area, "combine": operator.add})
    module = loaded(package, tmp_path)
    assert package.name == "area"
    assert module.compute(4, {"p": 1}, 0) == [14, 2, 1, {"p": 1}]
    assert module.compute(0, {}, 0) == [8, 2, 1, {}]
    assert module.combine(1, 2) == 3


def test_package_of_the_same_function_has_the_same_hash() -> None:
    assert package_functions({"compute": area}).sha256 == package_functions({"compute": area}).sha256
    assert package_functions({"compute": area}).sha256 != package_functions({"compute": helper}).sha256


def test_builtin_and_library_functions_arrive_by_name(tmp_path: Path) -> None:
    assert loaded(package_functions({"compute": math.factorial}), tmp_path).compute(4) == 24


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1: object()}, lambda: 1])
def test_function_that_uses_what_can_not_be_written_down_is_refused_by_name(
    value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    monkeypatch.setattr("hpc.api.pickled.find_spec", lambda _: None)
    monkeypatch.setitem(globals(), "LIMIT", value)
    with pytest.raises(NotStartedError, match=r"the function helper can't travel by its source: .*\n.*params or items"):
        package_functions({"compute": helper})


def test_function_within_a_function_is_refused_with_what_it_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpc.api.pickled.find_spec", lambda _: None)
    factor = 2

    def inner(item: int) -> int:
        return item * factor

    with pytest.raises(NotStartedError, match="within another function, whose factor it uses"):
        package_functions({"compute": inner})


def test_helper_that_is_named_as_a_part_of_a_workload_is_not_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpc.api.pickled.find_spec", lambda _: None)
    monkeypatch.setitem(globals(), "combine", helper)

    def use(item: int) -> int:
        return combine(item)  # type: ignore[name-defined,no-any-return]  # noqa: F821

    with pytest.raises(NotStartedError, match="it uses combine, which has a meaning of its own"):
        package_functions({"compute": use})


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(NotStartedError, match="combine must be a function, got int"):
        package_functions({"compute": area, "combine": 3})  # type: ignore[dict-item]


def test_modules_beside_a_script_travel_as_files(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("import further\ndef scaled(x): return further.FACTOR * x\n")
    (tmp_path / "further.py").write_text("FACTOR = 10\n")
    script = (
        "import beside\nfrom beside import scaled as s\ndef area(x): return beside.scaled(x) + s(x)\n"
        "from hpc.api.functions import package_functions\n"
        "print(sorted(package_functions({'compute': area}).files))\n"
    )
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")], capture_output=True, text=True, check=True, cwd="/"
    )
    assert done.stdout.strip() == "['area.py', 'beside.py', 'further.py']"


def test_import_of_the_package_loads_nothing_else() -> None:
    code = "import sys, hpc; print([name for name in sys.modules if name.startswith(('hpc.', 'boto', 'sfn_local'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_pickled_function_is_refused_by_another_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cloudpickle", reason="cloudpickle is not installed: make test installs it")
    package = package_functions({"compute": lambda item: item + 1})
    assert loaded(package, tmp_path).compute(1) == 2
    monkeypatch.setattr(sys, "version_info", (3, 99, 0, "final", 0))
    here = ".".join(map(str, sys.implementation.version[:2]))
    with pytest.raises(RuntimeError, match=rf"was pickled by Python {here}, here is Python 3\.99: .*\(hpc:python\)"):
        loaded(package, tmp_path)
