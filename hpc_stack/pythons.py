"""The Python version of functions, of their layer, of the jobs' image and, if possible, of this machine."""

import sys

# Python of the functions -> base image of jobs, of the same version, by the digest of its list of all processors.
# A version that is added here has to be known to the pinned aws-cdk-lib.
BASE_IMAGES = {
    "3.11": "3.11.15-slim-trixie@sha256:db3ff2e1800a8581e2c48a27c3995339d47bdf046da21c7627accd3d51053a93",
    "3.12": "3.12.13-slim-trixie@sha256:229a2c5bfa27522db7815ea81f9bed70af17ccb9de9fc7ad142b1877b5830d36",
    "3.13": "3.13.14-slim-trixie@sha256:6771159cd4fa5d9bba1258caf0b82e6b73458c694d178ad97c5e925c2d0e1a91",
    "3.14": "3.14.7-slim-trixie@sha256:ce40764625a4ff50df3548277632e7f96c4e77fe75fa848aae9885476e7df5a4",
}
VERSIONS = tuple(BASE_IMAGES)
NEWEST = VERSIONS[-1]
# Lambda runs it on Amazon Linux 2, whose glibc is 2.26: wheels that need a newer one would fail when they are imported,
# and lambdas/requirements.txt has an older numpy for it.  Source: "Lambda runtimes", AWS Lambda Developer Guide.
ON_OLD_LINUX = frozenset({"3.11"})
REPOSITORY = "public.ecr.aws/docker/library/python"
AUTO = "auto"


def base_image(version: str) -> str:
    """Return the image that the image of jobs begins with."""
    return f"{REPOSITORY}:{BASE_IMAGES[version]}"


def running() -> str:
    """Return the minor version of the Python that runs this, such as "3.14"."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def choose(setting: str, here: str) -> str:
    """Return the version that the functions get: the one that is set, or that of ``here`` where Lambda offers it."""
    if setting != AUTO:
        return setting
    return here if here in VERSIONS else NEWEST


def difference(chosen: str, setting: str, here: str) -> str | None:
    """Return the warning where functions have another Python than this environment; None where they have the same."""
    if chosen == here:
        return None
    if setting != AUTO:
        reason = f"hpc:python is {setting}"
    else:
        reason = f"Lambda, as the pinned aws-cdk-lib knows it, has no Python {here}"
    return (
        f"The functions get Python {chosen}, local runs have Python {here}: {reason}. "
        f"For the same in both, make .venv with Python {chosen} (make clean, then make run PYTHON=python{chosen})"
    )
