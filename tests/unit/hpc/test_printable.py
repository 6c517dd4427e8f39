"""Output of commands never steers a terminal: on stdout, on stderr, in CSV and in HTML."""

import csv
import io
import json
import sys
import unicodedata

import pytest

from hpc.commands.failures_csv import csv_lines
from hpc.commands.logs import shown_lines
from hpc.report.escape import escape
from hpc.runs.failed_items import FailedItem
from hpc.terminal.console import emit, say
from hpc.terminal.printable import printable

# Colours, window title, clear screen, C1's one-byte CSI, carriage return, a forged line, bidirectional override, zero
# width, separators, a tag character, half of a surrogate pair, DEL.
STEERING = (
    "\x1b[31m",
    "\x1b]0;title\x07",
    "\x1b[2J",
    "\x9b2J",
    "\rhpc: done",
    "\nhpc: total 42",
    "\u202eabc",
    "\u2066abc",
    "\u200b",
    "\u2028",
    "\u2029",
    "\U000e0041",
    "\udc80",
    "\x7f",
    "\t",
    "\x85",
    "\b\b\b",
    "\0",
)


@pytest.mark.parametrize("steering", STEERING, ids=ascii)
@pytest.mark.parametrize("channel", ["stdout", "stderr"])
def test_terminal_gets_nothing_that_steers_it(channel: str, steering: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"before {steering} after"
    if channel == "stdout":
        emit(text, kept_in="a file")
    else:
        say(text)
    shown = getattr(capsys.readouterr(), channel.removeprefix("std"))
    assert shown.count("\n") == 1
    assert shown.removesuffix("\n").isprintable()
    assert shown.startswith("before ")
    assert shown.endswith(" after\n")


def test_every_character_but_those_that_steer_is_shown_as_it_is() -> None:
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        steers = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        assert (printable(character) != character) == steers
        if steers:
            assert json.loads(f'"{printable(character)}"') == character


@pytest.mark.parametrize("text", ["plain", "schön 数 🙂", "a b", r"C:\new"])
def test_text_is_shown_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_json_stays_the_json_that_it_was() -> None:
    for value in STEERING:
        for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
            assert json.loads(printable(text)) == value


def test_html_has_lines_and_nothing_that_steers() -> None:
    shown = escape("a\n\x1b[2J\u202e<b>\r")
    assert shown == "a\n\\u001b[2J\\u202e&lt;b&gt;\\r"


def test_log_message_with_carriage_returns_is_lines() -> None:
    assert shown_lines("Traceback:\r  File\tx\r") == ["Traceback:", "  File  x"]


def rows(items: list[FailedItem], *, is_raw: bool) -> list[dict[str, str]]:
    text = "".join(f"{line}\n" for line in csv_lines(items, is_raw=is_raw))
    return list(csv.DictReader(io.StringIO(text, newline="")))


def failed(cause: str, item: object = 0) -> FailedItem:
    return FailedItem(0, item, "ValueError", cause, 1, 0)


VALUES = [
    *STEERING,
    "two\nlines",
    'a "quoted", cell',
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1",
]


@pytest.mark.parametrize("cause", VALUES, ids=ascii)
def test_raw_csv_has_the_exact_values(cause: str) -> None:
    assert [row["cause"] for row in rows([failed(cause), failed("next")], is_raw=True)] == [cause, "next"]


@pytest.mark.parametrize("cause", VALUES, ids=ascii)
def test_csv_is_obeyed_by_no_spreadsheet_and_no_terminal(cause: str) -> None:
    found = rows([failed(cause), failed("next")], is_raw=False)
    assert [row["index"] for row in found] == ["0", "0"]
    cell = found[0]["cause"]
    assert all(line.isprintable() for line in cell.split("\n"))
    assert not cell.startswith(tuple("=+-@\t\r\n\uff1d"))
    begins = cause.startswith(tuple("=+-@\t\r\n\uff1d"))
    assert cell.startswith("'") == begins
    assert cell.removeprefix("'" * begins) == "\n".join(map(printable, cause.split("\n")))


@pytest.mark.parametrize("item", [-5, -1.5e-7, [1], {"a": "=1"}])
def test_numbers_stay_numbers(item: object) -> None:
    [row] = rows([failed("", item)], is_raw=False)
    assert json.loads(row["input"]) == item
