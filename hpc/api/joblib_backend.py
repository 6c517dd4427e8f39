"""The backend ``hpc`` of joblib: ``import hpc.joblib``, then ``with joblib.parallel_config("hpc"):``."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from joblib import register_parallel_backend
from joblib.parallel import ParallelBackendBase, SequentialBackend

from hpc.api.executor import Executor
from hpc.errors import NotStartedError

# Calls that joblib gives at once where n_jobs says all: those of one run.
ALL_JOBS = 1_000


class HpcBackend(ParallelBackendBase):  # type: ignore[misc]  # joblib has no types
    """Computes the calls of a ``Parallel`` in runs; its options are those of :class:`hpc.api.executor.Executor`."""

    default_n_jobs = -1
    supports_retrieve_callback = True

    def __init__(self, nesting_level: int | None = None, inner_max_num_threads: int | None = None, **options: Any):
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        self._options = options
        self._executor: Executor | None = None

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many calls joblib gives at once."""
        if n_jobs == 0:
            raise NotStartedError("n_jobs must be 1 or more, or -1 for all calls in one run, got 0")
        return ALL_JOBS if n_jobs is None or n_jobs < 0 else n_jobs

    def configure(self, n_jobs: int = 1, parallel: Any = None, **_others: Any) -> int:
        self.parallel = parallel
        self._executor = Executor(**self._options)
        return self.effective_n_jobs(n_jobs)

    def submit(self, func: Any, callback: Callable[[Any], Any] | None = None) -> "Future[Any]":
        assert self._executor is not None
        future = self._executor.submit(_plain(func.items))
        if callback is not None:
            future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, out: "Future[Any]") -> Any:
        return out.result()

    def terminate(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=False)

    def abort_everything(self, ensure_ready: bool = True) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = Executor(**self._options) if ensure_ready else None

    def get_nested_backend(self) -> tuple[Any, None]:
        """Calls within a call run one after the other: a function has one processor or few."""
        return SequentialBackend(nesting_level=(self.nesting_level or 0) + 1), None


def _plain(calls: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]]) -> Callable[[], list[Any]]:
    """Return a function that makes calls, and that travels by value: it needs neither joblib nor this module."""

    def make_calls() -> list[Any]:
        return [function(*arguments, **named) for function, arguments, named in calls]

    return make_calls


def register() -> None:
    """Make joblib know the backend by its name."""
    register_parallel_backend("hpc", HpcBackend)
