"""Results as files and frames: .jsonl, .csv, .parquet, .npy, pandas."""

import csv
import json
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpc.api.values import ItemResult
from hpc.errors import LostRunError, NotStartedError
from lambdas.values import numpy_values, typed_json

if TYPE_CHECKING:
    import pandas

    from hpc.api.run import Run

# Rows of a Parquet file that are in memory at a time.
ROW_GROUP = 10_000


def save(run: "Run", path: Path, *, overwrite: bool = False) -> Path:
    """Write a run's results to a file; nothing is left of one that could not be written whole.

    Raises
    ------
    NotStartedError
        If the file is there and stays, has a suffix that is not known, or a result does not fit in it.
    """
    write = WRITERS.get(path.suffix)
    if write is None:
        raise NotStartedError(f"save must get a file that ends in {', '.join(WRITERS)}, got {path}")
    if path.exists() and not overwrite:
        raise NotStartedError(f"save must get a new file, {path} is there: give overwrite=True to replace it")
    unfinished = path.with_name(f".{path.name}.part")
    try:
        write(run, unfinished)
        unfinished.replace(path)
    except (OSError, ValueError, TypeError) as error:
        raise NotStartedError(f"{path} can't be written: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def row_of(result: ItemResult) -> dict[str, Any]:
    """Return an item as a row: the columns of a dict are its keys."""
    row: dict[str, Any] = {"index": result.index}
    row |= _columns("item", result.item)
    row |= {"result": None} if result.failed else _columns("result", result.result)
    return row


def _columns(name: str, value: Any) -> dict[str, Any]:
    return {f"{name}.{key}": each for key, each in value.items()} if isinstance(value, dict) else {name: value}


def to_pandas(results: Iterator[ItemResult]) -> "pandas.DataFrame":
    """Return the results as a frame.

    Raises
    ------
    NotStartedError
        If pandas is not installed.
    """
    try:
        import pandas  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise NotStartedError("to_pandas needs pandas: pip install 'serverless-hpc[pandas]'") from error
    return pandas.DataFrame.from_records([row_of(each) for each in results])


def _write_jsonl(run: "Run", path: Path) -> None:
    with path.open("x", encoding="utf-8") as file:
        for each in run.results():
            value = {"index": each.index, "item": each.item}
            value |= {"failed": True} if each.failed else {"result": _plain(each.result)}
            file.write(f"{json.dumps(value)}\n")


def _write_csv(run: "Run", path: Path) -> None:
    rows = map(row_of, run.results())
    # The columns are those of the first row with a result.
    begin: list[dict[str, Any]] = []
    for row in rows:
        begin.append(row)
        if not _has_failed(row):
            break
    with path.open("x", encoding="utf-8", newline="") as file:
        if not begin:
            return
        columns = begin[-1]
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        for row in chain(begin, rows):
            if row.keys() != columns.keys() and not _has_failed(row):
                raise ValueError(f"the row of item {row['index']} has other columns than that of {columns['index']}")
            writer.writerow({name: _cell(value) for name, value in row.items() if name in columns})


def _has_failed(row: dict[str, Any]) -> bool:
    return row.get("result", 0) is None


def _cell(value: Any) -> Any:
    """Return what a CSV file has for a value: a number or text itself, JSON of lists and dicts."""
    native = _native(value)
    if isinstance(native, bytes):
        raise ValueError("CSV has no bytes: save them as .parquet")  # noqa: TRY004 - a value of a result
    return json.dumps(_plain(value)) if isinstance(native, list | dict) else native


def _native(value: Any) -> Any:
    """Return scalars of numpy as Python's own, but for times; arrays and tuples as lists."""
    if isinstance(value, list | tuple):
        return [_native(each) for each in value]
    if isinstance(value, dict):
        return {key: _native(each) for key, each in value.items()}
    if not hasattr(value, "dtype"):
        return value
    if value.dtype.kind in "mM":
        return value if value.ndim == 0 else [_native(each) for each in value]
    return value.tolist()


def _plain(value: Any) -> Any:
    """Return a result as JSON.

    Raises
    ------
    ValueError
        If JSON can't hold it.
    """
    try:
        return typed_json.as_json(value)
    except ValueError as error:
        raise ValueError(f"{error}: save it as .npy or .parquet") from error


def _write_parquet(run: "Run", path: Path) -> None:
    try:
        import pyarrow  # noqa: PLC0415 - an extra
        import pyarrow.parquet  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise NotStartedError("a .parquet file needs pyarrow: pip install 'serverless-hpc[parquet]'") from error
    rows = (_native(row_of(each)) for each in run.results())
    writer = None
    try:
        while group := list(islice(rows, ROW_GROUP)):
            table = pyarrow.Table.from_pylist(group, schema=writer.schema if writer else None)
            writer = writer or pyarrow.parquet.ParquetWriter(path, table.schema)
            writer.write_table(table)
        if writer is None:
            pyarrow.parquet.write_table(pyarrow.table({}), path)
    except pyarrow.ArrowException as error:
        raise ValueError(str(error)) from error
    finally:
        if writer is not None:
            writer.close()


def _write_npy(run: "Run", path: Path) -> None:
    try:
        import numpy as np  # noqa: PLC0415 - only arrays need it
    except ImportError as error:
        raise NotStartedError("a .npy file needs numpy: pip install numpy") from error
    try:
        value = [each.result for each in run.results()]
    except LostRunError:
        value = run.result
    array = value if isinstance(value, np.ndarray) else np.array(value)
    numpy_values.is_array(array)
    with path.open("xb") as file:
        np.save(file, array, allow_pickle=False)


WRITERS: dict[str, Callable[["Run", Path], None]] = {
    ".jsonl": _write_jsonl,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".npy": _write_npy,
}
