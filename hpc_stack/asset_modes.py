"""Modes of staged files: what is uploaded has to be readable by others than its owner.

Lambda and the user of the job's image read code as others do, and the CDK CLI packs each file with the mode that it has
here: under a umask of 027 or 077 a deployment would succeed, and every function fail.
"""

from pathlib import Path

READABLE, EXECUTABLE = 0o644, 0o755


def open_assets(assembly: Path) -> None:
    """Make all files that are staged in a cloud assembly readable by everybody, and its folders passable."""
    for asset in assembly.glob("asset.*"):
        for path in (asset, *asset.rglob("*")):
            if not path.is_symlink():
                path.chmod(EXECUTABLE if path.is_dir() or path.stat().st_mode & 0o100 else READABLE)
