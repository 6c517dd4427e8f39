"""Every command of the README and of the tutorials runs in a copy of the project, and prints what the page shows."""

import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from assemblies import PROJECT
from hpc_commands import environment

PAGES = ("README.md", "docs/tutorials/first_run.md", "docs/tutorials/own_workload.md")
BLOCK = re.compile(r"(?P<before>[^\n]*)\n```(?P<language>\w*)\n(?P<text>.*?)```", re.DOTALL)
BLOCKS = {
    page: [match.groupdict() for match in BLOCK.finditer((PROJECT / page).read_text(encoding="utf-8"))]
    for page in PAGES
}
COMMANDS = {
    page: [block["text"] for block in blocks if block["language"] == "bash" and "needs AWS" not in block["before"]]
    for page, blocks in BLOCKS.items()
}
# Numbers and names that differ from run to run.
VARYING = re.compile(r"\.hpc/s3/\S+|\d+\.\d\d$|/\S*/runs/\S+", re.MULTILINE)

# What a clone does not have.
MADE = (".git", ".venv", ".hpc", "cdk.out", "node_modules", "__pycache__", ".*_cache", ".hypothesis")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what a clone would hold, with the files that the pages show, and the environment of these tests."""
    folder = tmp_path_factory.mktemp("readme") / "project"
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns(*MADE))
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    for block in itertools.chain.from_iterable(BLOCKS.values()):
        if block["language"] == "python":
            [name] = re.findall(r"^# (\S+\.py)$", block["text"].splitlines()[0])
            (folder / name).write_text(block["text"])
    return folder


def run_in(copy: Path, text: str) -> subprocess.CompletedProcess[str]:
    # The environment is there already; making it once more is what `make` would do for a clone.
    commands = os.pathsep.join([str(copy / ".venv/bin"), os.environ["PATH"]])
    unmade = {"MAKEFLAGS": "", "MAKEOVERRIDES": "", "ARGS": ""}  # of the `make test` that runs this
    return subprocess.run(
        ["bash", "-euc", text.replace("make ", "make -o .venv/ready ")],
        cwd=copy,
        env=environment(copy / ".hpc", PATH=commands, PYTHONPATH=str(copy), **unmade),
        capture_output=True,
        text=True,
        check=False,
    )


def shown_after(page: str, command: str) -> str:
    """Return the output that a page shows below a command."""
    position = [block["text"] for block in BLOCKS[page]].index(command)
    following = BLOCKS[page][position + 1 : position + 2]
    return "".join(block["text"] for block in following if not block["language"])


@pytest.mark.parametrize(
    ("page", "text"),
    [pytest.param(page, text, id=f"{page}: {text.strip()}") for page in PAGES for text in COMMANDS[page]],
)
def test_commands_of_a_page_run(copy: Path, page: str, text: str) -> None:
    done = run_in(copy, text)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = [line.rstrip() for line in VARYING.sub("", done.stdout).splitlines()]
    for line in VARYING.sub("", shown_after(page, text)).splitlines():
        assert line.rstrip() in printed


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_runs_or_is_marked(page: str) -> None:
    assert len(COMMANDS[page]) >= 3
    assert all(block["language"] in {"", "bash", "python", "mermaid"} for block in BLOCKS[page])
