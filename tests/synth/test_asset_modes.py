"""Uploaded files can be read by the functions and by the job's user, whatever the umask of the person who deploys."""

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from synthesis import ROOT
from uploads import CDK, uploads

from hpc_stack.asset_modes import open_assets

SOURCES = ("app.py", "cdk.json", "constraints.txt", "requirements-uv.txt", "hpc_stack", "lambdas")


def copy_of_project(folder: Path) -> Path:
    """Copy what is synthesized from, as a checkout under the present umask has it."""
    for name in SOURCES:
        paths = [ROOT / name, *(ROOT / name).rglob("*")]
        for path in (each for each in paths if each.is_file() and "__pycache__" not in each.parts):
            target = folder / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    (folder / "hpc_stack/contract").symlink_to("../lambdas/contract")
    return folder


@contextmanager
def careful(umask: int) -> Iterator[None]:
    before = os.umask(umask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.skipif(not CDK.exists(), reason="the CDK CLI is not installed: make node_modules/ready")
@pytest.mark.parametrize("umask", [0o027, 0o077])
def test_zip_that_the_cdk_cli_uploads_for_a_careful_person_is_readable_by_all(umask: int, tmp_path: Path) -> None:
    with careful(umask):
        project = copy_of_project(tmp_path / "project")
        assert (project / "lambdas/start.py").stat().st_mode & 0o007 == 0
        uploaded = uploads(project, packages_layer="false")
    packed = [zipfile.ZipFile(io.BytesIO(body)) for key, body in uploaded.items() if key.endswith(".zip")]
    # Of the functions, and of what empties the bucket.
    assert sorted("lambdas/start.py" in each.namelist() for each in packed) == [False, True]
    modes = {(each.external_attr >> 16) & 0o777 for archive in packed for each in archive.infolist()}
    assert modes == {0o644}


@pytest.mark.parametrize("umask", [0o027, 0o077])
def test_files_of_the_image_are_readable_by_all(umask: int, tmp_path: Path) -> None:
    with careful(umask):
        project = copy_of_project(tmp_path / "project")
        done = subprocess.run(
            [sys.executable, "app.py"],
            cwd=project,
            env={
                **os.environ,
                "CDK_OUTDIR": str(tmp_path / "out"),
                "CDK_CONTEXT_JSON": '{"hpc:batch": true, "hpc:packages_layer": false}',
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    [image] = (file.parents[1] for file in (tmp_path / "out").glob("asset.*/lambdas/Dockerfile"))
    paths = [image, *image.rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o644}
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_dir()} == {0o755}


def test_programs_stay_programs_and_links_are_left_alone(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("")
    outside.chmod(0o600)
    asset = tmp_path / "assembly/asset.1"
    (asset / "python").mkdir(parents=True, mode=0o700)
    (asset / "python/tool").touch(mode=0o700)
    (asset / "python/link").symlink_to(outside)
    (asset.parent / "asset.2.zip").touch(mode=0o600)
    open_assets(asset.parent)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (asset, *asset.rglob("*")) if not path.is_symlink()}
    assert modes == {"asset.1": 0o755, "python": 0o755, "tool": 0o755}
    assert (asset.parent / "asset.2.zip").stat().st_mode & 0o777 == 0o644
    assert outside.stat().st_mode & 0o777 == 0o600
