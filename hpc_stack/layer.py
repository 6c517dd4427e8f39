"""A Lambda layer of ``lambdas/requirements.txt``, the packages of workloads, from wheels and without Docker.

The layer is built once for the same requirements, constraints, Python and processor, and kept in ``.layer-cache`` of
the checkout, or in the person's cache: with that, synthesis needs no network.
"""

import contextlib
import hashlib
import os
import re
import shutil
import time
import uuid
from importlib.metadata import Distribution, distributions
from pathlib import Path

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from hpc_stack.packages import REQUIREMENTS, PackagesError, Target, normalized, read_pins, read_requirements
from hpc_stack.packages import install as install_packages

# Source: the ELF specification's e_machine, EM_AARCH64 and EM_X86_64.
ELF_MACHINES = {"arm64": 183, "x86_64": 62}
# Size of a function's code and layers, unzipped.  Source: Lambda quotas, "Deployment package (.zip file archive) size".
MAX_UNZIPPED_BYTES = 250 * 1024 * 1024
CACHE = ".layer-cache"
KEPT_LAYERS = 4
ABANDONED_AFTER_SECONDS = 3_600


class LayerError(PackagesError):
    """The packages of the workloads can't be a layer; the text says which of them, and why."""


def define_layer(
    scope: Construct,
    construct_id: str,
    *,
    project_root: Path,
    runtime: lambda_.Runtime,
    architecture: lambda_.Architecture,
    cache: Path | None = None,
) -> lambda_.LayerVersion | None:
    """Define the layer; None where ``lambdas/requirements.txt`` names no package or is missing.

    Raises
    ------
    LayerError
        If a version is not pinned, a package has no wheel for the function, or the whole is too big.
    """
    requirements = read_requirements(project_root / "lambdas/requirements.txt")
    if not requirements:
        return None
    target = Target(python_version=runtime.name.removeprefix("python"), architecture=architecture.name)
    folder = find_layer(project_root, requirements, target, cache)
    check_binaries(folder, target)
    check_size(folder, project_root / "lambdas")
    return lambda_.LayerVersion(
        scope,
        construct_id,
        code=lambda_.Code.from_asset(str(folder)),
        description=f"lambdas/requirements.txt for {target}",
        compatible_runtimes=[runtime],
        compatible_architectures=[architecture],
    )


def find_layer(project_root: Path, requirements: dict[str, str], target: Target, cache: Path | None = None) -> Path:
    """Return the layer's folder, with the packages below ``python/``; build it if it is not in the cache."""
    constraints = project_root / "constraints.txt"
    constraint_text = constraints.read_text(encoding="utf-8") if constraints.is_file() else ""
    content = "\n".join([str(target), repr(sorted(requirements.items())), constraint_text])
    cache = cache or project_root / CACHE
    folder = cache / hashlib.sha256(content.encode()).hexdigest()[:32]
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        build_layer(folder, project_root, requirements, target)
    os.utime(folder)
    remove_old(cache)
    return folder


def remove_old(cache: Path) -> None:
    """Remove all but the layers that were used last; another synthesis may build or remove one at the same time."""
    ages = {}
    for path in cache.iterdir():
        with contextlib.suppress(FileNotFoundError):
            ages[path] = time.time() - path.stat().st_mtime
    finished = sorted((path for path in ages if path.suffix != ".tmp"), key=ages.__getitem__)
    # A build that was killed leaves its folder; a living one is younger.
    abandoned = [path for path in ages if path.suffix == ".tmp" and ages[path] > ABANDONED_AFTER_SECONDS]
    for path in finished[KEPT_LAYERS:] + abandoned:
        shutil.rmtree(path, ignore_errors=True)


def build_layer(folder: Path, project_root: Path, requirements: dict[str, str], target: Target) -> None:
    """Install the wheels; the folder gets its name when it is complete."""
    unfinished = folder.with_name(f"{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
    packages = unfinished / "python"
    try:
        install(packages, project_root, target)
        # Scripts begin with the path of this machine's Python, and nobody runs them.
        shutil.rmtree(packages / "bin", ignore_errors=True)
        (packages / ".lock").unlink(missing_ok=True)
        check_pins(packages, requirements, project_root / "constraints.txt")
        try:
            unfinished.rename(folder)
        except OSError:
            # Another synthesis was faster; it built the same.
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def install(packages: Path, project_root: Path, target: Target) -> None:
    """Put the packages into a folder with uv, which resolves for another Python and processor than these here."""
    try:
        install_packages(
            project_root,
            [
                *("--target", str(packages), "--link-mode", "copy"),
                *("--python-version", target.python_version, "--python-platform", target.platform),
                *("--only-binary", ":all:"),
            ],
        )
    except PackagesError as error:
        raise LayerError(f"{REQUIREMENTS} can't be installed from wheels for {target}; uv says:\n{error}") from error


def check_pins(packages: Path, requirements: dict[str, str], constraints: Path) -> None:
    """Refuse a package that came along without a pin: the next build could bring another version of it."""
    pinned = read_pins(constraints) | set(requirements.items())
    for distribution in distributions(path=[str(packages)]):
        name, version = normalized(distribution.name), distribution.version
        if (name, version) not in pinned:
            raise LayerError(
                f"{name} {version} comes along with lambdas/requirements.txt and is not pinned: add {name}=={version} "
                f"there{_needed_by(packages, name)}"
            )


def _needed_by(packages: Path, name: str) -> str:
    def needs(distribution: Distribution) -> bool:
        names = [
            re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0] for requirement in distribution.requires or []
        ]
        return name in map(normalized, names)

    users = sorted(each.name for each in distributions(path=[str(packages)]) if needs(each))
    return f" (needed by {', '.join(users)})" if users else ""


def check_binaries(folder: Path, target: Target) -> None:
    """Refuse a library for another processor or Python: it would only fail when a function imports it."""
    tag = target.python_version.replace(".", "")
    for library in sorted(path for path in folder.rglob("*.so*") if path.is_file()):
        name = library.relative_to(folder)
        with library.open("rb") as file:
            header = file.read(20)
        if header[:4] != b"\x7fELF":
            raise LayerError(f"{name} of the layer is no library of Linux")
        if int.from_bytes(header[18:20], "little") != ELF_MACHINES[target.architecture]:
            raise LayerError(f"{name} of the layer is for another processor than {target.architecture}")
        built_for = re.search(r"\.cpython-(\w+)", library.name)
        if built_for is not None and built_for[1] != tag:
            raise LayerError(f"{name} of the layer is for another Python than {target.python_version}")


def check_size(layer: Path, code: Path) -> None:
    """Refuse what Lambda would refuse when it is deployed."""
    sizes = {name: size_bytes(folder) for name, folder in (("layer", layer), ("code", code))}
    if sum(sizes.values()) > MAX_UNZIPPED_BYTES:
        packages = {path.name: size_bytes(path) for path in (layer / "python").iterdir()}
        largest = sorted(packages, key=packages.__getitem__, reverse=True)[:3]
        raise LayerError(
            f"functions and layer may have {MAX_UNZIPPED_BYTES} bytes together, they have {sizes['code']} and "
            f"{sizes['layer']}; largest in the layer: {', '.join(f'{name} {packages[name]}' for name in largest)}"
        )


def size_bytes(root: Path) -> int:
    """Return how much a file, or all the files of a folder, hold."""
    return sum(path.stat().st_size for path in (root, *root.rglob("*")) if path.is_file())
