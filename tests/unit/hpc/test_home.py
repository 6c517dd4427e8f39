"""The home is its owner's alone: it holds the server's keys, and whatever workloads read and computed."""

import os
from pathlib import Path

import pytest

from hpc.errors import NotStartedError
from hpc.targets.home import STORE, Home


def made(folder: Path, mode: int, *names: str) -> Home:
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    folder.chmod(mode)
    return Home(project=folder, folder=folder)


def mode_of(home: Home) -> int:
    return home.folder.stat().st_mode & 0o7777


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o777, 0o711, 0o770, 0o702])
@pytest.mark.parametrize("names", [(), (STORE, "server.lock")], ids=["empty", "used"])
def test_home_that_others_may_read_is_made_private(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: int, names: tuple[str, ...]
) -> None:
    home = made(tmp_path / "home", mode, *names)
    home.create()
    assert mode_of(home) == 0o700
    assert f"{home.folder} was d" in capsys.readouterr().err


def test_home_that_is_private_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(tmp_path / "home", 0o700, "anything").create()
    Home(project=tmp_path, folder=tmp_path / "new/home").create()
    assert mode_of(Home(project=tmp_path, folder=tmp_path / "new/home")) == 0o700
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("mode", "names"), [(0o755, ("thesis.tex",)), (0o1777, (STORE,)), (0o1777, ())])
def test_folder_that_is_for_others_too_is_refused(tmp_path: Path, mode: int, names: tuple[str, ...]) -> None:
    home = made(tmp_path / "home", mode, *names)
    with pytest.raises(NotStartedError, match="HPC_HOME must be a folder for this alone that only you may read"):
        home.create()
    assert mode_of(home) == mode


def test_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = made(tmp_path / "home", 0o755, STORE)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(NotStartedError, match="only you may read"):
        home.create()
