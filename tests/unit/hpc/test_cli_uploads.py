"""`hpc.commands.uploads`: every local file arrives, or the command says why not."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws
from stubs import deployed_stack

from hpc.commands.uploads import WINDOW, check_items, check_source, upload_items, upload_source
from hpc.errors import NotStartedError
from hpc.targets.client import Target


@pytest.fixture
def target() -> Iterator[Target]:
    with mock_aws():
        target = deployed_stack("arn")
        target.s3.create_bucket(Bucket="results")
        yield target


def objects(target: Target) -> dict[str, bytes]:
    pages = target.s3.get_paginator("list_objects_v2").paginate(Bucket="results")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return {key: target.s3.get_object(Bucket="results", Key=key)["Body"].read() for key in keys}


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
@pytest.mark.parametrize("content", [b"", b'{"a": 1}\n', b"x" * 9_000_000])
def test_upload_items_puts_the_file_under_the_runs_name(
    target: Target, tmp_path: Path, suffix: str, content: bytes
) -> None:
    file = tmp_path / f"parameters{suffix}"
    file.write_bytes(content)
    assert upload_items(target, "run-1", check_items(str(file))) == f"s3://results/uploads/run-1/items{suffix}"
    assert objects(target) == {f"uploads/run-1/items{suffix}": content}


def test_upload_source_puts_every_file_below_the_folder(
    target: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {f"part {k % 3}/nested/{k} ü.bin": os.urandom(k % 7) for k in range(WINDOW + 5)}
    for name, content in files.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    (tmp_path / "in/link.bin").symlink_to(tmp_path / "in/part 1/nested/1 ü.bin")
    files["link.bin"] = files["part 1/nested/1 ü.bin"]
    assert upload_source(target, "run-1", tmp_path / "in") == "s3://results/uploads/run-1/source/"
    assert objects(target) == {f"uploads/run-1/source/{name}": content for name, content in files.items()}
    assert f"uploaded {len(files)} files" in capsys.readouterr().err


def test_upload_source_fails_when_the_folder_has_no_file(target: Target, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotStartedError, match="must be a folder with files in it"):
        upload_source(target, "run-1", tmp_path)


def test_upload_source_fails_rather_than_leave_something_out(target: Target, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a").write_text("a")
    (tmp_path / "in/pipe").touch()
    (tmp_path / "in/pipe").unlink()
    os.mkfifo(tmp_path / "in/pipe")
    with pytest.raises(NotStartedError, match=r"something that is not a file: .*pipe"):
        upload_source(target, "run-1", tmp_path / "in")
    (tmp_path / "in/pipe").unlink()
    (tmp_path / "in/broken").symlink_to(tmp_path / "nowhere")
    with pytest.raises(NotStartedError, match=r"something that is not a file: .*broken"):
        upload_source(target, "run-1", tmp_path / "in")
    (tmp_path / "in/broken").unlink()
    (tmp_path / "in/folder").symlink_to(tmp_path)
    with pytest.raises(NotStartedError, match=r"a link to a folder, which is not followed: .*folder"):
        upload_source(target, "run-1", tmp_path / "in")


def test_upload_source_fails_when_a_name_is_not_utf8(target: Target, tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff")).write_text("a")
    with pytest.raises(NotStartedError, match=r"whose name is not UTF-8: '\\udcff'"):
        upload_source(target, "run-1", tmp_path)


def test_upload_fails_when_the_bucket_is_missing(target: Target, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a")
    target.s3.delete_bucket(Bucket="results")
    with pytest.raises(NotStartedError, match=r"uploading .*a.csv: .*NoSuchBucket"):
        upload_items(target, "run-1", tmp_path / "a.csv")
    with pytest.raises(NotStartedError, match=r"uploading .*a.csv: .*NoSuchBucket"):
        upload_source(target, "run-1", tmp_path)


def test_check_source_passes_objects_in_s3_through() -> None:
    assert check_source("s3://bucket/prefix") is None


def test_upload_that_fails_is_named_and_ends_the_others(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4 * WINDOW):
        (tmp_path / f"{number:04}.txt").write_text("content")
    tried = []

    def upload(path: str, *_: object, **__: object) -> None:
        tried.append(path)
        if path.endswith("0003.txt"):
            raise OSError("no more")

    monkeypatch.setattr(target.s3, "upload_file", upload)
    with pytest.raises(NotStartedError, match=r"uploading \S+/0003\.txt: no more"):
        upload_source(target, "run-1", tmp_path)
    assert len(tried) <= len(set(tried)) < 4 * WINDOW


def test_uploads_say_how_far_they_are(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text("content")
    monkeypatch.setattr("hpc.terminal.counter.PLAIN_EVERY_SECONDS", 0)
    upload_source(target, "run-1", tmp_path)
    assert capsys.readouterr().err.splitlines() == [
        *(f"uploading {number} of 3 files" for number in (1, 2, 3)),
        f"uploaded 3 files of {tmp_path}",
    ]


def test_one_file_is_no_files(target: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.txt").write_text("content")
    upload_source(target, "run-1", tmp_path)
    assert capsys.readouterr().err == f"uploaded 1 file of {tmp_path}\n"
