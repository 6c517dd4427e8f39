"""Calls a workload's ``combine``, and checks first that the order of its arguments does not matter."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from lambdas.run_files import json_text
from lambdas.run_files.errors import PASSED_ON, WorkloadError
from lambdas.values import comparison, typed_json

# A pair shows nothing if both are equal, or if one leaves the other as it is: 0 in a sum, [] among lists, an identity.
# The trial waits for another pair; not for ever, since it compares them.
MAX_NEUTRAL_PAIRS = 100


class Combiner:
    """Combines two results; ``place`` says of which items the second is.

    Parameters
    ----------
    workload_file
        Path by which tracebacks name the workload.
    is_tried
        Whether ``combine`` is called with its arguments exchanged, too, for the first results: until a pair differs and
        gives neither of the two.
    """

    def __init__(self, combine: Callable[[Any, Any], Any], workload_file: str, *, is_tried: bool = True) -> None:
        self._combine = combine
        self._workload_file = workload_file
        self._pairs_left = MAX_NEUTRAL_PAIRS if is_tried else 0

    def __call__(self, a: Any, b: Any, place: str) -> Any:
        """Return what ``combine`` makes of two results; it may have changed them.

        Raises
        ------
        WorkloadError
            If it raises, or gives something else for the two exchanged.
        """
        if not self._pairs_left:
            return self._call(a, b, place)
        if _is_same(a, b):
            self._pairs_left -= 1
            return self._call(a, b, place)
        largest = comparison.largest_float(a, b)
        exchanged, error = self._exchanged(a, b, place)
        if error is None and (_is_same(exchanged, a) or _is_same(exchanged, b)):
            self._pairs_left -= 1
        else:
            self._pairs_left = 0
        value = self._call(a, b, place)
        if error is not None:
            raise error
        if not comparison.is_close(value, exchanged, largest=max(largest, comparison.largest_float(value))):
            raise WorkloadError(
                f"combine(a, b) must be combine(b, a), because results come in no certain order: at {place} one is "
                f"{shown_result(value)}, the other {shown_result(exchanged)} (without combine, finish gets the "
                "results in the order of their items)"
            )
        return value

    def _exchanged(self, a: Any, b: Any, place: str) -> tuple[Any, WorkloadError | None]:
        """Return what ``combine`` makes of copies of the two exchanged, or its error."""
        try:
            return self._call(self._copied(b), self._copied(a), f"{place}, as combine(b, a)"), None
        except WorkloadError as error:
            return None, error

    def fold(self, value: Any, others: Sequence[Any], place: Callable[[int], str]) -> Any:
        """Return what ``combine`` makes of a result and others, one after the other; raises as a call does.

        Parameters
        ----------
        place
            From the position in ``others`` to the place of that result.
        """
        tried = 0
        while self._pairs_left and tried < len(others):
            value = self(value, others[tried], place(tried))
            tried += 1
        combine, position = self._combine, tried
        try:
            for other in islice(others, tried, None):
                value = combine(value, other)
                position += 1
        except PASSED_ON:
            raise
        except BaseException as error:
            raise WorkloadError.of(error, self._workload_file, f"combine raised at {place(position)}") from error
        return value

    def _call(self, a: Any, b: Any, place: str) -> Any:
        try:
            return self._combine(a, b)
        except PASSED_ON:
            raise
        except BaseException as error:
            raise WorkloadError.of(error, self._workload_file, f"combine raised at {place}") from error

    @staticmethod
    def _copied(value: Any) -> Any:
        try:
            return typed_json.copied(value)
        except (TypeError, ValueError) as error:
            raise WorkloadError(f"what combine returned can't be kept: {error}") from error


def _is_same(left: Any, right: Any) -> bool:
    return comparison.is_close(left, right, relative=0, largest=0)


def shown_result(value: Any) -> str:
    """Return a result for an error message."""
    return json_text.shortened(typed_json.shown_whole(value), json_text.SHOWN_CHARACTERS)
