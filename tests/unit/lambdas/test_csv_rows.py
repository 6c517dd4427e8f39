"""Rows of a CSV file, as Step Functions' developer guide says that it reads them."""

import io
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from sfn_local.maps import csv_rows as runner

from lambdas.items import csv_rows as handlers

Read = Callable[..., list[list[str]]]


@pytest.fixture(params=[runner, handlers], ids=["runner", "handlers"])
def read(request: pytest.FixtureRequest) -> Read:
    def rows(text: str, *delimiter: str) -> list[list[str]]:
        return list(request.param.read_rows(io.StringIO(text, newline=""), *delimiter))

    return rows


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", []),
        ("a,b\n1,2", [["a", "b"], ["1", "2"]]),
        ("a,b\r\n1,\r\n", [["a", "b"], ["1", ""]]),
        ("a\r1\r", [["a"], ["1"]]),
        ("a\n\n1\n", [["a"], [], ["1"]]),
        (" a , b\n", [[" a ", " b"]]),
        ("x\\,y,z\n", [["x,y", "z"]]),
        ("C:\\\\Program Files\\\\MyApp.exe,6534512\n", [["C:\\Program Files\\MyApp.exe", "6534512"]]),
        ('{""MyKey"":""MyValue""}\n', [['{"MyKey":"MyValue"}']]),
        ('""a"" b,c\n', [['"a" b', "c"]]),
        ('"",""""\n', [["", '"']]),
        ('"a ""b"", c",d\n', [['a "b", c', "d"]]),
        ('a,"b\r\n\nc",d\ne\n', [["a", "b\r\n\nc", "d"], ["e"]]),
        ('"a\\"b\\,c\\\\","\\q"\n', [['a"b,c\\', "q"]]),
        ("a\\qb,\\\n", [["aqb", ""]]),
        ('"a\\\nb"\n', [["a\nb"]]),
        ('6" nail,5\n', [['6" nail', "5"]]),
        ("a\\|b\n", [["a|b"]]),
        ("\u2028,\x0b\x0c\x1c\n", [["\u2028", "\x0b\x0c\x1c"]]),
    ],
)
def test_rows(read: Read, text: str, rows: list[list[str]]) -> None:
    assert read(text) == rows


@pytest.mark.parametrize("delimiter", ["|", ";", " ", "\t"])
def test_other_delimiters_are_escaped_and_a_comma_is_plain(read: Read, delimiter: str) -> None:
    assert read(f'a\\{delimiter}b{delimiter}"c{delimiter}d"{delimiter}e,f\n', delimiter) == [
        [f"a{delimiter}b", f"c{delimiter}d", "e,f"]
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('a\n"b\nc\n', "line 2 has a quotation mark that none closes"),
        ('a\n"b" c\n', "line 2 has text behind a quotation mark that ends a field"),
        ('"b\n\n"c\n', "line 3 has text behind"),
    ],
)
def test_what_is_no_csv_is_named(read: Read, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(text)


def test_quotation_mark_that_nobody_closes_is_not_read_to_the_end_of_the_file() -> None:
    lines = iter(['"a\n', *["x" * 1_000_000] * 20])
    with pytest.raises(ValueError, match="line 1 has a quotation mark"):
        list(runner.read_rows(lines))
    assert len(list(lines)) == 12


def test_many_fields_take_linear_time(read: Read) -> None:
    row = ['"a"', "b\\,"] * 200_000
    assert len(read(",".join(row) + "\n")[0]) == len(row)


def test_both_modules_are_one() -> None:
    texts = [_source(module).partition('"""\n')[2] for module in (runner, handlers)]
    assert texts[0] == texts[1]


def _source(module: ModuleType) -> str:
    return Path(module.__file__).read_text(encoding="utf-8")
