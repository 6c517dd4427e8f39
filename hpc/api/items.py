"""Items of a program: from an iterable, a frame or a file to one that can be uploaded."""

import json
import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hpc.commands.uploads import ITEM_SUFFIXES, check_items
from hpc.errors import NotStartedError
from hpc.terminal.printable import shorten

HINTS = {
    "tuple": "make it list(item)",
    "set": "make it sorted(item)",
    "ndarray": "make it item.tolist()",
    "Decimal": "make it str(item)",
    **dict.fromkeys(("date", "datetime", "time", "Timestamp"), "make it item.isoformat()"),
}
PLAIN = (str, int, bool, type(None))


def items_file(items: Any, folder: Path) -> Path | str:
    """Return a .jsonl or .csv file with the items, written to ``folder`` where there is none; or their ``s3://`` place.

    Parameters
    ----------
    items
        A .jsonl, .csv or .parquet file, an ``s3://`` place, a pandas frame (a dict a row), or any iterable of JSON
        values and scalars of numpy.

    Raises
    ------
    NotStartedError
        If it is none of these; it names the item that JSON can't hold.
    """
    if isinstance(items, str) and items.startswith("s3://"):
        return items
    if isinstance(items, str | Path):
        path = Path(items)
        if path.suffix in ITEM_SUFFIXES:
            return check_items(str(path))
        if path.suffix != ".parquet":
            allowed = ", ".join((*ITEM_SUFFIXES, ".parquet"))
            raise NotStartedError(f"items must be a file that ends in {allowed}, got {shorten(str(path))}")
        return _written(_parquet_rows(path), folder)
    if hasattr(items, "to_dict") and hasattr(items, "columns"):
        return _written(_frame_rows(items), folder)
    if isinstance(items, bytes | dict) or not isinstance(items, Iterable):
        raise NotStartedError(f"items must be an iterable, a frame or a file, got {type(items).__name__}")
    return _written(items, folder)


def _written(items: Iterable[Any], folder: Path) -> Path:
    path = folder / "items.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number, item in enumerate(items):
            try:
                file.write(f"{json.dumps(plain(item), allow_nan=False, separators=(',', ':'))}\n")
            except (TypeError, ValueError, RecursionError) as error:
                raise NotStartedError(f"item {number} can't travel: {error}") from error
    return path


def plain(item: Any) -> Any:
    """Return an item as JSON; scalars of numpy are numbers.

    Raises
    ------
    TypeError
        If it holds what JSON has no value for; names it, and what to make of it.
    """
    if isinstance(item, PLAIN) or type(item) is float:
        return item
    if type(item) is list:
        return [plain(each) for each in item]
    if type(item) is dict:
        if wrong := [key for key in item if not isinstance(key, str)]:
            raise TypeError(f"keys of a dict must be text, got {shorten(repr(wrong[0]))}: make it str(key)")
        return {key: plain(each) for key, each in item.items()}
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(item, numpy.generic) and item.dtype.kind in "biufU":
        return item.item()
    hint = HINTS.get(type(item).__name__, "make it text, a number, a list or a dict")
    raise TypeError(f"JSON has no {type(item).__name__}, got {shorten(repr(item))}: {hint}")


def _frame_rows(frame: Any) -> Iterator[dict[str, Any]]:
    names = [str(name) for name in frame.columns]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise NotStartedError(f"columns of items must have different names, {doubled[0]} is there twice")
    for row in frame.itertuples(index=False, name=None):
        yield {name: None if _is_missing(value) else value for name, value in zip(names, row, strict=True)}


def _is_missing(value: Any) -> bool:
    is_nan = isinstance(value, float) and math.isnan(value)
    return is_nan or value is None or type(value).__name__ in ("NAType", "NaTType")


def _parquet_rows(path: Path) -> Iterator[Any]:
    try:
        import pyarrow.parquet  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise NotStartedError("items of a .parquet file need pyarrow: pip install 'serverless-hpc[parquet]'") from error
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                yield from batch.to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise NotStartedError(f"items: {path} is no Parquet file that can be read: {error}") from error
