"""`hpc new`: a workload to start from, and its test, in the current folder."""

import argparse
import importlib.util
import keyword
import os
import shutil
import sys
from pathlib import Path

from hpc.errors import ExitCode, NotStartedError
from hpc.files import is_file
from hpc.targets.home import Home
from hpc.targets.workload_file import DEPLOYED_FOLDER, NAME
from hpc.terminal.console import emit

WORKLOAD = '''\
"""Area of a circle, estimated from random points.  (Replace this line: what the workload computes.)

Run it:  hpc run --size 1000 --workload {name}.py --params '{{"radius": 2}}'
"""

import random
from typing import Any

POINTS = 1000


def compute(item: int, params: dict[str, Any], seed: int) -> list[int]:
    """Compute one item: count the random points of a square that lie in its inscribed circle.

    The item is an integer from 0 to size - 1, or what --items or --source name.  A function gets the other arguments
    by name, if it has them: the params of the run, the item's index, and the item's seed.  The seed is the same
    wherever the item is computed.  A result is made of JSON values, bytes, tuples, and arrays and numbers of numpy;
    it keeps its type.  An exception fails this item; `hpc failures` shows it.
    """
    if item < 0:
        raise ValueError(f"an item must be 0 or more, got {{item}}")
    radius = params.get("radius", 1)
    generator = random.Random(seed)  # noqa: S311 - a simulation, not a secret
    hits = 0
    for _ in range(POINTS):
        x, y = generator.uniform(-radius, radius), generator.uniform(-radius, radius)
        hits += x * x + y * y <= radius * radius
    return [hits, POINTS]


def combine(a: list[int], b: list[int]) -> list[int]:
    """Combine two results.  Results arrive in any order and grouping, and the answer must not depend on either.

    Without this function, the answer is the list of all results in the order of their items.
    """
    return [a[0] + b[0], a[1] + b[1]]


def finish(result: list[int] | None, params: dict[str, Any]) -> dict[str, float] | None:
    """Turn the combined result, None if there is none, into the answer.  Without this function, it is the answer."""
    if result is None:
        return None
    hits, points = result
    radius = params.get("radius", 1)
    return {{"area": 4 * radius * radius * hits / points, "points": points}}


# Three more functions that a workload may have:
#
# def items(size, params):            the items, instead of 0 to size - 1
#     yield from ...
#
# def weight(item, params):           the cost of an item, in any unit: batches then weigh the same
#     return ...
#
# def compute_batch(items, params):   instead of compute, where neighbouring items are cheaper together
#     for item in items:
#         yield ...
'''
TEST = '''\
"""Run it:  python test_{name}.py, or with pytest."""

import math

from hpc.testing import answer, check_combine

import {name}


def test_answer_is_the_area_of_the_circle():
    assert abs(answer({name}, size=100, params={{"radius": 2}})["area"] - 4 * math.pi) < 0.1


def test_answer_does_not_depend_on_the_batch_size():
    assert answer({name}, size=10, batch_size=3) == answer({name}, size=10, batch_size=1)


def test_results_combine_in_any_order():
    check_combine({name}.combine, [{name}.compute(item, {{}}, seed=item) for item in range(5)])


if __name__ == "__main__":
    test_answer_is_the_area_of_the_circle()
    test_answer_does_not_depend_on_the_batch_size()
    test_results_combine_in_any_order()
    print("passed")
'''


def new(args: argparse.Namespace) -> int:
    """Write the two files, or neither.

    Raises
    ------
    NotStartedError
        If the name can't be that of a workload, or one of the files is there.
    """
    name = args.workload_name
    workload, test = Path(f"{name}.py"), Path(f"test_{name}.py")
    for file in (workload, test):
        if os.path.lexists(file):
            raise NotStartedError(f"{file} is there, and nothing was written: take another name")
    check_name(name)
    if is_file(Home.from_environment().project / (deployed := DEPLOYED_FOLDER / workload)):
        raise NotStartedError(f"the project has a workload {name} of its own ({deployed}): take another name")
    try:
        _create(workload, WORKLOAD.format(name=name))
        try:
            _create(test, TEST.format(name=name))
        except BaseException:
            workload.unlink()
            raise
    except OSError as error:
        raise NotStartedError(f"nothing was written: {error}") from error
    lines = [
        f"{workload}  the workload: try it with {_typed('hpc')} run --size 100 --workload {workload}",
        f"{test}  its test: {_typed('python')} {test}",
    ]
    emit(*lines, kept_in=str(Path.cwd()))
    return ExitCode.SUCCEEDED


def _typed(program: str) -> str:
    """Return what a person types in this folder to call a program of this Python environment."""
    own = Path(sys.executable).with_name(program)
    found = shutil.which(program)
    if found is not None and Path(found).parent == own.parent:
        return program
    return str(own.relative_to(Path.cwd())) if own.is_relative_to(Path.cwd()) else str(own)


def check_name(name: str) -> None:
    """Refuse a name under which Python could not import the file, or would import another module."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise NotStartedError(f"a workload's name must be like my_model: a-z, 0-9 and _, a letter first, got '{name}'")
    if importlib.util.find_spec(name) is not None:
        raise NotStartedError(f"this Python environment has a module {name}: take another name")


def _create(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
