"""`Run.partial`: what is computed so far, by whichever back end."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from job_commands import assembly

import hpc
from hpc.api.places import find_place
from hpc.errors import LostRunError

SECONDS = 120


@pytest.fixture(scope="module", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "HPC_"))]:
            patch.delenv(name)
        patch.setenv("HPC_HOME", str(tmp_path_factory.mktemp("home")))
        yield
        place = find_place(assembly=assembly())
        assert hasattr(place, "close")
        place.close()


def waiting(item: dict[str, Any]) -> Any:
    import time
    from pathlib import Path

    while item["waits"] and not Path(item["file"]).exists():
        time.sleep(0.05)
    return (item["number"], b"x" * item["number"])


def items_of(file: Path) -> list[dict[str, Any]]:
    return [{"number": number, "waits": number == 3, "file": str(file)} for number in range(4)]


def when(partial: Callable[[], list[Any]], count: int) -> list[Any]:
    """Return what is computed so far as soon as that is so many results."""
    limit = time.monotonic() + SECONDS
    while len(found := partial()) < count:
        assert time.monotonic() < limit, found
        time.sleep(0.1)
    return found


@pytest.mark.parametrize("back_end", ["lambda", "batch"])
def test_what_is_computed_is_seen_while_the_run_goes_on(tmp_path: Path, back_end: str) -> None:
    file = tmp_path / "go_on"
    run = hpc.start(waiting, items=items_of(file), batch_size=1, back_end=back_end, assembly=assembly())
    found = when(lambda: list(run.partial()), 3)
    assert run.status == "RUNNING"
    expected = [(number, (number, b"x" * number)) for number in range(4)]
    assert sorted((each.index, each.result) for each in found) == expected[:3]
    assert all(each.item["number"] == each.index for each in found)
    file.touch()
    assert run.result == [result for _, result in expected]
    assert sorted((each.index, each.result) for each in run.partial()) == expected


def length(item: int) -> int:
    return item


def added(a: int, b: int) -> int:
    return a + b


@pytest.mark.parametrize("back_end", ["lambda", "batch"])
def test_batches_that_were_combined_are_seen_as_such(back_end: str) -> None:
    run = hpc.map(length, size=10, batch_size=4, combine=added, back_end=back_end, assembly=assembly())
    assert run.result == 45
    seen = sorted((each.count, each.failed, each.result) for each in run.partial())
    assert seen == [(2, 0, 17), (4, 0, 6), (4, 0, 22)]


def odd_fails(item: int) -> int:
    if item % 2:
        raise ValueError(item)
    return item


def test_items_of_a_redrive_are_seen_by_their_own_index(tmp_path: Path) -> None:
    file = tmp_path / "mended.py"
    file.write_text("def compute(item):\n    if item % 2: raise ValueError(item)\n    return item\n")
    run = hpc.start(file, items=range(5), batch_size=2, tolerated_failure_percentage=100, assembly=assembly())
    assert run.result == [0, None, 2, None, 4]
    assert sorted((each.index, each.failed) for each in run.partial()) == [(n, n % 2 == 1) for n in range(5)]
    file.write_text("def compute(item): return item * 10\n")
    again = run.redrive(str(file))
    assert again.result == [0, 10, 2, 30, 4]
    assert sorted((each.index, each.item, each.result) for each in again.partial()) == [(1, 1, 10), (3, 3, 30)]


def test_long_results_and_one_job_for_all() -> None:
    long = hpc.map(lambda item: "x" * 300_000 * item, size=3, batch_size=3, assembly=assembly())
    assert [len(each.result) for each in long.wait().partial()] == [0, 300_000, 600_000]
    one = hpc.map(length, size=3, back_end="batch_callback", assembly=assembly())
    assert one.result == [0, 1, 2]
    with pytest.raises(LostRunError, match="computed by one job"):
        list(one.partial())
