"""`hpc.Executor` and the backend of joblib: the interfaces that others give, over the synthesized machine."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, wait
from typing import Any

import numpy as np
import pytest
from job_commands import assembly

import hpc
from hpc.api.places import find_place
from hpc.errors import NotStartedError, RunFailedError

pytest.importorskip("cloudpickle", reason="cloudpickle is not installed: make test installs it")


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


@pytest.fixture
def executor() -> Iterator[hpc.Executor]:
    with hpc.Executor(assembly=assembly()) as made:
        yield made


class Point:
    """A type that no result of a workload may have."""

    def __init__(self, x: int) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and other.x == self.x

    __hash__ = None  # type: ignore[assignment]


def moved(point: Point, by: int) -> Point:
    return Point(point.x + by)


def square(item: int) -> int:
    return item * item


def test_map_gives_what_a_pool_of_processes_gives(executor: hpc.Executor) -> None:
    with ProcessPoolExecutor(2) as pool:
        expected = list(pool.map(square, range(20)))
    assert list(executor.map(square, range(20))) == expected
    assert list(executor.map(moved, [Point(1), Point(2)], [10, 20])) == [Point(11), Point(22)]
    assert list(executor.map(square, [])) == []


def test_calls_that_are_submitted_are_one_run(executor: hpc.Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    # Longer than a busy machine needs from one call to the next.
    monkeypatch.setattr("hpc.api.executor.QUIET_SECONDS", 3.0)
    monkeypatch.setattr("hpc.api.executor.LONGEST_WAIT_SECONDS", 60.0)
    before = len(hpc.runs(assembly=assembly()))
    factor = 3
    futures = [executor.submit(lambda item: {item: item * factor}, item) for item in range(5)]
    wait(futures)
    assert [future.result() for future in futures] == [{item: item * 3} for item in range(5)]
    assert len(hpc.runs(assembly=assembly())) == before + 1


def test_arguments_are_copies_of_their_own_that_may_be_changed(executor: hpc.Executor) -> None:
    shared = np.zeros(100_000)

    def added(array: Any, number: int) -> float:
        array += number
        return float(array.sum())

    assert list(executor.map(added, [shared] * 4, range(4))) == [0, 1e5, 2e5, 3e5]
    assert shared.sum() == 0


def test_exception_of_a_call_is_that_of_its_future(executor: hpc.Executor) -> None:
    def inverse(item: int) -> float:
        return 1 / item

    futures = [executor.submit(inverse, item) for item in (2, 0)]
    assert futures[0].result() == 0.5
    error = futures[1].exception()
    assert isinstance(error, ZeroDivisionError)
    assert "in inverse" in str(error.__cause__)
    with pytest.raises(TypeError, match="can't be pickled"):
        executor.submit(lambda: __import__("threading").Lock()).result()


def test_call_that_ends_its_process_is_an_error_of_its_own(executor: hpc.Executor) -> None:
    futures = [executor.submit(lambda item: os._exit(3) if item else item, item) for item in (0, 1)]
    assert isinstance(futures[1].exception(), RunFailedError)


def test_what_is_cancelled_is_not_computed() -> None:
    executor = hpc.Executor(assembly=assembly())
    future = executor.submit(square, 3)
    executor.shutdown(wait=False, cancel_futures=True)
    assert future.cancelled() or future.result() == 9
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(square, 3)


def test_what_can_not_be_called_or_pickled_is_refused(executor: hpc.Executor) -> None:
    with pytest.raises(NotStartedError, match="submit must get a function, got int"):
        executor.submit(3)  # type: ignore[arg-type]
    with pytest.raises(NotStartedError, match="can't be pickled"):
        executor.submit(square, threading.Lock())
    with pytest.raises(NotStartedError, match="back_end must be one of"):
        hpc.Executor(assembly=assembly(), back_end="cloud").submit(square, 1).result()


def test_calls_on_aws_batch_give_the_same(executor: hpc.Executor) -> None:
    with hpc.Executor(assembly=assembly(), back_end="batch") as jobs:
        assert list(jobs.map(square, range(5))) == list(executor.map(square, range(5)))


def test_joblib_computes_in_runs() -> None:
    joblib = pytest.importorskip("joblib", reason="joblib is not installed: make test installs it")
    import hpc.joblib  # noqa: F401

    with joblib.parallel_config("hpc", assembly=assembly()):
        assert joblib.Parallel()(joblib.delayed(square)(item) for item in range(30)) == [n * n for n in range(30)]
        with pytest.raises(ZeroDivisionError):
            joblib.Parallel()(joblib.delayed(lambda item: 1 / item)(item) for item in range(3))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_grid_search_of_scikit_learn_gives_what_it_gives_alone() -> None:
    joblib = pytest.importorskip("joblib", reason="joblib is not installed: make test installs it")
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: make test installs it")
    from sklearn.datasets import load_iris
    from sklearn.model_selection import GridSearchCV
    from sklearn.tree import DecisionTreeClassifier

    import hpc.joblib  # noqa: F401

    x, y = load_iris(return_X_y=True)
    grid = {"max_depth": [1, 2, 3], "min_samples_leaf": [1, 5]}

    def searched() -> Any:
        return GridSearchCV(DecisionTreeClassifier(random_state=0), grid, cv=3).fit(x, y)

    alone = searched()
    with joblib.parallel_config("hpc", assembly=assembly()):
        found = searched()
    assert found.best_params_ == alone.best_params_
    assert (found.cv_results_["mean_test_score"] == alone.cv_results_["mean_test_score"]).all()
