"""`lambdas.testing`: what it accepts and refuses, and that its answers are those of the pipeline."""

import json
import types
from typing import Any

import pytest

from lambdas.run_files.errors import WorkloadError
from lambdas.testing import answer, check_combine
from lambdas.workloads import squares, utf8_keys


def module_of(source: str) -> types.ModuleType:
    module = types.ModuleType("tried")
    exec(source, module.__dict__)
    return module


@pytest.mark.parametrize(
    ("combine", "samples"),
    [
        (lambda a, b: a + b, [0.1, 0.2, 0.3, -1e9]),
        (max, [3, 1, 2]),
        (lambda a, b: {**a, **b, "n": a["n"] + b["n"]}, [{"n": 1, "x": 0}, {"n": 2}]),
        (lambda a, b: sorted(a + b), [[1], [2, 3], []]),
    ],
)
def test_check_combine_takes_what_is_associative_and_commutative(combine: Any, samples: Any) -> None:
    check_combine(combine, samples)


def test_check_combine_takes_a_combine_that_changes_what_it_is_given() -> None:
    def combine(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
        for name, count in b.items():
            a[name] = a.get(name, 0) + count
        return a

    check_combine(combine, [{"x": 1}, {"y": 2}, {"x": 3, "y": 1}])


@pytest.mark.parametrize(
    ("combine", "samples", "message"),
    [
        (lambda a, b: a - b, [1, 2], "not associative for 1, 1, 1: -1 is not 1"),
        (lambda a, b: (a + b) / 2, [0, 1, 4], "not associative for 0, 0, 1: 0.5 is not 0.25"),
        (lambda a, b: a + b, [[1], [2]], r"not commutative for \[1\], \[2\]"),
        (lambda a, b: a + b, ["a", "b"], "not commutative"),
        (lambda a, _b: a, [{"x": 1}, {"x": 2}], "not commutative"),
    ],
)
def test_check_combine_says_for_which_results_it_is_not(combine: Any, samples: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_combine(combine, samples)


def test_check_combine_forgives_the_last_digits_of_floats_only() -> None:
    check_combine(lambda a, b: [a[0] + b[0]], [[0.1], [0.7], [1e15]])
    with pytest.raises(AssertionError):
        check_combine(lambda a, b: [a[0] + b[0]], [[0.1], [0.7], [1e15]], relative_tolerance=0)


@pytest.mark.parametrize(
    ("samples", "message"), [([], "two results or more, got 0"), ([1], "got 1"), ([{1}] * 2, "set")]
)
def test_check_combine_refuses_samples_that_are_no_results(samples: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        check_combine(lambda a, _: a, samples)


SOURCES = {
    "one by one": "def compute(item, params, index, seed): return [item, params, index, seed]\n",
    "weighted": "def items(size): return map(str, range(size))\n"
    "def weight(item): return 1 + int(item)\ndef compute(item): return item",
    "at once": "def compute_batch(items): return [item * 2 for item in items]\ndef combine(a, b): return a + b\n",
    "finished": "def compute(item): return item\ndef finish(results, params): return list(results) + [params['x']]\n",
    "nothing": "def items(size): return []\ndef compute(item): return item\ndef combine(a, b): return a\n",
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_answer_is_that_of_the_pipeline(pipeline: Any, make_workload: Any, source: str, batch_size: int) -> None:
    name = make_workload(source)
    run = pipeline(size=5, workload=name, batch_size=batch_size, params={"x": 9})
    module = module_of(source)
    module.__name__ = name  # the workload's name is part of its seeds
    assert answer(module, size=5, batch_size=batch_size, params={"x": 9}) == json.loads(run.run()["result"])


def test_answer_takes_items_and_joins_bytes() -> None:
    module = module_of("def compute(item): return item.encode()\ndef finish(results): yield from results\n")
    assert answer(module, items=["a", "bc"]) == b"abc"
    assert answer(squares, size=4) == 14
    assert answer(utf8_keys, items=range(3)) == 1 + 128 + 128**2 + 1863


@pytest.mark.parametrize("given", [{}, {"size": 1, "items": [1]}])
def test_answer_takes_either_size_or_items(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give one of size and items"):
        answer(squares, **given)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("def compute(): return 1", WorkloadError, "must take 1 positional"),
        ("def compute(item): return {item}", TypeError, "got builtins.set"),
        ("def compute_batch(items): return items[1:]", ValueError, "got 2 for 3 items"),
    ],
)
def test_answer_says_how_a_module_breaks_the_contract(source: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        answer(module_of(source), size=3)
