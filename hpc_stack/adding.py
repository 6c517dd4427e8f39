"""Adds packages to ``lambdas/requirements.txt``: ``python -m hpc_stack.adding PACKAGE...``, which ``hpc add`` calls.

They are resolved for the functions' Python and processor, and pinned with all that they bring along.
"""

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

from hpc_stack import pythons
from hpc_stack.app import read_context
from hpc_stack.config import HpcConfig
from hpc_stack.layer import MAX_UNZIPPED_BYTES, check_binaries, check_size, find_layer, size_bytes
from hpc_stack.packages import (
    REQUIREMENT,
    REQUIREMENTS,
    PackagesError,
    Target,
    install,
    normalized,
    read_pins,
    read_requirements,
    resolve,
)
from hpc_stack.sources import CHECKOUT

# A name, extras, and versions: no URL, path or option.  Source: PyPA's specification of dependency specifiers.
WANTED = re.compile(
    r"(?P<name>[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)(\[[A-Za-z0-9._, -]+\])?"
    r"(?P<versions>\s*(==|>=|<=|~=|!=|>|<)\s*[A-Za-z0-9.+!*_-]+(\s*,\s*(==|>=|<=|~=|!=|>|<)\s*[A-Za-z0-9.+!*_-]+)*)?"
)
RESOLVED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)(\s+# via (?P<users>.*))?")
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Added:
    """What was added.

    Attributes
    ----------
    pins, brought : list of str
        Lines ``name==version``: of the packages that were asked for, and of what these bring along.
    layer_bytes, code_bytes : int
        Sizes of the layer and of the functions' code, unzipped.
    """

    pins: list[str]
    brought: list[str]
    layer_bytes: int
    code_bytes: int


def add(
    project_root: Path,
    wanted: Sequence[str],
    target: Target,
    *,
    here: Sequence[str],
    cache: Path | None = None,
) -> Added:
    """Add packages to ``lambdas/requirements.txt``, build the layer and install them; or leave all as it was.

    Parameters
    ----------
    wanted
        Such as ``scipy`` or ``scipy==1.16.0``; a package that is there gets another version.
    target
        What the functions run on.
    here
        Arguments of ``uv pip install`` for this machine's environment.

    Raises
    ------
    PackagesError
        If one is no package, can't be resolved or installed, or the layer would be too big.
    """
    names = [_name(each) for each in wanted]
    file = project_root / REQUIREMENTS
    before = file.read_text(encoding="utf-8") if file.is_file() else ""
    kept = [line for line in before.splitlines() if _line_name(line) not in names]
    pins, brought = _resolved(project_root, kept, wanted, names, target)
    file.write_text("\n".join([*kept, *pins, *(line for line, _ in brought)]) + "\n", encoding="utf-8")
    try:
        folder = find_layer(project_root, read_requirements(file), target, cache)
        check_binaries(folder, target)
        check_size(folder, project_root / "lambdas")
        install(project_root, here)
    except BaseException:
        file.write_text(before, encoding="utf-8")
        raise
    return Added(pins, [pin for _, pin in brought], size_bytes(folder), size_bytes(project_root / "lambdas"))


def _name(wanted: str) -> str:
    match = WANTED.fullmatch(wanted.strip())
    if match is None:
        raise PackagesError(f"PACKAGE must be a name such as scipy, scipy==1.16.0 or 'scipy>=1.15,<2', got '{wanted}'")
    return normalized(match["name"])


def _line_name(line: str) -> str | None:
    match = REQUIREMENT.fullmatch(re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip())
    return normalized(match["name"]) if match is not None else None


def _resolved(
    project_root: Path, kept: Sequence[str], wanted: Sequence[str], names: Sequence[str], target: Target
) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the pins of what is wanted, and of what comes along without a pin: its line and the pin alone."""
    text = resolve(project_root, "\n".join([*kept, *wanted]) + "\n", names, target)
    known = {name for line in kept if (name := _line_name(line)) is not None}
    pinned = read_pins(project_root / "constraints.txt")
    pins, brought = [], []
    for found in filter(None, map(RESOLVED.fullmatch, text.splitlines())):
        name, pin = normalized(found["name"]), f"{found['name']}=={found['version']}"
        if name in names:
            pins.append(pin)
        elif name not in known and (name, found["version"]) not in pinned:
            users = ", ".join(each for each in (found["users"] or "").split(", ") if not each.startswith("-"))
            brought.append((f"{pin}  # needed by {users}" if users else pin, pin))
    return pins, brought


def import_seconds(pins: Sequence[str]) -> tuple[list[str], float | None]:
    """Return the modules of packages that are installed here, and how long a new Python takes to import them.

    None if that fails, which an import on a machine without a library of the system may.
    """
    names = {normalized(pin.partition("==")[0]) for pin in pins}
    modules = sorted(
        module
        for module, owners in packages_distributions().items()
        if module.isidentifier() and not module.startswith("_") and names & set(map(normalized, owners))
    )
    if not modules:
        return [], None
    empty, whole = (_seconds(code) for code in ("pass", f"import {', '.join(modules)}"))
    return modules, None if whole is None or empty is None else max(whole - empty, 0)


def _seconds(code: str) -> float | None:
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=False)  # noqa: S603 - our code
    return time.perf_counter() - began if done.returncode == 0 else None


def describe(added: Added, target: Target) -> list[str]:
    """Return what to say of packages that were added."""
    lines = [f"added to {REQUIREMENTS}, for {target}: {', '.join(added.pins)}"]
    if added.brought:
        lines.append(f"  with what they bring along: {', '.join(added.brought)}")
    total, most = ((size + MEBIBYTE - 1) // MEBIBYTE for size in (added.layer_bytes, MAX_UNZIPPED_BYTES))
    lines.append(f"layer: {total:,} MiB unzipped; with the functions' code it may have {most} MiB")
    modules, seconds = import_seconds(added.pins)
    if seconds is not None:
        lines.append(
            f"cold start: import {', '.join(modules)} takes {seconds:.1f} s in a new Python on this machine, "
            "and about as much longer does a function start that imports them"
        )
    lines.append("next: make pins writes their hashes to constraints.txt; the next deployment has the layer")
    return lines


def main(wanted: Sequence[str]) -> None:
    """Add packages to the checkout and to this environment; the exit message is the refusal."""
    try:
        config = HpcConfig.from_context(read_context())
        target = Target(
            python_version=pythons.choose(config.python, pythons.running()), architecture=config.architecture
        )
        added = add(CHECKOUT, wanted, target, here=["--requirements", str(CHECKOUT / "requirements.txt")])
    except (ValueError, OSError) as error:
        sys.exit(f"nothing was added: {error}")
    sys.stdout.write("".join(f"{line}\n" for line in describe(added, target)))


if __name__ == "__main__":
    main(sys.argv[1:])
