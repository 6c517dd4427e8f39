"""What is uploaded can be read by the functions and by the job's user, whatever the umask of who deploys."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from synthesis import ROOT

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


@pytest.mark.parametrize("umask", [0o027, 0o077])
def test_zip_of_a_careful_person_is_readable_by_all(umask: int, tmp_path: Path) -> None:
    outdir = tmp_path / "out"
    context = '{"hpc:batch": true, "hpc:packages_layer": false}'
    before = os.umask(umask)
    try:
        project = copy_of_project(tmp_path / "project")
        assert (project / "lambdas/start.py").stat().st_mode & 0o007 == 0
        done = subprocess.run(
            [sys.executable, "app.py"],
            cwd=project,
            env={**os.environ, "CDK_OUTDIR": str(outdir), "CDK_CONTEXT_JSON": context},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stderr
    assets = [path for path in outdir.glob("asset.*") if path.is_dir()]
    holders = [asset for asset in assets if (asset / "lambdas/start.py").exists()]
    assert (len(holders), len(assets)) == (2, 3)  # of the functions, of the image, and what empties the bucket
    for asset in assets:
        # As the CDK CLI packs it: each file with its own mode.
        archive = shutil.make_archive(str(tmp_path / asset.name), "zip", asset)
        with zipfile.ZipFile(archive) as packed:
            modes = {each.filename: (each.external_attr >> 16) & 0o777 for each in packed.infolist()}
        assert {mode for name, mode in modes.items() if not name.endswith("/")} == {0o644}
        assert {mode for name, mode in modes.items() if name.endswith("/")} <= {0o755}


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
