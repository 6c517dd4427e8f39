"""ResultPath: put a value at one place of a document, sharing everything that stays as it is.

Differs from AWS: an index past the end of an array is refused (what the service does there wasn't recorded).
"""

from hpc_local.language import Json
from hpc_local.language.errors import ResultPathMatchFailureError
from hpc_local.language.json_text import compact
from hpc_local.language.paths import Path, Step


def place(path: Path, document: Json, value: Json) -> Json:
    """The document with ``value`` at ``path``; missing objects on the way are made.

    Parameters
    ----------
    path : Path
        A reference path (`Path.is_reference`); ``$`` replaces the whole document.

    Raises
    ------
    ResultPathMatchFailureError
        If something on the way is neither an object (for a member) nor an array that has the index.
    """
    assert path.steps is not None
    return _place(path.steps, 0, document, value)


def _place(steps: tuple[Step, ...], depth: int, document: Json, value: Json) -> Json:
    if depth == len(steps):
        return value
    step = steps[depth]
    if isinstance(step, str) and isinstance(document, dict):
        inner = _place(steps, depth + 1, document.get(step, {}), value)
        return {**document, step: inner}
    if isinstance(step, int) and isinstance(document, list) and -len(document) <= step < len(document):
        inner = _place(steps, depth + 1, document[step], value)
        copy = list(document)
        copy[step] = inner
        return copy
    raise ResultPathMatchFailureError(f'Unable to apply step "{step}" to input {compact(document)}')
