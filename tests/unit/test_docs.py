"""Every link, anchor, path and module that a page, a comment or a docstring names exists."""

import ast
import io
import os
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
MADE = {"node_modules", "cdk.out", "site", "build", "dist", "__pycache__"}
# A path in a comment is relative to one of these, or to the folder of the file that names it.
ROOTS = (PROJECT, PROJECT / "packages/sfn-local", PROJECT / "packages/sfn-local/src")
PACKAGES = {"hpc": PROJECT, "hpc_stack": PROJECT, "lambdas": PROJECT, "sfn_local": PROJECT / "packages/sfn-local/src"}

LINK = re.compile(r"\]\((?!https?:|mailto:)(?P<target>[^)#\s]*)(?:#(?P<anchor>[^)\s]*))?\)")
HEADING = re.compile(r"^#+ +(.*?) *$", re.MULTILINE)
CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# With an ending of the project's own files, or below one of its folders.
FILE = re.compile(r"(?<![\w./<>$~*{}-])(?:[\w-]+/|\.\./)+[\w.-]*\w\.(?:py|md|toml|txt|ya?ml)(?![\w*/<{])")
FOLDER = re.compile(
    r"(?<![\w./<>$~*{}-])(?:benchmarks|docs|examples|hpc|hpc_stack|lambdas|packages|sfn_local|tests)/[\w/-]*(?![\w*<{./-])"
)
# The reader's own file: my_circle.py, NAME.py.
READERS_OWN = re.compile(r"(?:^|/)(?:test_)?(?:my_\w+|NAME|FILE|FOLDER)\b")
MODULE = re.compile(r"(?<![\w./-])(?:hpc|hpc_stack|lambdas|sfn_local)(?:\.[A-Za-z_]\w*)+(?![\w(/-])")


def files(ending: str) -> list[Path]:
    return [
        path
        for path in sorted(PROJECT.rglob(f"*.{ending}"))
        if not any(part in MADE or part.startswith(".") for part in path.relative_to(PROJECT).parts[:-1])
    ]


def name_of(path: Path) -> str:
    return str(path.relative_to(PROJECT))


PAGES = files("md")
SOURCES = files("py")


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings: lower case, no punctuation, hyphens for spaces."""
    headings = HEADING.findall(CODE_BLOCK.sub("", page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    broken = []
    for match in LINK.finditer(CODE_BLOCK.sub("", page.read_text(encoding="utf-8"))):
        target = page.parent / match["target"] if match["target"] else page
        if not target.exists() or (match["anchor"] and match["anchor"] not in anchors(target.read_text())):
            broken.append(match[0])
    assert broken == []


@cache
def names_in(file: Path) -> frozenset[str]:
    """Return the names that a module binds at its top, and those of its classes' bodies."""
    if not file.is_file():
        return frozenset()
    return frozenset(bound(ast.parse(file.read_text(encoding="utf-8")).body))


def bound(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name):
                yield name
                yield from (f"{name}.{inner}" for inner in bound(node.body))
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=names)):
                yield from (
                    name.value for name in names if isinstance(name, ast.Constant)
                )  # some are imported when used
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from (alias.asname or alias.name for alias in aliases)


def is_module_or_name(dotted: str) -> bool:
    """Whether it is a package, a module, or what one of them binds."""
    parts = dotted.split(".")
    folder = PACKAGES[parts[0]]
    for count in range(len(parts), 0, -1):
        path = folder.joinpath(*parts[:count])
        found = next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)
        if found is not None or path.is_dir():
            rest = ".".join(parts[count:])
            return not rest or (found is not None and rest in names_in(found))
    return False


def missing(text: str, folder: Path) -> list[str]:
    """Return the paths and modules that a text names and that are not there."""
    matches = (match[0] for pattern in (FILE, FOLDER) for match in pattern.finditer(text))
    named = {path for path in matches if not READERS_OWN.search(path)}
    paths = {path for path in named if not any((root / path).exists() for root in (folder, *ROOTS))}
    modules = {match[0] for match in MODULE.finditer(text) if not is_module_or_name(match[0])}
    return sorted(paths | modules)


def spoken(source: str) -> str:
    """Return the comments and docstrings of a module."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, documented)]
    return "\n".join([*comments, *filter(None, map(ast.get_docstring, nodes))])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_path_of_a_page_exists(page: Path) -> None:
    assert missing(page.read_text(encoding="utf-8"), page.parent) == []


def test_every_path_of_a_comment_or_docstring_exists() -> None:
    gone = {
        name_of(path): found
        for path in SOURCES
        if (found := missing(spoken(path.read_text(encoding="utf-8")), path.parent))
    }
    assert gone == {}


def test_every_page_that_a_message_names_exists() -> None:
    sources = [path for path in SOURCES if "tests" not in path.relative_to(PROJECT).parts]
    named = {page for path in sources for page in re.findall(r"docs/[\w/-]+\.md", path.read_text(encoding="utf-8"))}
    assert named
    assert missing(" ".join(named), PROJECT) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see `hpc/cli/main.py` and `tests/unit/`", []),
        ("see hpc/gone.py, docs/gone.md and `lambdas/gone/`", ["docs/gone.md", "hpc/gone.py", "lambdas/gone/"]),
        ("`sfn_local/server.py`, src/sfn_local/server.py, benchmarks/soak.py", []),
        ("`hpc.cli.main.main`, ``lambdas.testing``, sfn_local.server.LocalServer", []),
        ("lambdas/workloads/my_model.py, lambdas/workloads/NAME.py, tests/unit/test_my_model.py", []),
        ("hpc.cli.gone, lambdas.testing.gone", ["hpc.cli.gone", "lambdas.testing.gone"]),
        ("runs/<name>/batch.py, s3://bucket/my.md, https://example.com/docs/gone.md, tests/*/a.py", []),
    ],
)
def test_what_is_missing_is_found(text: str, expected: list[str]) -> None:
    assert missing(text, PROJECT) == expected


def test_the_index_names_every_page() -> None:
    index = PROJECT / "docs/index.md"
    linked = {(index.parent / match["target"]).resolve() for match in LINK.finditer(index.read_text())}
    decisions = {page for page in PAGES if page.parent.name == "decisions" and page.name != "index.md"}
    pages = {page for page in PAGES if page.is_relative_to(index.parent) and page != index} - decisions
    assert pages - linked == set()
    listed = {
        (PROJECT / "docs/decisions" / match["target"]).resolve()
        for match in LINK.finditer((PROJECT / "docs/decisions/index.md").read_text())
    }
    assert decisions - listed == set()


@pytest.mark.skipif(find_spec("mkdocs") is None, reason="mkdocs is not installed: make docs installs it")
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    # The theme's notice about its successor is no warning about these pages.
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "site/reference/fidelity/index.html").is_file()


def test_anchors_are_those_of_the_headings() -> None:
    assert anchors("# The `hpc` command\n```\n# no heading\n```\n## What's new, here\n") == {
        "the-hpc-command",
        "whats-new-here",
    }
