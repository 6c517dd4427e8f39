"""Names of the parts that a run's jobs wrote, found without listing the bucket."""

from typing import Any

from lambdas.results.result_files import ResultFile
from lambdas.run_files import job_shares
from lambdas.run_files.errors import InvalidEventError, ResultFileError
from lambdas.run_files.json_text import shown
from lambdas.run_files.runs import RunSettings


def array_parts(settings: RunSettings) -> list[ResultFile]:
    """Return the parts of all children that had something to do; reading one that is not there is an error."""
    return [
        ResultFile("SUCCEEDED", job_shares.array_part_key(settings.name, index), None)
        for index in range(settings.array_size)
        if job_shares.share(settings.batch_count, settings.array_size, index)
    ]


def present_children(settings: RunSettings, present: set[str]) -> list[int]:
    """Return the numbers of the children whose parts are among the keys ``present``."""
    return [index for index in range(settings.array_size) if job_shares.array_part_key(settings.name, index) in present]


def parts_of(settings: RunSettings, children: Any) -> list[ResultFile]:
    """Return the parts of some of a run's children.

    Raises
    ------
    ResultFileError
        If these are not numbers of its children.
    """
    if not isinstance(children, list) or any(
        type(index) is not int or not 0 <= index < settings.array_size for index in children
    ):
        raise ResultFileError(
            f"children of run {settings.name} must be 0 to {settings.array_size - 1}, got {shown(children)}"
        )
    return [ResultFile("SUCCEEDED", job_shares.array_part_key(settings.name, index), None) for index in children]


def callback_parts(settings: RunSettings, callback: Any) -> list[ResultFile]:
    """Return the one part that the accepted job named; what other attempts wrote is never read.

    Parameters
    ----------
    callback
        What the job returned with its task token: ``{"key": str}``.

    Raises
    ------
    InvalidEventError
        If that is not its shape.
    ResultFileError
        If it names another run's part.
    """
    key = callback.get("key") if isinstance(callback, dict) else None
    if not isinstance(key, str):
        raise InvalidEventError(f'callback must be {{"key"}}, got {shown(callback)}')
    prefix = job_shares.callback_part_key(settings.name, "").removesuffix(".jsonl")
    if not key.startswith(prefix):
        raise ResultFileError(f"the part of run {settings.name} must be under {prefix}, got {shown(key)}")
    return [ResultFile("SUCCEEDED", key, None)]
