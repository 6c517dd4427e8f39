"""Installs the packages of ``lambdas/requirements.txt`` with uv, into the layer and, by ``make``, into ``.venv``.

A workload's packages are resolved on their own terms: constraints.txt holds what the project was tested with, and is no
reason to refuse another version that a workload names or needs.  Alone, ``python -m hpc_stack.packages`` installs them
into this Python environment, where they must agree with requirements.txt as well.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpc_stack.pythons import ON_OLD_LINUX

REQUIREMENTS = "lambdas/requirements.txt"
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?==(?P<version>[^\s;*]+)(\s*;.*)?")
SHOWN_LINES = 12
# glibc that wheels may need: AL2023, which Lambda's Pythons since 3.12 run on, has 2.34, and numpy's wheels for arm64
# need 2.28; Amazon Linux 2 has 2.26.
GLIBC, OLD_GLIBC = "manylinux_2_28", "manylinux_2_17"
PROCESSORS = {"arm64": "aarch64", "x86_64": "x86_64"}
# Where Linux distributions and macOS keep the certificates that a machine trusts; Makefile has the same list.
# Source: the openssl-probe crate, which uv finds them with.
CERTIFICATE_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
CERTIFICATE_HINT = (
    "a network that inspects TLS has a certificate of its own: add it to those that this machine trusts, or name a "
    "file that has it with SSL_CERT_FILE"
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """What packages are for."""

    python_version: str  # "3.14"
    architecture: str  # "arm64" or "x86_64"

    @property
    def platform(self) -> str:
        """What uv calls it."""
        glibc = OLD_GLIBC if self.python_version in ON_OLD_LINUX else GLIBC
        return f"{PROCESSORS[self.architecture]}-{glibc}"

    def __str__(self) -> str:
        return f"Python {self.python_version} on {self.architecture}"


class PackagesError(ValueError):
    """The packages of the workloads can't be installed; the text says which, and why."""


def normalized(name: str) -> str:
    """Source: PyPA's specification of names, "Name normalization"."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_requirements(file: Path) -> dict[str, str]:
    """Return the pinned version of each package that a file names, by its normalized name."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    versions = {}
    for number, line in enumerate(text.splitlines(), 1):
        requirement = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()
        if not requirement:
            continue
        match = REQUIREMENT.fullmatch(requirement)
        if match is None:
            raise PackagesError(f"line {number} of {file} must pin one version, like numpy==2.4.6, got '{requirement}'")
        versions[normalized(match["name"])] = match["version"]
    return versions


def read_pins(constraints: Path) -> set[tuple[str, str]]:
    """Return names and versions of constraints.txt, where a package may have another version by Python."""
    return {(name, version) for name, version, _entry in _entries(constraints)}


def _entries(constraints: Path) -> Iterator[tuple[str, str, str]]:
    """Yield name, version and text of each entry, whose hashes are on the lines that follow it."""
    if not constraints.is_file():
        return
    for entry in re.split(r"\n(?=\S)", constraints.read_text(encoding="utf-8")):
        match = REQUIREMENT.fullmatch(entry.partition("\n")[0].removesuffix("\\").rstrip())
        if match is not None:
            yield normalized(match["name"]), match["version"], entry.rstrip("\n")


def agreeing_constraints(constraints: Path, requirements: Mapping[str, str]) -> str:
    """Return the constraints without those that a requirement overrules by another version."""
    pins = read_pins(constraints)
    overruled = {name for name, version in requirements.items() if (name, version) not in pins}
    return "".join(f"{entry}\n" for name, _version, entry in _entries(constraints) if name not in overruled)


def install(project_root: Path, arguments: Sequence[str]) -> None:
    """Install the workloads' packages, under the constraints that agree with them, else under none.

    Parameters
    ----------
    arguments
        Where to, and for what, as ``uv pip install`` takes it.

    Raises
    ------
    PackagesError
        If uv is missing or fails; with what it says.
    """
    requirements = read_requirements(project_root / REQUIREMENTS)
    given = [*arguments, "--requirements", str(project_root / REQUIREMENTS)]
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as agreeing:
        agreeing.write(agreeing_constraints(project_root / "constraints.txt", requirements))
        agreeing.flush()
        result = _uv_install([*given, "--constraints", agreeing.name])
    if result.returncode != 0 and "No solution" in result.stderr:
        result = _uv_install(given)
    _check(result)


def resolve(project_root: Path, text: str, names: Sequence[str], target: Target) -> str:
    """Return requirements as pins, with all that they bring along, as ``uv pip compile`` writes them.

    The constraints count as far as there are wheels that obey them: those of ``names`` are left out next, then all.

    Parameters
    ----------
    text
        Lines of a requirements file.
    names
        Of the packages that are new there.

    Raises
    ------
    PackagesError
        If uv is missing or fails; with what it says.
    """
    pinned = {
        normalized(match["name"]): match["version"]
        for line in text.splitlines()
        if (match := REQUIREMENT.fullmatch(line.partition(" #")[0].strip())) is not None
    }
    constraints = project_root / "constraints.txt"
    without_names = pinned | dict.fromkeys(names, "")
    tries = (agreeing_constraints(constraints, pinned), agreeing_constraints(constraints, without_names), "")
    with tempfile.TemporaryDirectory() as folder:
        wanted, agreeing = Path(folder, "wanted.in"), Path(folder, "agreeing.txt")
        wanted.write_text(text, encoding="utf-8")
        given = [
            *("compile", "--quiet", "--no-progress", "--no-header", "--annotation-style", "line"),
            *("--python-version", target.python_version, "--python-platform", target.platform),
            *("--only-binary", ":all:", str(wanted), "--constraints", str(agreeing)),
        ]
        for constrained in tries:
            agreeing.write_text(constrained, encoding="utf-8")
            result = _uv(given)
            if "No solution" not in result.stderr:
                break
    _check(result)
    return result.stdout


def _uv_install(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    return _uv(["install", "--quiet", "--no-progress", "--python", sys.executable, *arguments])


def _check(result: "subprocess.CompletedProcess[str]") -> None:
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines()[-SHOWN_LINES:]
        hint = [CERTIFICATE_HINT] if "certificate" in result.stderr else []
        raise PackagesError("\n".join([*lines, *hint]))


def _uv(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv is None:
        raise PackagesError("installing needs uv: make installs it into .venv")
    return subprocess.run(  # noqa: S603 - fixed arguments, no shell
        [uv, "pip", *arguments],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def environment() -> dict[str, str]:
    """Return uv's environment: it goes by the certificates that the machine trusts, unless it was told otherwise.

    uv's own certificates know no company's; a machine without a store of certificates keeps them.
    """
    has_store = any(Path(file).is_file() for file in CERTIFICATE_FILES)
    return {**({"UV_SYSTEM_CERTS": "true"} if has_store else {}), **os.environ}


def main() -> None:
    project_root = Path(__file__).parents[1]
    try:
        install(project_root, ["--requirements", str(project_root / "requirements.txt")])
    except PackagesError as error:
        sys.exit(
            f"{error}\n{REQUIREMENTS} can't be installed here: on this machine its packages must also agree with "
            "requirements.txt, which the command needs; take a version that does"
        )


if __name__ == "__main__":
    main()
