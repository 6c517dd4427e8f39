"""Builds docs/reference/python_api.md from the docstrings of `import hpc`.

`python tests/unit/api_page.py` writes the page, and a test compares.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hpc
from hpc import errors
from hpc.api import calls

PAGE = Path(__file__).parents[2] / "docs/reference/python_api.md"
SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.MULTILINE)
MARKUP = ((re.compile(r"``(.+?)``"), r"`\1`"), (re.compile(r":\w+:`[\w.]*?(\w+(?:\.\w+)?)`"), r"`\1`"))
LONG_NAME = re.compile(
    r" \| hpc\.targets\.workload_package\.WorkloadPackage"
    r"|(?:pathlib|collections\.abc|typing|hpc\.api\.\w+|hpc\.runs\.\w+)\."
)
JOBLIB = """## joblib

`import hpc.joblib` makes joblib know the backend `hpc` (`pip install 'serverless-hpc[joblib]'`). Its options are
those of `hpc.Executor`:

```python
import hpc.joblib

with joblib.parallel_config("hpc", aws=True):
    GridSearchCV(estimator, grid).fit(x, y)
```

Packages such as scikit-learn must be where the calls run: `lambdas/requirements.txt` names them. `n_jobs` says how many
calls are in a run at most; without it a run has up to 1,000.
"""
FUNCTIONS = {"get", "plan", "runs", "start"}  # map is another name of start
ERRORS = (errors.NotStartedError, errors.RunFailedError, errors.LostRunError, errors.UnansweredError)
INTRODUCTION = """# The Python API

This page is built from the docstrings by `tests/unit/api_page.py`, and a test compares the two.
[A notebook](../tutorials/notebook.md) is the tutorial.

Everything is in `import hpc`, which loads nothing until a name is used. Functions work in scripts, notebooks, pytest
and threads. A local run needs no server of its own: the first one starts a process that serves the home (`HPC_HOME`),
which ends with the program. With `aws=True` (or the name of a stack, or `session=` of boto3) the same call computes on
the deployed stack.
"""


def page() -> str:
    parts = [INTRODUCTION]
    functions = {name: getattr(calls, name) for name in sorted(hpc.__all__) if name in FUNCTIONS}
    parts += [_entry(f"hpc.{name}", function) for name, function in functions.items()]
    for name in sorted(hpc.__all__):
        if inspect.isclass(getattr(hpc, name)):
            parts.append(_class(name, getattr(hpc, name)))
    parts.append(JOBLIB)
    parts.append("## Errors\n\nAll of `hpc.errors`, and kinds of `hpc.errors.CommandError`.\n")
    parts += [f"### `{each.__name__}`\n\n{_text(each)}\n" for each in ERRORS]
    return "\n".join(parts)


def _entry(title: str, function: Callable[..., Any], *, level: str = "##") -> str:
    return f"{level} `{title}`\n\n```python\n{_signature(title, function)}\n```\n\n{_text(function)}\n"


def _signature(title: str, function: Callable[..., Any]) -> str:
    parameters = [each for each in inspect.signature(function).parameters.values() if each.name != "self"]
    given = [_parameter(each) for each in parameters]
    kinds = [each.kind for each in parameters]
    if inspect.Parameter.KEYWORD_ONLY in kinds:
        given.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    line = f"{title}({', '.join(given)})"
    return line if len(line) <= 100 else f"{title}(\n" + "".join(f"    {each},\n" for each in given) + ")"


def _parameter(parameter: inspect.Parameter) -> str:
    kind = LONG_NAME.sub("", inspect.formatannotation(parameter.annotation).strip("'"))
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{'**' * (parameter.kind is parameter.VAR_KEYWORD)}{parameter.name}: {kind}{default}"


def _class(name: str, kind: type) -> str:
    parts = [f"## `hpc.{name}`\n\n{_text(kind)}\n"]
    for member, value in vars(kind).items():
        if member.startswith("_"):
            continue
        if isinstance(value, property):
            parts.append(f"### `{name}.{member}`\n\n{_text(value)}\n")
        elif inspect.isfunction(value) and inspect.getdoc(value):
            parts.append(_entry(f"{name}.{member}", value, level="###"))
    return "\n".join(parts)


def _text(documented: Any) -> str:
    """Return a NumPy docstring as Markdown."""
    text = inspect.getdoc(documented) or ""
    for pattern, replacement in MARKUP:
        text = pattern.sub(replacement, text)
    before, *sections = SECTION.split(text)
    parts = [before.strip()]
    for heading, body in zip(sections[::2], sections[1::2], strict=True):
        parts.append(f"**{heading}**\n\n" + "\n".join(_items(body)))
    return "\n\n".join(part for part in parts if part)


def _items(body: str) -> Iterator[str]:
    """Yield a line for each entry of a section, with what is indented below it."""
    for entry in re.findall(r"^(\S.*)\n((?:[ \t]+.*\n?|\n)*)", body + "\n", re.MULTILINE):
        meaning = " ".join(entry[1].split())
        yield f"- `{entry[0]}`" + (f": {meaning}" if meaning else "")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
