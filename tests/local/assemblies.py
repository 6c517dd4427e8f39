"""Cloud assemblies of the project, each synthesized once for all processes and for all test runs on these sources."""

import fcntl
import shutil
from pathlib import Path

from hpc.targets.synthesis import PIPELINE, Variant, find_assembly

PROJECT = Path(__file__).parents[2]
# By the digest of the sources, as `hpc run` keeps its own.
KEPT = PROJECT / "build" / "test-assemblies"
EXPRESS = Variant({"hpc:child_type": "EXPRESS", "hpc:compute_timeout_seconds": 60})


def synthesized(variant: Variant = PIPELINE) -> Path:
    """Return the assembly of the present sources, which all tests share: none may change it."""
    home = KEPT / f"assembly{variant.suffix}"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # else each process would synthesize
        return find_assembly(PROJECT, home, variant=variant)


def copied(folder: Path, variant: Variant = PIPELINE, *, workloads: dict[str, str] | None = None) -> Path:
    """Return a copy below ``folder`` that a test may change, with more workloads: file name -> source."""
    made = folder / "assembly"
    shutil.copytree(synthesized(variant), made)
    for name, source in (workloads or {}).items():
        [place] = made.glob("asset.*/lambdas/workloads")
        (place / name).write_text(source)
    return made
