"""`lambdas.batch.workload_package`: a run computes with just the files that it brought, or is refused by name."""

import hashlib
import io
import stat
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdas import workloads
from lambdas.batch import workload_package
from lambdas.run_files import errors

MAIN = """
from pathlib import Path
import beside
DATA = int((Path(__file__).parent / "data" / "n.txt").read_text())
def compute(item): return item * beside.FACTOR + DATA
def combine(a, b): return a + b
"""


@pytest.fixture(autouse=True)
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Unpack below a folder of this test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    workload_package.activate(None)
    workloads._load_uploaded.cache_clear()


@pytest.fixture
def upload(s3: Any, pipeline: Any) -> Callable[[bytes], str]:
    def put(data: bytes, sha256: str | None = None) -> str:
        sha256 = sha256 or hashlib.sha256(data).hexdigest()
        s3.put_object(Bucket=pipeline(size=1).BUCKET, Key=workload_package.package_key(sha256), Body=data)
        return sha256

    return put


def packed(files: dict[str, str | bytes], modes: dict[str, int] | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in files.items():
            member = zipfile.ZipInfo(name)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = (modes or {}).get(name, stat.S_IFREG | 0o644) << 16
            package.writestr(member, content)
    return buffer.getvalue()


def test_run_computes_with_the_modules_and_data_that_it_brought(pipeline: Any, upload: Any) -> None:
    sha256 = upload(packed({"mine.py": MAIN, "beside.py": "FACTOR = 10\n", "data/n.txt": "1"}))
    run = pipeline(size=3, workload="mine", uploaded_workload=sha256, batch_size=2)
    assert run.run()["total_sum"] == "33"


def test_runs_with_modules_of_the_same_name_have_their_own(pipeline: Any, upload: Any) -> None:
    for factor in (10, 100, 10):
        lazy = MAIN.replace("import beside\n", "").replace("return item", "import beside; return item")
        files = {"mine.py": lazy, "beside.py": f"FACTOR = {factor}\n", "data/n.txt": "0"}
        run = pipeline(size=2, workload="mine", uploaded_workload=upload(packed(files)))
        assert run.run()["total_sum"] == str(factor)
    assert "beside" in sys.modules
    workload_package.activate(None)
    assert "beside" not in sys.modules
    assert not [path for path in sys.path if "hpc-workloads" in path]


@pytest.mark.parametrize(
    ("files", "modes", "message"),
    [
        ({"../mine.py": ""}, {}, r"stays in its folder, got the path '\.\./mine\.py'"),
        ({"a/../../mine.py": ""}, {}, "stays in its folder"),
        ({"/tmp/mine.py": ""}, {}, "stays in its folder, got the path '/tmp/mine.py'"),
        ({"C:/mine.py": ""}, {}, "stays in its folder"),
        ({"a\\..\\mine.py": ""}, {}, "stays in its folder"),
        ({"a//mine.py": ""}, {}, "stays in its folder"),
        ({"./mine.py": ""}, {}, "stays in its folder"),
        ({"mine.py": "/etc/passwd"}, {"mine.py": stat.S_IFLNK | 0o777}, "plain files only, 'mine.py' is a link"),
        ({"mine.py": ""}, {"mine.py": stat.S_IFIFO | 0o644}, "plain files only, 'mine.py' is no plain file"),
        ({"mine": "", "mine/x.py": ""}, {}, "can't be unpacked"),
        ({"other.py": ""}, {}, r"has no file mine\.py"),
        ({}, {}, r"has no file mine\.py"),
    ],
)
def test_package_with_other_than_plain_files_below_it_is_refused(
    upload: Any, packages: Path, files: Any, modes: Any, message: str
) -> None:
    with pytest.raises(errors.UploadedWorkloadError, match=message):
        workloads.load("mine", upload(packed(files, modes)))
    assert not [path for path in packages.rglob("*.py") if path.name == "mine.py"]


def test_package_that_holds_a_file_twice_is_refused(upload: Any) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr("mine.py", "")
        with pytest.warns(UserWarning, match="Duplicate"):
            package.writestr("mine.py", "1 / 0")
    with pytest.raises(errors.UploadedWorkloadError, match=r"'mine\.py' is there twice"):
        workloads.load("mine", upload(buffer.getvalue()))


def test_bomb_of_a_gigabyte_is_refused_before_it_is_written(upload: Any, packages: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package, package.open("mine.py", "w") as file:
        for _ in range(1024):
            file.write(bytes(1024 * 1024))
    sha256 = upload(buffer.getvalue())
    with pytest.raises(errors.UploadedWorkloadError, match="may have 262144000 bytes in all, got 1073741824"):
        workloads.load("mine", sha256)
    assert not list(packages.rglob("*.py"))


def test_bomb_that_lies_about_its_length_is_refused(upload: Any, packages: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(workload_package, "MAX_UNPACKED_BYTES", 2_000)
    data = packed({"mine.py": bytes(1_000_000)})
    lying = data.replace((1_000_000).to_bytes(4, "little"), (1_000).to_bytes(4, "little"))
    with pytest.raises(errors.UploadedWorkloadError):
        workloads.load("mine", upload(lying))
    assert not list(packages.rglob("*.py"))


def test_package_that_is_too_long_is_refused(upload: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(workload_package, "MAX_PACKED_BYTES", 1_000)
    with pytest.raises(errors.UploadedWorkloadError, match="may have 1000 bytes, it has more"):
        workloads.load("mine", upload(bytes(1_001)))


@pytest.mark.parametrize("data", [b"", b"no zip", packed({"mine.py": "x" * 1_000})[:60]])
def test_what_is_no_zip_is_refused(upload: Any, data: bytes) -> None:
    with pytest.raises(errors.UploadedWorkloadError, match="is no zip that can be read"):
        workloads.load("mine", upload(data))


def test_package_of_another_hash_is_refused(upload: Any) -> None:
    wrong = "0" * 64
    upload(packed({"mine.py": "def compute(item): return item"}), wrong)
    with pytest.raises(errors.UploadedWorkloadError, match="is another package: its sha256 is"):
        workloads.load("mine", wrong)


@pytest.mark.parametrize("named", ["../../runs/other/run.json", "A" * 64, "0" * 63, "0" * 64 + "\n", 7, None])
def test_nothing_but_a_hash_names_a_package(pipeline: Any, named: Any) -> None:
    run = pipeline(size=1, workload="mine", uploaded_workload=named)
    with pytest.raises(errors.InvalidInputError, match="uploaded_workload must be the SHA-256 of a package"):
        run.start()


def test_package_that_is_not_there_is_refused(pipeline: Any) -> None:
    run = pipeline(size=1, workload="mine", uploaded_workload="1" * 64)
    with pytest.raises(errors.StorageAccessError, match=f"uploads/workloads/{'1' * 64}/package.zip is missing"):
        run.start()


def test_stack_that_takes_no_uploaded_workload_says_so(pipeline: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("UPLOADED_WORKLOADS", "false")
    run = pipeline(size=1, workload="mine", uploaded_workload="0" * 64)
    with pytest.raises(errors.InvalidInputError, match="hpc:uploaded_workloads is false"):
        run.start()


def test_folder_that_others_may_enter_is_refused(upload: Any, packages: Path) -> None:
    sha256 = upload(packed({"mine.py": "def compute(item): return item"}))
    workloads.load("mine", sha256)
    [folder] = packages.glob("hpc-workloads-*")
    folder.chmod(0o777)
    with pytest.raises(errors.UploadedWorkloadError, match="may enter: remove it"):
        workloads.load("mine", sha256)


def test_missing_module_says_what_travels(upload: Any) -> None:
    with pytest.raises(errors.WorkloadError, match="modules beside the workload travel with it"):
        workloads.load("mine", upload(packed({"mine.py": "import no_such_module"})))
