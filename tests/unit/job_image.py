"""The image of jobs without a Docker daemon: its Dockerfile read, its files laid out, its command run as its user."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hpc_stack.handlers import ASSET_EXCLUDE

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "lambdas/Dockerfile"


@dataclass
class Dockerfile:
    """Return instructions and arguments of a Dockerfile in order, continued lines joined."""

    instructions: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def read(cls, text: str) -> "Dockerfile":
        lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]
        return cls([(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)])

    def all(self, instruction: str) -> list[str]:
        return [argument for word, argument in self.instructions if word == instruction]

    def one(self, instruction: str) -> str:
        [argument] = self.all(instruction)
        return argument

    @property
    def environment(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for argument in self.all("ENV") for pair in argument.split())

    @property
    def command(self) -> list[str]:
        command: list[str] = json.loads(self.one("CMD"))
        return command


COPIED = [
    "--chmod=755 lambdas/requirements.txt lambdas/",
    "--chmod=755 constraints.txt requirements-uv.txt ./",
    "--chmod=755 lambdas/ lambdas/",
]
PINNED_IMAGE = r"[a-z0-9./-]+:\d+\.\d+\.\d+(-[a-z0-9]+)*@sha256:[0-9a-f]{64}"
KNOWN = {"FROM", "ARG", "RUN", "WORKDIR", "COPY", "ENV", "USER", "CMD"}


def complaints(text: str) -> list[str]:
    """Return what is wrong with a Dockerfile of this project; empty if nothing is."""
    file = Dockerfile.read(text)
    words = [word for word, _ in file.instructions]
    found = [f"unknown instruction {word}" for word in words if word not in KNOWN]
    images = file.all("FROM")
    if len(images) != 1:
        return [*found, f"one FROM expected, got {len(images)}"]
    arguments = dict(each.partition("=")[::2] for each in file.all("ARG"))
    image = re.sub(r"\$\{(\w+)\}", lambda match: arguments.get(match[1], ""), images[0])
    if not re.fullmatch(PINNED_IMAGE, image):
        found.append(f"base image without a full version and a digest: {image}")
    users = file.all("USER")
    if not users or users[-1].split(":")[0] in ("0", "root") or "USER" not in words[words.index("CMD") - 1 :]:
        found.append(f"must end as a user that is not root: {users}")
    found += [f"copies more than lambdas/: {each}" for each in file.all("COPY") if each not in COPIED]
    for command in file.all("RUN"):
        for requirement in re.findall(r"pip install ([^&]*)", command):
            names = [word.strip('"') for word in requirement.split() if not word.startswith("-")]
            found += [f"package without a version: {name}" for name in names if "==" not in name]
        found += [
            f"not allowed in RUN: {word}"
            for word in ("sudo", "curl", "wget", "apt")
            if re.search(rf"\b{word}\b", command)
        ]
    if "CMD" in words and not file.one("CMD").startswith("["):
        found.append("CMD must be a list: a shell would not hand on signals")
    if not file.all("WORKDIR") or not file.all("WORKDIR")[0].startswith("/"):
        found.append("WORKDIR must be an absolute path")
    return found


def lay_out(folder: Path) -> None:
    """Copy into ``folder`` what COPY copies, without what the asset leaves out; nobody may write there."""
    assert Dockerfile.read(DOCKERFILE.read_text()).all("COPY") == COPIED
    assert "**/__pycache__" in ASSET_EXCLUDE
    shutil.copytree(
        ROOT / "lambdas",
        folder / "lambdas",
        ignore=shutil.ignore_patterns("__pycache__", "*.pyc", ".*"),
    )
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


def start_job(folder: Path, variables: Mapping[str, str]) -> "subprocess.Popen[str]":
    """Start the image's command in ``folder``: its environment, its user if we may, no byte written to any file."""
    file = Dockerfile.read(DOCKERFILE.read_text())
    program, *arguments = file.command
    assert program == "python"
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **file.environment, **variables}
    return subprocess.Popen(
        # A read-only root: whatever writes to a file is ended by SIGXFSZ.
        ["/bin/sh", "-c", 'ulimit -f 0 && exec "$@"', "sh", python_for_all(), *arguments],
        cwd=folder,
        env=environment | {"PYTHONPATH": sysconfig.get_path("purelib")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **image_user(),
    )


def image_user() -> dict[str, Any]:
    """Return the image's user as arguments of ``Popen``: only root can become another one."""
    if os.geteuid() != 0:
        return {}
    uid, gid = map(int, Dockerfile.read(DOCKERFILE.read_text()).one("USER").split(":"))
    return {"user": uid, "group": gid, "extra_groups": []}


def python_for_all() -> str:
    """Return a Python that the image's user may run: not the one of these tests if it is in a closed folder."""
    candidates = [sys.executable, *(f"/usr/bin/python3.{minor}" for minor in range(20, 10, -1))]
    for each in candidates:
        done = subprocess.run([each, "-c", ""], check=False, **image_user()) if may_run(each) else None
        if done is not None and done.returncode == 0:
            return each
    return pytest.skip(f"no Python of version 3.11 or later that everybody may run: {', '.join(candidates)}")


def may_run(path: str) -> bool:
    """Whether the image's user gets to a file through all folders."""
    if os.geteuid() != 0:
        return Path(path).exists()
    real = Path(path).resolve()
    return real.exists() and all(
        parent.stat().st_mode & 0o001 for each in (Path(path), real) for parent in each.parents
    )
