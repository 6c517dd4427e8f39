"""docs/explanation/security.md names every right that a command needs on AWS, and none that no command uses."""

import ast
import re
from pathlib import Path

import botocore.session
from botocore import xform_name

PROJECT = Path(__file__).parents[2]
# Client of boto3 -> prefix of its actions in policies.
PREFIXES = {
    "stepfunctions": "states",
    "s3": "s3",
    "batch": "batch",
    "logs": "logs",
    "lambda": "lambda",
    "cloudformation": "cloudformation",
}
# Speaks to the server of this machine only.
LOCAL = {"local.py"}


def actions_by_method() -> dict[str, str]:
    """Return the action of each method of the clients; no two services have a method in common that is used."""
    session = botocore.session.get_session()
    return {
        xform_name(operation): f"{prefix}:{operation}"
        for service, prefix in PREFIXES.items()
        for operation in session.get_service_model(service).operation_names
    } | {"upload_file": "s3:PutObject", "list_objects_v2": "s3:ListBucket"}


def methods_called(tree: ast.Module) -> set[str]:
    """Return the names of all methods that a module calls, and of operations that it pages through."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            names.add(node.func.attr)
            if node.func.attr == "get_paginator" and isinstance(node.args[0], ast.Constant):
                names.add(str(node.args[0].value))
    return names


def test_rights_of_a_person_are_those_that_the_commands_use() -> None:
    actions = actions_by_method()
    called = {
        name
        for path in (PROJECT / "hpc").rglob("*.py")
        if path.name not in LOCAL
        for name in methods_called(ast.parse(path.read_text()))
    }
    section = (PROJECT / "docs/explanation/security.md").read_text().partition("## Rights of a person")[2]
    listed = re.findall(r"`((?:states|s3|batch|logs|lambda|cloudformation):\w+)`", section.partition("\n## ")[0])
    assert set(listed) == {actions[name] for name in called if name in actions}
