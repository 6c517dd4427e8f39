"""`hpc add`: what is pinned for the functions, what comes along, and that a refusal changes nothing."""

from pathlib import Path

import pytest

from hpc_stack import adding
from hpc_stack.adding import Added
from hpc_stack.layer import LayerError
from hpc_stack.packages import PackagesError, Target

ARM = Target(python_version="3.14", architecture="arm64")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "lambdas").mkdir(parents=True)
    return folder


def add(project: Path, *wanted: str) -> Added:
    return adding.add(project, wanted, ARM, here=["--target", str(project / "here")])


def lines(project: Path) -> list[str]:
    return (project / "lambdas/requirements.txt").read_text().splitlines()


def test_package_is_pinned_with_what_it_brings_along_and_is_there_on_both_sides(project: Path) -> None:
    added = add(project, "python-dateutil==2.9.0.post0")
    assert lines(project)[0] == "python-dateutil==2.9.0.post0"
    assert [line.partition("==")[0] for line in lines(project)] == ["python-dateutil", "six"]
    assert lines(project)[1].endswith("  # needed by python-dateutil")
    assert added.pins == ["python-dateutil==2.9.0.post0"]
    assert [pin.partition("==")[0] for pin in added.brought] == ["six"]
    assert (project / "here/six.py").exists()
    assert list((project / ".layer-cache").glob("*/python/dateutil"))
    assert added.layer_bytes > 100_000


def test_package_that_is_there_gets_another_version_and_the_others_stay(project: Path) -> None:
    (project / "lambdas/requirements.txt").write_text("# why\nsix==1.16.0  # old\nidna==3.10\n")
    add(project, "Six==1.17.0")
    assert lines(project) == ["# why", "idna==3.10", "six==1.17.0"]


def test_what_the_project_pins_is_taken_and_does_not_overrule_a_version_that_is_asked_for(project: Path) -> None:
    (project / "constraints.txt").write_text("six==1.16.0\npython-dateutil==2.8.2\n")
    assert add(project, "python-dateutil").pins == ["python-dateutil==2.8.2"]
    assert lines(project) == ["python-dateutil==2.8.2"]  # six is pinned by the project
    assert add(project, "six==1.17.0").pins == ["six==1.17.0"]


def test_version_that_has_no_wheel_gives_way_and_the_other_pins_of_the_project_stay(project: Path) -> None:
    (project / "constraints.txt").write_text("six==1.16.0\npython-dateutil==0.0.0.1\n")
    add(project, "python-dateutil==2.9.0.post0", "idna")
    (project / "constraints.txt").write_text("six==1.16.0\nidna==0.0.0.1\npython-dateutil==2.9.0.post0\n")
    assert [pin.partition("==")[0] for pin in add(project, "idna").pins] == ["idna"]
    assert lines(project)[:1] == ["python-dateutil==2.9.0.post0"]
    assert (project / "here/six.py").read_text().count('__version__ = "1.16.0"') == 1


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("-r other.txt", "PACKAGE must be a name such as scipy"),
        ("--index-url=x", "PACKAGE must be"),
        ("./here", "PACKAGE must be"),
        ("six @ file:///x", "PACKAGE must be"),
        ("six==1.17.0; os_name=='nt'", "PACKAGE must be"),
        ("", "PACKAGE must be"),
        ("six==0.0.0.1", r"(?s)No solution found.*six==0\.0\.0\.1"),
        ("docopt==0.6.2", r"(?s)docopt"),  # source distributions only
    ],
)
def test_what_can_not_be_added_changes_nothing(project: Path, wanted: str, message: str) -> None:
    (project / "lambdas/requirements.txt").write_text("idna==3.10\n")
    with pytest.raises(PackagesError, match=message):
        add(project, wanted)
    assert lines(project) == ["idna==3.10"]
    assert not (project / "here").exists()


def test_layer_that_would_be_too_big_changes_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpc_stack.layer.MAX_UNZIPPED_BYTES", 1_000)
    with pytest.raises(LayerError, match="functions and layer may have 1000 bytes together"):
        add(project, "six==1.17.0")
    assert lines(project) == []


def test_what_is_said_names_pins_size_and_the_time_of_an_import() -> None:
    said = adding.describe(Added(["numpy==2.4.6"], ["six==1.17.0"], 60 * 1024 * 1024 - 1, 0), ARM)
    assert said[:3] == [
        "added to lambdas/requirements.txt, for Python 3.14 on arm64: numpy==2.4.6",
        "  with what they bring along: six==1.17.0",
        "layer: 60 MiB unzipped; with the functions' code it may have 250 MiB",
    ]
    assert said[3].startswith("cold start: import numpy takes ")
    assert adding.import_seconds(["no-such-package==1"]) == ([], None)
