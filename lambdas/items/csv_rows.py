r"""Rows of a CSV file as Step Functions reads them, so that a file means the same to Start and to an ItemReader.

Python's ``csv`` follows other rules: it keeps ``""`` in a field that is not quoted.  ``sfn_local.maps.csv_rows`` is the
same module: the handlers and the local runner don't import each other.

Source: Step Functions developer guide, "How Step Functions parses input CSV files": fields may be quoted, and a quoted
field may hold delimiters and newlines; ``""`` is a quotation mark, in a quoted field or not; a backslash before a
backslash, a quotation mark or the delimiter makes that a plain character, any other backslash is dropped.
"""

import re
from collections.abc import Iterable, Iterator

# Longest quoted field: one without its end would be endless.  Source: Step Functions quotas, 8 MB an item of a Map Run.
MAX_FIELD_CHARACTERS = 8_000_000


class CsvError(ValueError):
    """A file is not CSV; the text names the line."""


def read_rows(lines: Iterable[str], delimiter: str = ",") -> Iterator[list[str]]:
    r"""Yield the fields of each row; an empty line is a row without fields.

    Parameters
    ----------
    lines : Iterable[str]
        With their line ends, ``\n``, ``\r\n`` or ``\r``.
    delimiter : str
        One character.

    Raises
    ------
    CsvError
        If a quoted field is not closed or too long, or something stands between its end and the next delimiter.
    """
    syntax = _Syntax(delimiter)
    row: list[str] = []
    quoted: list[str] = []  # a quoted field that goes on in the next line
    begun_at = characters = 0
    for number, line in enumerate(lines, 1):
        if not quoted and '"' not in line and "\\" not in line:
            text = line.rstrip("\r\n")
            yield text.split(delimiter) if text else []
            continue
        if not quoted:
            begun_at, characters = number, 0
        if syntax.read(line, row, quoted, number):
            yield row
            row = []
        characters += len(line)
        if quoted and characters > MAX_FIELD_CHARACTERS:
            break
    if quoted:
        limit = f"within {MAX_FIELD_CHARACTERS} characters"
        raise CsvError(f"line {begun_at} has a quotation mark that none closes {limit}")


class _Syntax:
    """The grammar for one delimiter; possessive, so that matching takes linear time."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._quoted = re.compile(r'(?:[^"\\]|""|\\.|\\\Z)*+', re.DOTALL)
        self._unquoted = re.compile(rf'(?:[^"\\{re.escape(delimiter)}\r\n]|"|\\[^\r\n]|\\)*+')
        self._doubled_start = re.compile(rf'""[^"{re.escape(delimiter)}\r\n]')
        self._escape = re.compile(r'""|\\(.?)', re.DOTALL)

    def read(self, line: str, row: list[str], quoted: list[str], number: int) -> bool:
        """Add the fields of a line to ``row``; say whether the row is complete, else ``quoted`` has its last field."""
        at, end = 0, len(line.rstrip("\r\n"))
        while True:
            if quoted or (line.startswith('"', at) and not self._doubled_start.match(line, at)):
                body = self._quoted.match(line, at if quoted else at + 1)
                assert body, "the pattern matches nothing as well"
                quoted.append(self._plain(body[0]))
                at = body.end()
                if at == len(line):
                    return False
                row.append("".join(quoted))
                quoted.clear()
                at += 1
            else:
                body = self._unquoted.match(line, at)
                assert body, "the pattern matches nothing as well"
                row.append(self._plain(body[0]))
                at = body.end()
            if at == end:
                return True
            if line[at] != self._delimiter:
                raise CsvError(f"line {number} has text behind a quotation mark that ends a field: double those within")
            at += 1

    def _plain(self, text: str) -> str:
        return self._escape.sub(self._unescaped, text)

    def _unescaped(self, match: re.Match[str]) -> str:
        return '"' if match[1] is None else match[1]
