"""Command lines of the real options with odd values: each ends with a code of its own and nothing is started."""

import argparse
import contextlib
import io
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import sfn_local.server  # noqa: F401 - it raises the recursion limit, which hypothesis takes amiss in the midst of a test
from fuzz_inputs import TEXTS, bounded, inputs, no_error_logged
from hypothesis import given
from hypothesis import strategies as st

from hpc.cli.main import build_parsers, main

HPC = Path(sys.executable).with_name("hpc")
VALUES = (
    *TEXTS,
    *("0", "1", "-1", "1.5", "1e400", "inf", "nan", "9" * 5_000, "1_000", "٣", "0x10", "10%", "-", "--", "--size", "@"),
    *("@missing.json", "missing.jsonl", "missing.csv", ".", "/", "/dev/null", "items.csv", "bad.jsonl", "module.py"),
    *(
        "squares",
        "utf8_keys",
        "none",
        "json",
        "text",
        "lambda",
        "batch",
        "us-east-1",
        "mars-1",
        "run-1",
        "arn:aws:states:x",
    ),
    *(
        "{}",
        "[]",
        "[1,2]",
        '{"size": 1}',
        '{"size": -1}',
        '{"a": 1, "a": 2}',
        '[{"name": "a"}]',
        "[" * 3_000,
        "{",
        "null",
    ),
)
FILES = {"items.csv": "a,b\n1,2\n", "bad.jsonl": "1\n{\n", "module.py": "def compute(item):\n    return item\n"}
MISSING = "missing-assembly"
# What would wait for ever or compute for long, were it given something to do.
LAST = {name: ["--assembly", MISSING] for name in ("run", "orchestrate", "redrive", "serve")}
LAST["ui"] = ["--no-browser", "--port", "none"]
LAST["plan"] = ["--assembly", MISSING, "--seconds", "0.01"]


@cache
def parsers() -> dict[str, argparse.ArgumentParser]:
    return {name.removeprefix("hpc "): parser for name, parser in build_parsers().items() if name != "hpc"}


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    name = draw(st.sampled_from(sorted(parsers())))
    # A client of AWS takes a tenth of a second to make.
    left_out = ("help",) if draw(st.integers(0, 29)) == 29 else ("help", "aws")
    actions = [action for action in parsers()[name]._actions if action.dest not in left_out]
    line = [name]
    for action in draw(st.lists(st.sampled_from(actions), max_size=4)):
        if action.option_strings:
            line.append(draw(st.sampled_from(action.option_strings)))
        if action.nargs != 0:
            known = tuple(map(str, action.choices or ()))
            line.append(draw(st.sampled_from((*known, *known, *VALUES))))
    if draw(st.integers(0, 9)) == 0:
        line.append(draw(st.sampled_from(VALUES)))
    return [*line, *LAST.get(name, ())]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def home(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("AWS_", "HPC_"))]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HPC_HOME", str(place / "home"))
    monkeypatch.chdir(place)
    return place / "home"


def is_started(home: Path) -> bool:
    return any(home.rglob("server.json")) or any(home.rglob("runs/*"))


@inputs(500)
@given(line=lines())
def test_odd_command_line_ends_with_its_own_code_and_starts_nothing(home: Path, line: list[str]) -> None:
    shown = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(shown), bounded(), no_error_logged():
        try:
            code = main(line)
        except SystemExit as ended:  # how argparse ends
            code = int(str(ended.code))
    assert code in (0, 1, 2), shown.getvalue()
    assert "Traceback" not in shown.getvalue()
    assert code == 0 or shown.getvalue()
    assert not is_started(home)


@pytest.mark.parametrize(
    "line",
    [
        ["run", "--size", "9" * 5_000],
        ["run", "--params", "[" * 100_000],
        ["run", "--items", "\udcff"],
        ["plan", "--size", "1e400"],
        ["status", "\udcff\n"],
    ],
    ids=["digits", "deep", "bytes", "infinite", "run"],
)
def test_odd_command_line_is_refused_by_the_command_itself(home: Path, line: list[str]) -> None:
    done = subprocess.run(
        [HPC, *line, *LAST.get(line[0], ())], capture_output=True, check=False, timeout=60, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 2, done.stderr
    assert b"Traceback" not in done.stderr
    assert not is_started(home)
