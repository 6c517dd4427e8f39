"""Workloads: the contract, and the two that come with the project against independent formulas."""

import hashlib
import math
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas import workloads
from lambdas.batch import seeds
from lambdas.run_files.errors import InvalidInputError, WorkloadError
from lambdas.workloads import squares, utf8_keys

PRIME = 2**61 - 1
GOLDEN_FOLDER = Path(os.environ.get("HPC_GOLDEN_DIR", Path(__file__).parents[3].parent / "shared" / "golden"))


def closed_form(index: int) -> int:
    """The original program's sum over how many characters of two, three and four bytes a string has."""
    total = 0
    for j in range(index // 2 + 1):
        for k in range((index - 2 * j) // 3 + 1):
            for l in range((index - 2 * j - 3 * k) // 4 + 1):  # noqa: E741 - the original's name
                i = index - 2 * j - 3 * k - 4 * l
                ways = math.factorial(i + j + k + l)
                for count in (i, j, k, l):
                    ways //= math.factorial(count)
                total += ways * 128**i * 1863**j * 42451**k * 78341**l
    return total


def recurrence_modulo(index: int, modulus: int) -> int:
    window = [0, 0, 0, 1]
    for _ in range(index):
        window = [*window[1:], sum(w * f for w, f in zip((78_341, 42_451, 1_863, 128), window, strict=True)) % modulus]
    return window[-1]


@pytest.mark.parametrize("index", [*range(13), 20, 60, 100])
def test_utf8_keys_equals_the_closed_form(index: int) -> None:
    assert list(utf8_keys.compute_batch([index])) == [closed_form(index)]


@given(st.lists(st.integers(0, 300), max_size=12))
def test_utf8_keys_gives_the_same_for_any_order_of_items(items: list[int]) -> None:
    assert list(utf8_keys.compute_batch(items)) == [next(utf8_keys.compute_batch([item])) for item in items]


@given(st.integers(0, 1500), st.integers(1, 20))
def test_utf8_keys_jumps_to_where_the_recurrence_gets(first: int, count: int) -> None:
    *_, last = utf8_keys.compute_batch(range(first, first + count))
    assert last % PRIME == recurrence_modulo(first + count - 1, PRIME)


def test_utf8_keys_is_exact_at_index_100000() -> None:
    value = next(utf8_keys.compute_batch([100_000]))
    assert value % PRIME == recurrence_modulo(100_000, PRIME)
    assert len(str(value)) == 215_569


def test_utf8_keys_adds_up_to_the_published_answer() -> None:
    file = GOLDEN_FOLDER / "total_1024.txt"
    if not file.exists():
        pytest.skip(f"no published answer at {file}; HPC_GOLDEN_DIR names its folder")
    assert str(sum(utf8_keys.compute_batch(range(1024)))) == file.read_text().strip()


@pytest.mark.parametrize("item", [-1, "1", 1.0, None, True, [1]])
def test_utf8_keys_refuses_an_item_that_is_no_length(item: Any) -> None:
    with pytest.raises(ValueError, match="must be an integer of 0 or more, got"):
        next(utf8_keys.compute_batch([item]))


@given(st.integers(0, 500))
def test_squares_adds_up_to_the_closed_form(size: int) -> None:
    total = 0
    for item in range(size):
        total = squares.combine(total, squares.compute(item))
    assert total == (size - 1) * size * (2 * size - 1) // 6


@pytest.mark.parametrize("item", ["1", 1.5, None, True])
def test_squares_refuses_an_item_that_is_no_integer(item: Any) -> None:
    with pytest.raises(TypeError, match="must be an integer, got"):
        squares.compute(item)


@pytest.mark.parametrize("workload", [squares, utf8_keys])
@given(a=st.integers(), b=st.integers(), c=st.integers())
def test_combine_is_associative_and_commutative(workload: Any, a: int, b: int, c: int) -> None:
    combine = workload.combine
    assert combine(a, combine(b, c)) == combine(combine(a, b), c)
    assert combine(a, b) == combine(b, a)


@pytest.mark.parametrize("workload", [squares, utf8_keys])
def test_finish_makes_zero_of_nothing(workload: Any) -> None:
    assert (workload.finish(None), workload.finish(5)) == (0, 5)


def test_known_names_are_those_of_the_files() -> None:
    files = {file.stem for file in Path(workloads.__file__).parent.glob("[a-z]*.py")}
    assert files <= set(workloads.known_names())
    assert {"squares", "utf8_keys"} <= files
    assert "__init__" not in workloads.known_names()


@pytest.mark.parametrize("name", ["", "cubes", "../squares", "squares.py", "os", "__init__", "Squares", "squares "])
def test_load_refuses_a_name_and_lists_the_known_ones(name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"must be one of .*squares, utf8_keys, got"):
        workloads.load(name)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def compute(item) return item", "can't be imported: SyntaxError"),
        (
            "import no_such_module",
            r"No module named 'no_such_module' \(a deployed workload is one file, .*; packages are named in",
        ),
        ("1 / 0", "can't be imported: ZeroDivisionError"),
        ("def combine(a, b): return a", "must define either compute or compute_batch, it defines neither"),
        (
            "def compute(item): return 1\ndef compute_batch(items): return items",
            "must define either compute or compute_batch, it defines compute and compute_batch",
        ),
        (
            "def compute(item): yield 1",
            "compute .* must return one value, got a function that yields: .* compute_batch",
        ),
        ("def compute(item): return 1\ndef combine(a, b): yield a", "combine .* must return one value"),
        ("async def compute(item): return 1", "must be a plain function, got one that is async"),
        ("def compute(item, params, /): return 1", "gets params by name, it must not stand before the /"),
        ("compute = type", "must be a function whose arguments Python knows, got <class 'type'>"),
        ("compute = 7", "compute of workload .* must be a function, got int"),
        ("def compute(): return 1", r"compute of workload .* must take 1 positional argument, got \(\)"),
        ("def compute(*, item): return 1", "must take 1 positional"),
        ("def compute(item, colour): return 1", "names the argument colour: allowed are index, params, seed"),
        ("def compute_batch(items, seed): return 1", "names the argument seed: allowed are params"),
        ("def compute(item): return 1\ndef combine(a): return a", r"combine .* must take 2 positional arguments, got"),
        ("def compute(item): return 1\ndef combine(a, b, params): return a", "argument params: allowed are no other"),
        ("def compute(item): return 1\ndef finish(): return 1", "finish .* must take 1 positional"),
    ],
)
def test_load_says_how_a_file_breaks_the_contract(make_workload: Any, source: str, message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        workloads.load(make_workload(source))


@pytest.mark.parametrize(
    ("signature", "result"),
    [
        ("compute(item)", "item"),
        ("compute(x, params)", "[x, params]"),
        ("compute(item, index)", "[item, index]"),
        ("compute(item, params, index)", "[item, params, index]"),
        ("compute(item, params, factor=3)", "[item, params, factor]"),
    ],
)
def test_results_pass_the_arguments_that_compute_names(make_workload: Any, signature: str, result: str) -> None:
    workload = workloads.load(make_workload(f"def {signature}: return {result}"))
    known = {"item": "a", "x": "a", "params": {"p": 1}, "index": 7, "factor": 3}
    assert list(workload.results(["a"], 7, {"p": 1})) == [eval(result, known)]


def test_seeds_depend_on_params_and_index_alone(make_workload: Any) -> None:
    workload = workloads.load(make_workload("def compute(item, seed): return seed"))
    whole = list(workload.results(range(100), 0, {"a": 1, "b": {"c": 2, "d": 3}}))
    split = [
        seed
        for first in range(0, 100, 7)
        for seed in workload.results(range(first, min(first + 7, 100)), first, {"b": {"d": 3, "c": 2}, "a": 1})
    ]
    assert whole == split
    assert len(set(whole)) == 100
    assert all(0 <= seed < 2**64 for seed in whole)
    assert set(whole).isdisjoint(workload.results(range(100), 0, {"a": 2}))


def test_item_seed_is_the_same_on_every_back_end() -> None:
    """A known answer: another one would change the results of every simulation."""
    seed = seeds.run_seed("estimate", {"points": 10})
    assert [seeds.item_seed(seed, index) for index in (0, 1)] == [12022912350988789811, 10179687715756944571]


def test_an_overlay_adds_workloads_and_replaces_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "overlaid.py").write_text("def compute(item): return item\n")
    (tmp_path / "squares.py").write_text("def compute(item): return item\n")
    monkeypatch.setattr(workloads, "__path__", [*workloads.__path__])
    monkeypatch.setenv("HPC_WORKLOADS_OVERLAY", str(tmp_path))
    workloads.load_unchanged.cache_clear()
    overlaid = workloads.load("overlaid")
    assert overlaid.sha256 == hashlib.sha256((tmp_path / "overlaid.py").read_bytes()).hexdigest()
    assert "overlaid" in workloads.known_names()
    with pytest.raises(WorkloadError, match=r"the name squares is taken by a workload of lambdas/workloads"):
        workloads.load("squares")
    workloads.load_unchanged.cache_clear()
    sys.modules.pop("lambdas.workloads.overlaid")


@pytest.mark.parametrize("index", [1, 100, 1023, 10_000])
def test_jump_takes_two_products_a_binary_digit_at_most(monkeypatch: pytest.MonkeyPatch, index: int) -> None:
    """Batches share no state: walking to their first index would cost the square of their number in all."""
    products = []
    original = utf8_keys.reduced
    monkeypatch.setattr(utf8_keys, "reduced", lambda polynomial: products.append(1) or original(polynomial))
    utf8_keys.window_at(index)
    assert len(products) <= 2 * index.bit_length()
