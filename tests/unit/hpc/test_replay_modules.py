"""The process of `hpc replay` names the modules that it needs as texts: each of them is there."""

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest

COMMANDS = Path(__file__).parents[3] / "hpc" / "commands"
# How each function that takes a name goes on with it.
PREFIXES = {"importlib.import_module": "", "_module": "lambdas."}


@pytest.mark.parametrize("program", ["replay_item.py", "replay_function.py"])
def test_modules_that_are_named_exist(program: str) -> None:
    calls = [node for node in ast.walk(ast.parse((COMMANDS / program).read_text())) if isinstance(node, ast.Call)]
    names = [
        PREFIXES[ast.unparse(call.func)] + call.args[0].value
        for call in calls
        if ast.unparse(call.func) in PREFIXES
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    ]
    assert names
    assert [name for name in names if find_spec(name) is None] == []
