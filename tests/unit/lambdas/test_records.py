"""Result files: every shape that AWS writes is read, in blocks, and every broken one is named."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.results import result_files
from lambdas.results.records import interpret
from lambdas.results.result_files import ArrayScanner, ResultFile
from lambdas.run_files import storage
from lambdas.run_files.errors import InvalidEventError, ResultFileError

BUCKET = "results-bucket"
ARN = "arn:aws:states:us-east-1:000000000000:mapRun:MapReduce/ComputeMap:a"
RECORDED = Path(
    os.environ.get("HPC_RECORDED_RESULTS_DIR", Path(__file__).parents[3].parent / "shared" / "recorded_results")
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(), values, max_size=4),
    max_leaves=12,
)


def blocks(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@given(st.lists(JSON), st.integers(1, 40), st.booleans(), st.sampled_from([None, 2]))
def test_array_scanner_reads_what_json_reads_however_it_is_cut(
    values: list[Any], block_bytes: int, ascii_only: bool, indent: int | None
) -> None:
    data = json.dumps(values, ensure_ascii=ascii_only, indent=indent).encode(errors="surrogatepass")
    try:
        data.decode()
    except UnicodeDecodeError:
        return
    elements = list(ArrayScanner(iter(blocks(data, block_bytes))).elements())
    assert [value for _, _, value in elements] == values
    assert [json.loads(data[offset : offset + size]) for offset, size, _ in elements] == values


@given(st.lists(JSON, min_size=1), st.data())
def test_array_scanner_refuses_an_array_that_is_cut_off(values: list[Any], data: st.DataObject) -> None:
    whole = json.dumps(values).encode()
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(ValueError, match=r"."):
        list(ArrayScanner(iter(blocks(cut, 7))).elements())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[",
        b"[1,]",
        b"[,1]",
        b"[1 2]",
        b"[1,2",
        b"[1]]",
        b"[1] 2",
        b"{}",
        b"[NaN]",
        b"[Infinity]",
        b'["\xff"]',
        b'["\xc3',
        b"[tru]",
        b"[1,,2]",
        b"1",
        b"[01]",
        b"['a']",
        b"[1}",
    ],
)
@pytest.mark.parametrize("block_bytes", [1, 1000])
def test_array_scanner_refuses_what_is_no_array(data: bytes, block_bytes: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        list(ArrayScanner(iter(blocks(data, block_bytes))).elements())


def test_array_scanner_refuses_an_array_that_is_nested_too_deeply() -> None:
    with pytest.raises(ValueError, match=r"."):
        list(ArrayScanner(iter([b"[" * 5_000])).elements())


def test_array_scanner_gives_up_on_a_record_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result_files, "MAX_RECORD_BYTES", 1000)
    read = []
    endless = (read.append(1) or (b'["' + b"x" * 98 if len(read) == 1 else b"x" * 100) for _ in range(1_000_000))
    with pytest.raises(ValueError, match="Unterminated string"):
        list(ArrayScanner(endless).elements())
    assert len(read) < 15


def put(s3: Any, key: str, body: bytes, status: str = "SUCCEEDED") -> ResultFile:
    s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    return ResultFile(status, key, len(body))


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_stream_records_names_the_place_of_each(s3: Any, monkeypatch: Any, name: str) -> None:
    monkeypatch.setattr(storage, "BLOCK_BYTES", 10)
    values = [{"text": "ü" * 9}, [1, 2], "x", 12_345_678_901_234]
    texts = [json.dumps(value, ensure_ascii=False) for value in values]
    body = ("\n".join(texts) + "\n" if name == "a.jsonl" else f"[{', '.join(texts)}]").encode()
    records = list(result_files.stream_records(BUCKET, put(s3, name, body), 3))
    assert [value for _, value in records] == values
    assert [json.loads(body[place.offset : place.offset + place.size_bytes]) for place, _ in records] == values
    assert {place.file_number for place, _ in records} == {3}


@pytest.mark.parametrize(
    ("name", "body", "size", "message"),
    [
        ("a.json", b"[1,2]", 6, "has 5 bytes, its manifest says 6"),
        ("a.jsonl", b"1\n", 20, "has 2 bytes, its manifest says 20"),
        ("a.json", b"", 5, "has 0 bytes, its manifest says 5"),
        ("a.json", b"", 0, r"a\.json is not a JSON array: expected one of \[ at byte 0, got the end"),
        ("a.json", b"[1,2", 4, r"a\.json is not a JSON array: expected one of ,\] at byte 4, got the end"),
        ("a.json", b'{"a":1}', 7, r'is not a JSON array: expected one of \[ at byte 0, got "{"'),
        ("a.jsonl", b'{"a":1}\n{"a":', 13, r"a\.jsonl is not JSON at byte 8"),
        ("a.jsonl", b"1\n\n2\n", 5, r"a\.jsonl is not JSON at byte 2"),
        ("a.jsonl", b"\xff\n", 2, r"a\.jsonl is not JSON at byte 0: 'utf-8' codec"),
    ],
)
def test_stream_records_names_a_broken_file(s3: Any, name: str, body: bytes, size: int, message: str) -> None:
    put(s3, name, body)
    with pytest.raises(ResultFileError, match=message):
        list(result_files.stream_records(BUCKET, ResultFile("SUCCEEDED", name, size), 0))


def test_stream_records_names_a_file_that_changes_meanwhile(s3: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(storage, "BLOCK_BYTES", 10)
    file = put(s3, "changes.jsonl", b"1111111\n" * 10)
    records = result_files.stream_records(BUCKET, file, 0)
    next(records)
    put(s3, "changes.jsonl", b"2222222\n" * 10)
    with pytest.raises(ResultFileError, match=r"changes\.jsonl changed while it was read"):
        list(records)


def manifest(**changes: Any) -> dict[str, Any]:
    files = {"FAILED": [], "PENDING": [], "SUCCEEDED": [{"Key": "runs/a/map/u/SUCCEEDED_0.json", "Size": 2}]}
    return {"DestinationBucket": BUCKET, "MapRunArn": ARN, "ResultFiles": files} | changes


def read(s3: Any, body: bytes, key: str = "runs/a/map/u/manifest.json", bucket: str = BUCKET) -> list[ResultFile]:
    s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    map_run = {"MapRunArn": ARN, "ResultWriterDetails": {"Bucket": bucket, "Key": key}}
    return result_files.read_manifest(BUCKET, "runs/a/map/", map_run)


def test_read_manifest_lists_files_of_succeeded_children_first(s3: Any) -> None:
    files = {
        status: [{"Key": f"runs/a/map/u/{status}_{number}.jsonl", "Size": number} for number in range(2)]
        for status in ("FAILED", "PENDING", "SUCCEEDED")
    }
    read_files = read(s3, json.dumps(manifest(ResultFiles=files)).encode())
    assert [file.status for file in read_files] == ["SUCCEEDED"] * 2 + ["FAILED"] * 2 + ["PENDING"] * 2
    assert [file.size_bytes for file in read_files] == [0, 1] * 3


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "does not have the shape of a manifest"),
        ({}, "does not have the shape of a manifest: KeyError"),
        (manifest(ResultFiles=None), "does not have the shape of a manifest"),
        (manifest(ResultFiles={"SUCCEEDED": []}), "does not have the shape of a manifest: KeyError"),
        (manifest(ResultFiles={"SUCCEEDED": [{"Key": "a"}]}), "does not have the shape of a manifest"),
        (manifest(ResultFiles={"SUCCEEDED": [7]}), "does not have the shape of a manifest"),
        (manifest(ResultFiles={**manifest()["ResultFiles"], "LOST": []}), 'files of the unknown status "LOST"'),
        (manifest(MapRunArn="arn:other"), "belongs to .*arn:other.*, not to arn:aws:states"),
        (manifest(DestinationBucket="other"), "belongs to .* and bucket .*other"),
        (
            manifest(ResultFiles=manifest()["ResultFiles"] | {"FAILED": [{"Key": "runs/b/map/u/F.json", "Size": 2}]}),
            "lists .*runs/b/map/u/F.json.*, which is not under runs/a/map/",
        ),
        (
            manifest(ResultFiles=manifest()["ResultFiles"] | {"FAILED": manifest()["ResultFiles"]["SUCCEEDED"]}),
            "lists a file twice",
        ),
    ],
)
def test_read_manifest_names_what_is_no_manifest_of_this_run(s3: Any, value: Any, message: str) -> None:
    with pytest.raises(ResultFileError, match=message):
        read(s3, json.dumps(value).encode())


def test_read_manifest_names_a_broken_or_foreign_object(s3: Any) -> None:
    with pytest.raises(ResultFileError, match=r"manifest\.json is not JSON"):
        read(s3, b'{"DestinationBucket":')
    with pytest.raises(ResultFileError, match=r"must be in the results bucket results-bucket, got .other"):
        read(s3, b"{}", bucket="other")
    with pytest.raises(ResultFileError, match=r"must be under runs/a/map/, got .runs/b/map"):
        read(s3, b"{}", key="runs/b/map/u/manifest.json")


@pytest.mark.parametrize("map_run", [None, {}, {"MapRunArn": ARN}, {"MapRunArn": ARN, "ResultWriterDetails": []}])
def test_read_manifest_refuses_a_state_without_map_run(map_run: Any) -> None:
    with pytest.raises(InvalidEventError, match="map_run must be"):
        result_files.read_manifest(BUCKET, "runs/a/map/", map_run)


def recorded_files() -> list[Path]:
    return sorted(RECORDED.glob("*/*_[0-9].json*"))


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recorded result files at {RECORDED}")
@pytest.mark.parametrize("path", recorded_files(), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_recorded_result_files_are_read_whole_and_none_is_taken_for_ours(s3: Any, path: Path) -> None:
    body = path.read_bytes()
    status = path.name.partition("_")[0]
    file = put(s3, f"recorded/{path.parent.name}/{path.name}", body, status)
    values = [value for _, value in result_files.stream_records(BUCKET, file, 0)]
    lines = path.suffix == ".jsonl"
    assert values == ([json.loads(line) for line in body.splitlines()] if lines else json.loads(body))
    for value in values:
        if status == "SUCCEEDED":
            with pytest.raises(ResultFileError, match="is not of this pipeline"):
                interpret(value, "a", status)
        else:
            record = interpret(value, "a", status)
            assert (record.count, record.failure.error_type) == (1, value.get("Error", value["Status"]))


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recorded result files at {RECORDED}")
@pytest.mark.parametrize("path", sorted(RECORDED.glob("*/manifest.json")), ids=lambda path: path.parent.name)
def test_recorded_manifests_list_files_of_the_recorded_sizes(s3: Any, path: Path) -> None:
    value = json.loads(path.read_text()) | {"DestinationBucket": BUCKET}
    s3.put_object(Bucket=BUCKET, Key="results/manifest.json", Body=json.dumps(value).encode())
    details = {"Bucket": BUCKET, "Key": "results/manifest.json"}
    map_run = {"MapRunArn": value["MapRunArn"], "ResultWriterDetails": details}
    files = result_files.read_manifest(BUCKET, "results/", map_run)
    assert {Path(file.key).name: file.size_bytes for file in files} == {
        other.name: other.stat().st_size for other in path.parent.iterdir() if other != path
    }
