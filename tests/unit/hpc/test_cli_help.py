"""The help: complete, quick, and the same as docs/reference/cli.md."""

import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hpc.cli.command import Command
from hpc.cli.help_page import COLUMNS, help_page
from hpc.cli.main import COMMANDS, build_parser, build_parsers, main
from hpc.errors import ExitCode

PROJECT = Path(__file__).parents[3]
HPC = Path(sys.executable).with_name("hpc")


def test_docs_show_the_present_help() -> None:
    shown = (PROJECT / "docs/reference/cli.md").read_text(encoding="utf-8")
    assert shown == help_page(), "run: python -m hpc.cli.help_page > docs/reference/cli.md"


def test_help_names_every_exit_code_and_fits_the_page() -> None:
    for parser in build_parsers().values():
        text = parser.format_help()
        assert all(f"\n  {code.value:<4} " in text for code in ExitCode)
        assert "130" in text
    assert max(len(line) for line in help_page().splitlines()) <= COLUMNS


@pytest.mark.parametrize("command", COMMANDS, ids=[command.name for command in COMMANDS])
def test_command_is_found_and_its_examples_are_understood(command: Command) -> None:
    assert callable(command.load())
    written = [example.partition(" > ")[0] for example in command.examples if example.startswith("hpc ")]
    parsed = [build_parser().parse_args(shlex.split(example)[1:]) for example in written]
    assert command.name in [args.name for args in parsed]
    for args in parsed:
        args.command.check_options(args)


@pytest.mark.parametrize("argv", [["--help"], ["run", "--help"], ["stop", "--help"]])
def test_help_exits_with_0(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("usage: hpc")


def test_hpc_exits_with_2_when_there_is_no_such_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["walk"])
    assert caught.value.code == 2
    assert "invalid choice: 'walk'" in capsys.readouterr().err
    assert main(["help", "walk"]) == 2
    assert "COMMAND must be one of" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["help"], ["help", "run"], ["help", "help"]])
def test_help_is_answered_as_a_command_too(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    shown = capsys.readouterr()
    assert (shown.out.startswith("usage: hpc"), shown.err) == (True, "")
    if not argv[1:]:
        assert all(f"\n  {command.name} " in shown.out for command in COMMANDS)


def test_version_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (caught.value.code, capsys.readouterr().out) == (0, f"hpc {project['version']}\n")


@pytest.mark.parametrize(
    "argv", [[], ["--help"], ["--version"], ["help", "run"], ["plan", "--help"], ["completion", "bash"]]
)
def test_reader_that_has_gone_is_no_error(argv: list[str]) -> None:
    with subprocess.Popen([HPC, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode in (0, 141)


def test_help_loads_neither_boto3_nor_rich_nor_the_local_server() -> None:
    code = "import sys, hpc.cli.main; hpc.cli.main.build_parser(); print(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    output = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, text=True)
    loaded = {name.partition(".")[0] for name in output.stdout.split()}
    assert "hpc" in loaded
    assert loaded.isdisjoint({"boto3", "botocore", "rich", "sfn_local", "aws_cdk", "uvicorn"})
