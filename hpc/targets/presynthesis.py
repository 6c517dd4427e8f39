"""Write the cloud assemblies that the distribution brings along: ``python -m hpc.targets.presynthesis FOLDER``.

With them a run on this machine needs neither the CDK nor node.
"""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from hpc.targets.project import find_project
from hpc.targets.synthesis import PIPELINE, WITH_JOBS, find_assembly


def write_assemblies(folder: Path) -> None:
    """Synthesize the pipeline, and the pipeline with jobs, into a folder that is made anew.

    Raises
    ------
    NotStartedError
        If synthesis fails.
    """
    shutil.rmtree(folder, ignore_errors=True)
    with TemporaryDirectory(prefix="hpc-") as home:
        for variant in (PIPELINE, WITH_JOBS):
            made = find_assembly(find_project(), Path(home), variant=variant)
            shutil.copytree(made, folder / f"pipeline{variant.suffix}")


if __name__ == "__main__":
    write_assemblies(Path(sys.argv[1]))
