"""`hpc new`: a workload to start from, and its test, in the current folder."""

import argparse
import importlib.util
import keyword
import os
import shutil
import sys
from pathlib import Path

from hpc.console import emit
from hpc.errors import ExitCode, NotStartedError
from hpc.files import is_file
from hpc.home import Home
from hpc.workload_file import DEPLOYED_FOLDER, NAME

WORKLOAD = '''\
"""What this computes, in one line.

Run it:  hpc run --size 1000 --workload {name}.py --params '{{"radius": 2}}'
"""

import random


def compute(item, params, seed):
    """Compute one item; here: how many of 1,000 random points of a square are in the circle that it holds.

    It gets the item (here 0 to size - 1; with --items or --source what those name) and, if it names them, the
    params of the run, the item's index, and a seed: another one for each item, the same one wherever it runs.
    It returns JSON, arrays or numbers of numpy, bytes, tuples, or lists and dicts of them: they keep their types.
    """
    radius = params.get("radius", 1)
    points = random.Random(seed)
    hits = 0
    for _ in range(1000):
        x, y = points.uniform(-radius, radius), points.uniform(-radius, radius)
        hits += x * x + y * y <= radius * radius
    return [hits, 1000]


def combine(a, b):
    """Combine two results. Results come in any order: combine(a, b) must be combine(b, a), and groups must not matter.

    Without this function, the answer is the list of results in the order of their items.
    """
    return [a[0] + b[0], a[1] + b[1]]


def finish(result, params):
    """Make the answer of what all results were combined to, None if there were none. Leave it out if that is it."""
    if result is None:
        return None
    hits, points = result
    radius = params.get("radius", 1)
    return {{"area": 4 * radius * radius * hits / points, "points": points}}


# Two more functions that a workload may have:
#
# def items(size, params):            what to compute, instead of 0 to size - 1
#     yield from ...
#
# def compute_batch(items, params):   instead of compute, where neighbouring items are cheaper together
#     for item in items:
#         yield ...
'''
TEST = '''\
"""Run it:  python test_{name}.py, or with pytest."""

import math

import {name}
from lambdas.testing import answer, check_combine


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
