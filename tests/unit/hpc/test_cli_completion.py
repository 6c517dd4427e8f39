"""`hpc completion`: what the shells themselves make of its scripts."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hpc.cli.main import COMMANDS, main

HPC = Path(sys.executable).with_name("hpc")
# What bash does at a press of Tab: it calls the function that is registered for the command.
BASH = """\
eval "$("$1" completion bash)"
COMP_LINE=$2 COMP_POINT=${#2} COMP_TYPE=9
registered=$(complete -p hpc)
[[ $registered =~ -F\\ ([^ ]+) ]] && "${BASH_REMATCH[1]}" hpc
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = 'source ($argv[1] completion fish | psub); complete -C "$argv[2]"'
ZSH = 'autoload -Uz compinit; compinit -D -u; eval "$("$1" completion zsh)"; print -r -- "$_comps[hpc]"'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home with a folder for each of two runs."""
    for name in ("run-20261122T060025-6b2c55", "run-20261122T070025-000000"):
        (tmp_path / "s3/hpcstack-results/runs" / name).mkdir(parents=True)
    return tmp_path


def ask(shell: str, script: str, home: Path, *arguments: str) -> list[str]:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}: apt-get install {shell}")
    name = [] if shell == "fish" else [shell]
    done = subprocess.run(
        [shell, "-c", script, *name, str(HPC), *arguments],
        env={"PATH": "/usr/bin:/bin:/usr/local/bin:/opt/homebrew/bin", "HPC_HOME": str(home), "HOME": str(home)},
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    return [line.partition("\t")[0].strip() for line in done.stdout.splitlines()]


@pytest.mark.parametrize(("shell", "script"), [("bash", BASH), ("fish", FISH)])
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hpc re", {"redrive", "replay", "report", "result"}),
        ("hpc run --back", {"--back-end"}),
        ("hpc run --back-end ", {"lambda", "batch", "batch_callback"}),
        ("hpc run --workload squ", {"squares"}),
        ("hpc status run-20261122T06", {"run-20261122T060025-6b2c55"}),
        ("hpc logs 3 --run ", {"run-20261122T060025-6b2c55", "run-20261122T070025-000000"}),
        ("hpc result --aws --stack-name S run-", set()),
        ("hpc run --size ", set()),
    ],
)
def test_shell_completes_commands_options_and_names_of_runs(
    shell: str, script: str, line: str, expected: set[str], home: Path
) -> None:
    assert set(ask(shell, script, home, line)) - {""} == expected


def test_bash_completes_every_command(home: Path) -> None:
    offered = ask("bash", BASH, home, "hpc ")
    assert {command.name for command in COMMANDS} <= set(offered)


def test_zsh_registers_the_function(home: Path) -> None:
    [function] = ask("zsh", ZSH, home)
    assert function.startswith("_python_argcomplete")


def test_completion_of_a_path_that_a_shell_would_change_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/home/a$(touch b)/hpc"])
    assert main(["completion", "bash"]) == 2
    assert "completion needs a path of hpc without quotes" in capsys.readouterr().err
