"""Finds the sources of ``lambdas/``: in the root of a checkout, or in a folder of the installed package."""

import os
from pathlib import Path

PACKAGED = Path(__file__).parent / "asset"
CHECKOUT = Path(__file__).parents[1]
# Holds lambdas/, constraints.txt, requirements-uv.txt and cdk.json.
SOURCES = PACKAGED if PACKAGED.is_dir() else CHECKOUT


def layer_cache() -> Path:
    """Return the folder of built layers: in the checkout, else the person's, because packages are replaced as a whole.

    Source of the place: XDG Base Directory Specification, "XDG_CACHE_HOME".
    """
    if SOURCES == CHECKOUT:
        return CHECKOUT / ".layer-cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "serverless-hpc" / "layers"
