"""`hpc.terminal.console`: results on stdout, whatever it can take."""

import io

import pytest

from hpc.terminal.console import emit


def test_result_that_stdout_has_no_characters_for_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    emit("ünd €", kept_in="a file")
    assert raw.getvalue() == rb"\xfcnd \u20ac" + b"\n"
