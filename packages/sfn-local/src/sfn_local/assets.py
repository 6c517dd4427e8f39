"""Assets of a cloud assembly: the asset manifest names each asset's folder, and where it would be uploaded to.

Source: CDK's cloud assembly schema, ``AssetManifest``.  A folder's name is not made from the asset's hash alone: CDK
appends what follows the last dot of the source folder's name, so ``serverless-hpc-0.1.0`` gives ``asset.<hash>.0``.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Assets:
    """Folders of an assembly that hold code.

    Attributes
    ----------
    files : Mapping[str, Path]
        Folder or file of each file asset, by the key that it has in the bootstrap bucket (``<hash>.zip``).
    images : Mapping[str, Path]
        Folder that each image is built from, by the image's tag.
    """

    files: Mapping[str, Path]
    images: Mapping[str, Path]


def read_assets(assembly: Path) -> Assets:
    """Read every asset manifest of an assembly.

    Raises
    ------
    OSError, ValueError
        If a manifest can't be read, or is not JSON.
    """
    files: dict[str, Path] = {}
    images: dict[str, Path] = {}
    for file in sorted(assembly.glob("*.assets.json")):
        manifest = json.loads(file.read_text(encoding="utf-8"))
        for asset in manifest.get("files", {}).values():
            if "path" in asset["source"]:
                files |= dict.fromkeys(_destinations(asset, "objectKey"), assembly / asset["source"]["path"])
        for asset in manifest.get("dockerImages", {}).values():
            if "directory" in asset["source"]:
                images |= dict.fromkeys(_destinations(asset, "imageTag"), assembly / asset["source"]["directory"])
    return Assets(files, images)


def _destinations(asset: Mapping[str, Any], name: str) -> Iterator[str]:
    for destination in asset["destinations"].values():
        yield destination[name]
