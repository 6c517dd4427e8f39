"""Bad inputs, all against one server: exit 1 or 2, what was given and what is allowed, no traceback, no total."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hpc_commands import MISSING_BUCKET, assembly, call
from sfn_local.server import Connection, LocalServer

from hpc.cli.main import main

Refused = Callable[..., str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Connection]:
    """Host one server; the commands of this module attach to it."""
    with LocalServer(home, assembly()) as connection:
        yield connection


@pytest.fixture
def refused(
    home: Path, server: Connection, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Refused:
    """Return a function that runs a command, checks how it ends, and returns what it says."""
    monkeypatch.setenv("HPC_HOME", str(home))

    def run(*options: str, code: int) -> str:
        try:
            ended = main(["run", *options, "--assembly", str(assembly())])
        except SystemExit as exit_:  # how argparse ends
            ended = int(str(exit_.code))
        shown = capfd.readouterr()
        assert ended == code, shown
        assert "Traceback" not in shown.err
        assert "total" not in shown.out
        return shown.err

    return run


def failed(refused: Refused, execution_input: str) -> str:
    """Run an execution input that Start has to refuse; return its error, with the name that Lambda reports."""
    message = refused("--input", execution_input, code=1)
    assert "InvalidInputError: " in message
    return message


@pytest.mark.parametrize(
    ("execution_input", "given", "allowed"),
    [
        # The size.
        ('{"size": -1}', "got -1", "from 0 to 9007199254740992"),
        ('{"size": 1.5}', "got 1.5", "must be an integer"),
        ('{"size": "7"}', 'got "7"', "must be an integer"),
        ('{"size": true}', "got true", "must be an integer"),
        ('{"size": null}', "got null", "must be an integer"),
        ('{"size": [7]}', "got [7]", "must be an integer"),
        ('{"size": 1e300}', "got 1e+300", "must be an integer"),
        # What to compute: exactly one.
        ("{}", "none of them", "exactly one of size, items, source"),
        ('{"workload": "squares"}', "none of them", "exactly one of size, items, source"),
        ('{"size": 1, "items": [1]}', "size and items", "exactly one of size, items, source"),
        ('{"size": 1, "source": "s3://a/b"}', "size and source", "exactly one of size, items, source"),
        ('{"size": 1, "items": [1], "source": "s3://a/b"}', "size and items and source", "exactly one"),
        # The execution input itself.
        ("[]", "got []", "must be a JSON object"),
        ("7", "got 7", "must be a JSON object"),
        ('"size"', 'got "size"', "must be a JSON object"),
        ("null", "got null", "must be a JSON object"),
        ('{"size": 1, "sise": 2}', "sise", "allowed are size, items, source, redrive_of, workload"),
        ('{"size": 1, "batchSize": 2}', "batchSize", "allowed are size, items, source, redrive_of, workload"),
        # The workload.
        ('{"size": 1, "workload": "nothing"}', 'got "nothing"', "must be one of echo, mandelbrot, n_queens,"),
        ('{"size": 1, "workload": "../squares"}', 'got "../squares"', "must be one of"),
        ('{"size": 1, "workload": "/etc/passwd"}', 'got "/etc/passwd"', "must be one of"),
        ('{"size": 1, "workload": "squares.py"}', 'got "squares.py"', "must be one of"),
        ('{"size": 1, "workload": "__init__"}', 'got "__init__"', "must be one of"),
        ('{"size": 1, "workload": ""}', 'got ""', "must be one of"),
        ('{"size": 1, "workload": 7}', "got 7", "must be text"),
        ('{"size": 1, "workload": null}', "got null", "must be text"),
        # Settings.
        ('{"size": 1, "params": []}', "got []", "must be a JSON object"),
        ('{"size": 1, "params": "{}"}', 'got "{}"', "must be a JSON object"),
        ('{"size": 1, "batch_size": 0}', "got 0", "from 1 to"),
        ('{"size": 1, "batch_size": -5}', "got -5", "from 1 to"),
        ('{"size": 1, "batch_size": "1"}', 'got "1"', "must be an integer"),
        ('{"size": 10001, "batch_size": 1}', "got 1", "must be 2 or more for 10001 items"),
        ('{"size": 1, "max_concurrency": 0}', "got 0", "from 1 to 10000"),
        ('{"size": 1, "max_concurrency": 10001}', "got 10001", "from 1 to 10000"),
        ('{"size": 1, "max_concurrency": 1.5}', "got 1.5", "must be an integer"),
        ('{"size": 1, "tolerated_failure_percentage": -1}', "got -1", "from 0 to 100"),
        ('{"size": 1, "tolerated_failure_percentage": 100.1}', "got 100.1", "from 0 to 100"),
        ('{"size": 1, "tolerated_failure_percentage": "5"}', 'got "5"', "from 0 to 100"),
        ('{"size": 1, "tolerated_failure_percentage": true}', "got true", "from 0 to 100"),
        # Data.
        ('{"items": 7}', "got 7", "must be a list"),
        ('{"items": "items.jsonl"}', 'got "items.jsonl"', "s3://bucket/key"),
        ('{"items": "s3://other-bucket/items.jsonl"}', "bucket other-bucket", "hpc:source_buckets"),
        ('{"source": 7}', "got 7", "s3://bucket/key"),
        ('{"source": "/tmp"}', 'got "/tmp"', "s3://bucket/key"),
        ('{"source": "s3://other-bucket/prefix"}', "bucket other-bucket", "hpc:source_buckets"),
        ('{"source": "s3://UPPER/prefix"}', "s3://UPPER/prefix", "s3://bucket/key"),
    ],
)
def test_start_refuses_the_input_and_names_what_is_allowed(
    refused: Refused, execution_input: str, given: str, allowed: str
) -> None:
    message = failed(refused, execution_input)
    assert given in message
    assert allowed in message


def test_start_refuses_data_that_is_not_where_uploads_are(refused: Refused, server: Connection) -> None:
    bucket = server.outputs["ResultsBucketName"]
    for place in (f"s3://{bucket}/runs/other/result.json", f"s3://{bucket}"):
        assert "must be under uploads/" in failed(refused, json.dumps({"source": place}))
    assert "uploads/none.jsonl" in refused(
        "--input", json.dumps({"items": f"s3://{bucket}/uploads/none.jsonl"}), code=1
    )
    assert "ends in .jsonl or .csv" in failed(refused, json.dumps({"items": f"s3://{bucket}/uploads/items.xlsx"}))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("broken.jsonl", b'{"a": 1}\n{"a": \n', "2"),
        ("binary.jsonl", b"\xff\xfe\n", "UTF-8"),
        ("short.csv", b"a,b\n1\n", "2"),
        ("twice.csv", b"a,a\n1,2\n", "a"),
    ],
)
def test_broken_item_files_are_refused_with_the_place(
    refused: Refused, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    shown = refused("--items", str(tmp_path / name), code=1)
    assert "InvalidInputError: " in shown
    assert message in shown.partition("InvalidInputError: ")[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "3", "--items", "a.csv"], "not allowed with argument --size"),
        (["--size", "three"], "must be an integer, got 'three'"),
        (["--size", "9" * 400], "at most 9,007,199,254,740,992"),
        (["--size", "3", "--params", '{"a": }'], "must be JSON"),
        (["--input", '{"size": 1'], "must be JSON or @FILE"),
        (["--input", '{"size": 1, "size": 2}'], "'size' is given twice"),
        (["--input", '{"size": 123456789012345678901234567890}'], "write it as a string"),
        (["--input", "@/no/such/file"], "can't be read"),
        (["--input", "{}", "--size", "3"], "not allowed with argument --input"),
        (["--input", "{}", "--params", "{}"], "give --params in it"),
        (["--items", "/no/such/file.csv"], "must be a file that can be read"),
        (["--items", __file__], "must be a file that ends in .jsonl or .csv"),
        (["--source", "/no/such/folder"], "must be a folder or s3://bucket/prefix"),
        (["--source", __file__], "must be a folder or s3://bucket/prefix"),
    ],
)
def test_command_refuses_before_anything_is_started(refused: Refused, options: list[str], message: str) -> None:
    shown = refused(*options, code=2)
    assert message in shown
    assert "started" not in shown


def test_service_refuses_an_input_over_its_limit(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "input.json").write_text(json.dumps({"size": 1, "params": {"a": "x" * 262_144}}))
    assert "Member must have length less than or equal to 262144" in refused(
        "--input", f"@{tmp_path / 'input.json'}", code=2
    )


def test_empty_folder_is_refused(refused: Refused, tmp_path: Path) -> None:
    assert "must be a folder with files in it" in refused("--source", str(tmp_path), code=2)


@pytest.mark.parametrize("data", ["items", "source"])
def test_missing_bucket_is_named(refused: Refused, data: str) -> None:
    place = f"s3://{MISSING_BUCKET}/folder/items.jsonl"
    shown = refused("--input", json.dumps({data: place}), code=1)
    assert MISSING_BUCKET in shown.partition("FAILED")[2]
    assert "StorageAccessError: " in shown


@pytest.mark.parametrize("named", ["nope", "mine", "__init__", ""])
def test_workload_that_is_not_there_is_refused_before_a_run_exists(
    tmp_path: Path, named: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "home"))
    (tmp_path / "mine.py").write_text("def compute(item):\n    return item\n")
    for arguments in (["run", "--size", "3"], ["plan", "--size", "3", "--sample", "1"]):
        done = call(capfd, *arguments, "--workload", named)
        assert (done.returncode, done.stdout) == (2, "")
        assert ("give --workload mine.py" in done.stderr) == (named == "mine")
        assert ("must be one of" in done.stderr) == (named != "mine")
        assert not (tmp_path / "home").exists()
