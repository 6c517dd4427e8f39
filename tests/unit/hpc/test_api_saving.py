"""`hpc.api.saving`: results of every type in every kind of file, or the refusal that names the kind that takes them."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hpc.api import saving
from hpc.api.values import ItemResult
from hpc.errors import LostRunError, NotStartedError

TIME = np.datetime64("2026-11-30T12:00:00.000000001")


def saved(path: Path, *results: Any, items: Any = None) -> Path:
    """Save results; of an exception nothing but that the item failed."""

    def rows() -> Iterator[ItemResult]:
        for index, value in enumerate(results):
            item = index if items is None else items[index]
            yield ItemResult(index, item, None, failed=True) if value is FAILED else ItemResult(index, item, value)

    run: Any = SimpleNamespace(results=rows)
    return saving.save(run, path)


FAILED = object()


@pytest.mark.parametrize(
    ("results", "lines"),
    [
        ((1, np.int16(2), None), ["index,item,result", "0,0,1", "1,1,2", "2,2,"]),
        ((np.float64("nan"), np.float32(0.5)), ["index,item,result", "0,0,nan", "1,1,0.5"]),
        (([1, 2], (np.int8(3),)), ["index,item,result", '0,0,"[1, 2]"', "1,1,[3]"]),
        ((TIME,), ["index,item,result", "0,0,2026-11-30T12:00:00.000000001"]),
        ((FAILED, {"a": 1, "b": "x"}), ["index,item,result.a,result.b", "0,0,,", "1,1,1,x"]),
        ((FAILED, FAILED), ["index,item,result", "0,0,", "1,1,"]),
        ((), []),
    ],
)
def test_csv(tmp_path: Path, results: tuple[Any, ...], lines: list[str]) -> None:
    assert saved(tmp_path / "a.csv", *results).read_text().splitlines() == lines


@pytest.mark.parametrize(
    ("name", "results", "message"),
    [
        ("a.csv", (b"x",), "CSV has no bytes: save them as .parquet"),
        ("a.csv", ({"a": 1}, {"b": 1}), "the row of item 1 has other columns than that of 0"),
        ("a.jsonl", (b"x",), "JSON has no bytes: save it as .npy or .parquet"),
        ("a.jsonl", (np.float64("nan"),), "JSON has neither NaN nor infinities: save it as"),
        ("a.npy", ([1], [1, 2]), "inhomogeneous"),
        ("a.npy", ({"a": 1},), "object"),
        ("a.txt", (1,), r"must get a file that ends in \.jsonl, \.csv, \.parquet, \.npy"),
        ("no/a.csv", (1,), "can't be written"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(
    tmp_path: Path, name: str, results: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(NotStartedError, match=message):
        saved(tmp_path / name, *results)
    assert list(tmp_path.iterdir()) == []


def test_jsonl_has_items_and_failures(tmp_path: Path) -> None:
    lines = saved(tmp_path / "a.jsonl", (1, np.int64(2)), FAILED, items=[{"x": 1}, "y"]).read_text().splitlines()
    assert list(map(json.loads, lines)) == [
        {"index": 0, "item": {"x": 1}, "result": [1, 2]},
        {"index": 1, "item": "y", "failed": True},
    ]


@pytest.mark.parametrize("dtype", ["<i4", "<f8", "|b1", "<c16", "<M8[ns]", "<m8[s]", "|S3", "<U2"])
def test_npy_keeps_the_dtype(tmp_path: Path, dtype: str) -> None:
    rows = np.zeros((3, 2), dtype)
    loaded = np.load(saved(tmp_path / "a.npy", *rows))
    assert loaded.dtype == rows.dtype
    assert loaded.tobytes() == rows.tobytes()


def test_npy_of_a_run_that_combines_is_its_result(tmp_path: Path) -> None:
    def refuse() -> Iterator[ItemResult]:
        raise LostRunError("no results of single items")

    run: Any = SimpleNamespace(results=refuse, result=np.arange(3))
    assert np.load(saving.save(run, tmp_path / "a.npy")).tolist() == [0, 1, 2]


@pytest.mark.parametrize("value", [1.5, np.float64("inf"), TIME, b"x", [1, 2], np.arange(3), {"a": np.int8(1)}, "text"])
def test_parquet_keeps_what_arrow_has(tmp_path: Path, value: Any) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed: make test installs it")
    table = parquet.read_table(saved(tmp_path / "a.parquet", value))
    if value is TIME:
        assert table["result"].to_numpy().tolist() == [TIME.astype(int)]
        return
    [row] = table.to_pylist()
    if isinstance(value, dict):
        assert row == {"index": 0, "item": 0, "result.a": 1}
    else:
        assert row["result"] == (value.tolist() if isinstance(value, np.ndarray) else value)


def test_parquet_is_written_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed: make test installs it")
    monkeypatch.setattr(saving, "ROW_GROUP", 2)
    table = parquet.read_table(saved(tmp_path / "a.parquet", 1, FAILED, 3, 4, 5))
    assert table.column("result").to_pylist() == [1, None, 3, 4, 5]
    assert parquet.ParquetFile(tmp_path / "a.parquet").num_row_groups == 3
    assert parquet.read_table(saved(tmp_path / "none.parquet")).num_rows == 0
    with pytest.raises(NotStartedError, match="can't be written"):
        saved(tmp_path / "mixed.parquet", 1, 2, "text")


def test_frame_has_a_row_an_item() -> None:
    pytest.importorskip("pandas", reason="pandas is not installed: make test installs it")
    rows = [ItemResult(0, {"x": 2}, {"a": np.float32(1)}), ItemResult(1, {"x": 3}, None, failed=True)]
    frame = saving.to_pandas(iter(rows))
    assert list(frame.columns) == ["index", "item.x", "result.a", "result"]
    assert frame["item.x"].tolist() == [2, 3]


@pytest.mark.parametrize(("module", "extra"), [("pandas", "pandas"), ("pyarrow", "parquet")])
def test_package_that_is_missing_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, extra: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(NotStartedError, match=rf"pip install 'serverless-hpc\[{extra}\]'"):
        _ = saving.to_pandas(iter(())) if module == "pandas" else saved(tmp_path / "a.parquet", 1)
