"""`hpc.cli.arguments` and the parser: what is refused before a run starts, and what becomes the execution input."""

import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.cli.main import build_parser, main
from hpc.commands.inputs import MAX_EXACT_INTEGER, MAX_FILE_CHARACTERS, execution_input, parse_json, read_text
from hpc.commands.run import RunCommand
from hpc.errors import ExitCode, NotStartedError

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_EXACT_INTEGER, MAX_EXACT_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)


def input_of(*options: str) -> dict[str, object]:
    parsed = json.loads(execution_input(build_parser().parse_args(["run", *options]), uploaded=None))
    assert isinstance(parsed, dict)
    return parsed


def test_input_file_is_read_once_because_it_may_be_a_pipe(tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_text('{"size": 4}')
    args = build_parser().parse_args(["run", "--input", f"@{file}"])
    RunCommand(args)
    file.unlink()
    assert execution_input(args, uploaded=None) == '{"size": 4}'


@given(json_values)
def test_parse_json_returns_what_was_written_when_it_is_exact(value: object) -> None:
    assert parse_json(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("{}{}", "Extra data"),
        ("NaN", "NaN is not a JSON value"),
        ("[-Infinity]", "-Infinity is not a JSON value"),
        ("1e999", "too big for a double"),
        (str(MAX_EXACT_INTEGER + 1), "write it as a string"),
        ("9" * 5000, "write it as a string"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' is given twice"),
        ('"\\ud800"', "lone surrogate"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_parse_json_names_the_fault(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse_json(text)
    assert len(str(caught.value)) < 300


def test_execution_input_holds_only_the_options_that_were_given() -> None:
    assert input_of("--size", "7") == {"size": 7}
    assert input_of(
        *("--size", "7", "--workload", "squares", "--params", '{"a": [1.5]}', "--batch-size", "2"),
        *("--max-concurrency", "3", "--tolerated-failure-percentage", "2.5"),
    ) == {
        "size": 7,
        "workload": "squares",
        "params": {"a": [1.5]},
        "batch_size": 2,
        "max_concurrency": 3,
        "tolerated_failure_percentage": 2.5,
    }


def test_execution_input_keeps_a_whole_percentage_an_integer() -> None:
    text = execution_input(
        build_parser().parse_args(["run", "--size", "1", "--tolerated-failure-percentage", "5"]), None
    )
    assert text == '{"size":1,"tolerated_failure_percentage":5}'


def test_execution_input_names_the_uploaded_files() -> None:
    args = build_parser().parse_args(["run", "--items", "rows.csv"])
    assert json.loads(execution_input(args, "s3://bucket/key.csv")) == {"items": "s3://bucket/key.csv"}
    args = build_parser().parse_args(["run", "--source", "folder"])
    assert json.loads(execution_input(args, "s3://bucket/prefix/")) == {"source": "s3://bucket/prefix/"}


def test_execution_input_passes_input_on_as_it_was_written() -> None:
    args = build_parser().parse_args(["run", "--input", ' {"size": 1.50} '])
    assert execution_input(args, None) == '{"size": 1.50}'


def test_execution_input_reads_a_file(tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_text('{"size": 3, "workload": "squäres"}\n', encoding="utf-8")
    args = build_parser().parse_args(["run", "--input", f"@{file}"])
    assert execution_input(args, None) == '{"size": 3, "workload": "squäres"}'


def test_execution_input_fails_when_the_file_is_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_bytes(b'{"size": "\xff"}')
    args = build_parser().parse_args(["run", "--input", f"@{file}"])
    with pytest.raises(NotStartedError, match="can't be read as a UTF-8 file"):
        execution_input(args, None)


@pytest.mark.parametrize("option", ["--input", "--entries", "--faults"])
def test_file_that_has_no_end_is_not_read_to_it(tmp_path: Path, option: str) -> None:
    file = tmp_path / "endless"
    file.touch()
    os.truncate(file, MAX_FILE_CHARACTERS + 1)
    with pytest.raises(
        NotStartedError, match=r"has over 16,777,216 characters, an execution input may have at most 262,144"
    ):
        read_text(f"@{file}", option)


def test_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "spec"
    file.write_text("throttle Compute 5%", encoding="utf-8-sig")
    assert read_text(f"@{file}", "--faults") == "throttle Compute 5%"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "one of the arguments --size --items --source --input is required"),
        (["--size", "3", "--items", "a.csv"], "argument --items: not allowed with argument --size"),
        (["--size", "3", "--source", "a"], "argument --source: not allowed with argument --size"),
        (["--size", "3", "--input", "{}"], "argument --input: not allowed with argument --size"),
        (["--size", "many"], "argument --size: must be an integer, got 'many'"),
        (["--size", "1.5"], "argument --size: must be an integer, got '1.5'"),
        (["--size", "1e3"], "argument --size: must be an integer, got '1e3'"),
        (["--size", "1_000"], "argument --size: must be an integer, got '1_000'"),
        (["--size", ""], "argument --size: must be an integer, got ''"),
        (["--size", "٣"], "argument --size: must be an integer, got '٣'"),
        (["--size", "9" * 20], "must be an integer of at most 9,007,199,254,740,992"),
        (["--size", "9" * 5_000], "(5,000 characters)"),
        (["--size"], "argument --size: expected one argument"),
        (["--size", "3", "--batch-size", "x"], "argument --batch-size: must be an integer, got 'x'"),
        (["--size", "3", "--max-concurrency", "2.5"], "argument --max-concurrency: must be an integer, got '2.5'"),
        (["--size", "3", "--tolerated-failure-percentage", "nan"], "must be a number, got 'nan'"),
        (["--size", "3", "--tolerated-failure-percentage", "1e999"], "must be a number, got '1e999'"),
        (["--size", "3", "--tolerated-failure-percentage", "5%"], "must be a number, got '5%'"),
        (["--size", "3", "--params", "{"], "argument --params: must be JSON or @FILE, got '{'"),
        (["--size", "3", "--params", '{"a": NaN}'], "NaN is not a JSON value"),
        (["--size", "3", "--params", '{"a": 1, "a": 2}'], "the key 'a' is given twice"),
        (["--size", "3", "--params", "null"], "argument --params: must be a JSON object, got 'null'"),
        (["--size", "3", "--params", "[1]"], "argument --params: must be a JSON object, got '[1]'"),
        (["--input", "{}", "--params", "null"], "argument --params: must be a JSON object, got 'null'"),
        (["--size", "3", "--workload", "\udcff"], "argument --workload: must be UTF-8 text"),
        (["--size=-1"], "argument --size: must be 0 to 9,007,199,254,740,992, got -1"),
        (["--size=3", "--batch-size=0"], "argument --batch-size: must be 1 to 9,007,199,254,740,992, got 0"),
        (["--size=3", "--max-concurrency=0"], "argument --max-concurrency: must be 1 to 10,000, got 0"),
        (["--size=3", "--max-concurrency=10001"], "argument --max-concurrency: must be 1 to 10,000, got 10,001"),
        (["--size=3", "--tolerated-failure-percentage=-1"], "must be 0 to 100, got -1"),
        (["--size=3", "--tolerated-failure-percentage=100.5"], "must be 0 to 100, got 100.5"),
        (["--size=3", "--aws", "--max-usd=-1"], "argument --max-usd: must be 0 to 1,000,000, got -1"),
        (["--size", "3", "--params", "@no-such-file"], "argument --params: the file @no-such-file can't be read"),
        (["--size", "3", "--output", "xml"], "invalid choice: 'xml'"),
        (["--size", "3", "--verbose"], "unrecognized arguments: --verbose"),
        (["--siz", "3"], "required"),
        (["--size", "3", "--stack-name", "Other"], "--stack-name needs --aws"),
        (["--size", "3", "--aws", "--assembly", "cdk.out"], "--assembly can't be given with --aws"),
        (["--input", "{}", "--workload", "squares", "--batch-size", "2"], "give --workload, --batch-size in it"),
    ],
)
def test_run_exits_with_2_and_says_what_is_wrong(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", *options])
    captured = capsys.readouterr()
    assert caught.value.code == 2
    assert message in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--input", "size: 3"], "--input size: 3 must be JSON or @FILE"),
        (["--input", ""], "must be JSON or @FILE"),
        (["--input", "@no-such-file"], "--input @no-such-file can't be read"),
        (["--input", "@/"], "can't be read"),
        (["--input", '{"size": 99999999999999999999}'], "write it as a string"),
        (["--items", "no-such.csv"], "--items must be a file that can be read, got no-such.csv"),
        (["--items", "items.xlsx"], "--items must be a file that ends in .jsonl or .csv, got items.xlsx"),
        (["--source", "no-such-folder"], "--source must be a folder or s3://bucket/prefix, got 'no-such-folder'"),
        (["--source", ""], "--source must be a folder or s3://bucket/prefix, got ''"),
        (["--size", "3", "--assembly", "no-such-folder"], "--assembly must be a cloud assembly"),
    ],
)
def test_run_returns_2_before_it_starts_anything(
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HPC_HOME", str(tmp_path))
    assert main(["run", *options]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


@given(st.integers(0, MAX_EXACT_INTEGER))
def test_run_takes_every_integer_that_a_double_holds(size: int) -> None:
    assert input_of(f"--size={size}") == {"size": size}


@given(st.floats(0, 100))
def test_run_takes_every_percentage_exactly(percentage: float) -> None:
    value = input_of("--size=1", f"--tolerated-failure-percentage={percentage!r}")["tolerated_failure_percentage"]
    assert isinstance(value, int | float)
    assert math.isclose(value, percentage, rel_tol=0, abs_tol=0)


LONG = "n" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--source", LONG],
        ["run", "--items", f"{LONG}.csv"],
        ["run", "--size", "1", "--assembly", LONG],
        ["run", "--size", "1", "--workload", f"{LONG}.py"],
        ["run", "--input", f"@{LONG}"],
    ],
)
def test_name_that_no_file_can_have_is_that_of_no_file(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HPC_HOME", str(tmp_path))
    assert main(arguments) == ExitCode.NOT_STARTED
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_home_that_no_folder_can_be_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HPC_HOME", str(tmp_path / LONG))
    for command in (["runs"], ["run", "--size", "1"]):
        assert main(command) == ExitCode.NOT_STARTED
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_file_that_stands_where_a_folder_of_the_home_is_needed_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home, workload = tmp_path / "home", tmp_path / "mine.py"
    home.mkdir(0o700)
    (home / "workloads").touch()
    workload.write_text("def compute(item):\n    return item\n")
    monkeypatch.setenv("HPC_HOME", str(home))
    assert main(["run", "--size", "1", "--workload", str(workload)]) == ExitCode.FAILED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("hpc run: [Errno")
    assert str(home / "workloads") in line


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_report_that_is_given_no_name_is_refused_before_anything_is_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv("HPC_HOME", str(tmp_path))
    assert main(["report", "--out", name]) == ExitCode.NOT_STARTED
    assert f"--out must be a file that can be written, got {name!r}" in capsys.readouterr().err


def test_home_whose_name_is_not_utf8_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "\udcff"))
    assert main(["run", "--size", "1"]) == ExitCode.NOT_STARTED
    assert "HPC_HOME must be a path in UTF-8, got '" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
