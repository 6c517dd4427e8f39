"""`hpc add` as far as it needs no registry."""

from pathlib import Path

import pytest

from hpc.cli.main import main
from hpc.targets.project import PACKAGED

PROJECT = Path(__file__).parents[3]


def test_what_is_no_package_is_refused_and_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    before = (PROJECT / "lambdas/requirements.txt").read_bytes()
    assert main(["add", "../here"]) == 2
    shown = capsys.readouterr()
    assert shown.err.splitlines()[-1] == (
        "hpc add: nothing was added: PACKAGE must be a name such as scipy, scipy==1.16.0 or 'scipy>=1.15,<2', "
        "got '../here'"
    )
    assert (shown.out, (PROJECT / "lambdas/requirements.txt").read_bytes()) == ("", before)


def test_installed_project_has_no_requirements_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / PACKAGED).mkdir(parents=True)
    monkeypatch.setattr("hpc.targets.project.ROOT", tmp_path)
    assert main(["add", "scipy"]) == 2
    assert "packages are added to a checkout" in capsys.readouterr().err
