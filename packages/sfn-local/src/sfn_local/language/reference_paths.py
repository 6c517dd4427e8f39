"""ResultPath: put a value at one place of a document, sharing everything that stays as it is.

Differs from AWS: an index past the end of an array is refused (what the service does there wasn't recorded).
"""

from sfn_local.language import Json
from sfn_local.language.errors import ReferencePathConflictError
from sfn_local.language.json_text import compact
from sfn_local.language.paths import Path, Step


def place(path: Path, document: Json, value: Json) -> Json:
    """The document with ``value`` at ``path``; missing objects on the way are made.

    Parameters
    ----------
    path : Path
        A reference path (`Path.is_reference`); ``$`` replaces the whole document.

    Raises
    ------
    ReferencePathConflictError
        If something on the way is neither an object (for a member) nor an array that has the index.
    """
    assert path.steps is not None
    try:
        return _place(path.steps, 0, document, value)
    except _StepError as error:
        raise conflict(error.step, document) from None


def conflict(step: Step, document: Json) -> ReferencePathConflictError:
    """The error of a reference path, one of whose steps the document has no place for."""
    return ReferencePathConflictError(f'Unable to apply step "{step}" to input {compact(document)}')


class _StepError(Exception):
    def __init__(self, step: Step) -> None:
        self.step = step


def _place(steps: tuple[Step, ...], depth: int, document: Json, value: Json) -> Json:
    if depth == len(steps):
        return value
    step = steps[depth]
    if isinstance(step, str) and isinstance(document, dict):
        inner = _place(steps, depth + 1, document.get(step, {}), value)
        return {**document, step: inner}
    if isinstance(step, int) and isinstance(document, list) and 0 <= step < len(document):
        inner = _place(steps, depth + 1, document[step], value)
        copy = list(document)
        copy[step] = inner
        return copy
    raise _StepError(step)
