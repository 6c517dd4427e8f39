"""Failed items as CSV, for a spreadsheet or for a program."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from hpc.runs.failed_items import FailedItem
from hpc.terminal.printable import printable

FIELDS = ("index", "input", "error", "cause", "attempts", "batch")
# RFC 4180.  It is not written; the csv module quotes cells that hold a character of it.
LINE_END = "\r\n"
# A cell that begins with one of these may be taken for a formula.  Source: OWASP, "CSV Injection".
FORMULA_BEGINS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


def csv_lines(items: Iterable[FailedItem], *, is_raw: bool) -> Iterator[str]:
    """Yield a header and a row an item; a row has several lines where a cell has.

    Parameters
    ----------
    is_raw
        Whether cells are exactly the values. Otherwise control characters but line feeds are escaped, and a cell that a
        spreadsheet may take for a formula begins with an apostrophe.
    """
    yield _row(FIELDS)
    for item in items:
        values = asdict(item) | {"input": json.dumps(item.input)}
        cells = [values[name] for name in FIELDS]
        yield _row(cells if is_raw else map(_harmless, cells))


def _row(cells: Iterable[Any]) -> str:
    row = io.StringIO(newline="")
    csv.writer(row, lineterminator=LINE_END).writerow(cells)
    return row.getvalue().removesuffix(LINE_END)


def _harmless(value: Any) -> Any:
    """Return a cell that neither a spreadsheet nor a terminal obeys; a number stays one."""
    if not isinstance(value, str) or NUMBER.fullmatch(value):
        return value
    apostrophe = "'" * value.startswith(FORMULA_BEGINS)
    return apostrophe + "\n".join(map(printable, value.replace("\r\n", "\n").split("\n")))
