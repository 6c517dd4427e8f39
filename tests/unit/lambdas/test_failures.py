"""Errors of workloads as data: the person's own line, what an error was raised from, and every kind of exception."""

import json
from typing import Any

import pytest

from lambdas.contract.limits import MAX_ERROR_MESSAGE_CHARACTERS, MAX_ERROR_TRACEBACK_CHARACTERS
from lambdas.run_files import errors

# What a workload may raise beside Exceptions.
BASES = {
    "KeyboardInterrupt": "raise KeyboardInterrupt('why')",
    "SystemExit": "raise SystemExit('why')",
    "GeneratorExit": "raise GeneratorExit('why')",
    "CancelledError": "import asyncio\n    raise asyncio.CancelledError('why')",
    "Own": "class Own(BaseException): pass\n    raise Own('why')",
    "BaseExceptionGroup": "raise BaseExceptionGroup('why', [KeyboardInterrupt()])",
}


def error_of(run: Any) -> dict[str, Any]:
    """Return what the one child of a run failed with, as data."""
    run.start()
    [child] = run.map()
    assert child.error == "ItemFailedError", child
    details: dict[str, Any] = json.loads(child.output["errorMessage"].partition("\n")[2])
    return details


def test_bare_assert_shows_its_source_line(pipeline: Any, make_workload: Any) -> None:
    name = make_workload("def check(row):\n    assert row['a'] > 3\n\ndef compute(item): check({'a': item})\n")
    failure = error_of(pipeline(size=1, workload=name))
    assert (failure["error_type"], failure["message"]) == (
        "AssertionError",
        f"assert row['a'] > 3 ({name}.py:2 in check)",
    )


def test_assert_with_text_shows_the_text(pipeline: Any, make_workload: Any) -> None:
    name = make_workload("def compute(item):\n    assert item, 'no item'\n")
    assert error_of(pipeline(size=1, workload=name))["message"] == f"no item ({name}.py:2 in compute)"


CHAINED = """
def read(row):
    return row["key2"]

def compute(item):
    try:
        return read({})
    except KeyError as error:
        raise ValueError("bad row") FROM
"""


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("from error", "The above exception was the direct cause of the following exception:"),
        ("", "During handling of the above exception, another exception occurred:"),
        ("from None", None),
    ],
)
def test_traceback_has_what_the_error_was_raised_from(
    pipeline: Any, make_workload: Any, how: str, sentence: str | None
) -> None:
    name = make_workload(CHAINED.replace("FROM", how))
    failure = error_of(pipeline(size=1, workload=name))
    assert failure["message"] == f"bad row ({name}.py:9 in compute)"
    shown = failure["traceback"]
    assert ("KeyError: 'key2'" in shown, f'File "{name}.py", line 3, in read' in shown) == (bool(sentence),) * 2
    assert (sentence or "ValueError: bad row") in shown
    # Nothing of the pipeline: the person's frames only.
    assert "lambdas/" not in shown


def test_error_of_a_library_names_the_persons_line_that_called_it(pipeline: Any, make_workload: Any) -> None:
    name = make_workload("import json\n\ndef compute(item):\n    return json.loads('{')\n")
    failure = error_of(pipeline(size=1, workload=name))
    assert failure["error_type"] == "JSONDecodeError"
    assert failure["message"].endswith(f" ({name}.py:4 in compute)")
    assert "decoder.py" in failure["traceback"]


def test_error_that_refers_to_itself_and_one_that_is_endless_are_told(pipeline: Any, make_workload: Any) -> None:
    source = """
def deep(depth):
    return deep(depth + 1)

def compute(item):
    if item:
        deep(0)
    error = ValueError("x" * 10_000 + chr(0xD800))
    error.__cause__ = error
    raise error
"""
    name = make_workload(source)
    for index, kind in enumerate(("ValueError", "RecursionError")):
        failure = error_of(pipeline(items=[index], workload=name))
        assert failure["error_type"] == kind
        assert len(failure["message"]) <= MAX_ERROR_MESSAGE_CHARACTERS
        assert len(failure["traceback"]) <= MAX_ERROR_TRACEBACK_CHARACTERS


@pytest.mark.parametrize("kind", BASES)
def test_exception_that_is_no_exception_fails_its_item_alone(pipeline: Any, make_workload: Any, kind: str) -> None:
    name = make_workload(f"def compute(item):\n    if item != 1: return item\n    {BASES[kind]}\n")
    run = pipeline(size=3, workload=name, batch_size=3, tolerated_failure_percentage=50)
    output = run.run()
    assert (output["result"], output["failed_items"]["first"]) == ("[0,null,2]", [1])
    failed = json.loads(run.text("failed.jsonl"))
    assert failed["error_type"] == kind
    assert failed["message"].startswith("why")
    assert error_of(pipeline(size=3, workload=name, batch_size=3))["index"] == 1


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("function", ["combine", "finish", "items", "weight", "import"])
def test_exception_that_is_no_exception_is_named_with_the_function_that_raised_it(
    pipeline: Any, make_workload: Any, function: str, kind: str
) -> None:
    arguments = {"combine": "a, b", "finish": "result", "items": "size", "weight": "item"}
    source = "def compute(item): return item\n"
    if function == "import":
        source += f"if True:\n    {BASES[kind]}\n"
    else:
        source += f"def {function}({arguments[function]}):\n    {BASES[kind]}\n"
    run = pipeline(size=2, workload=make_workload(source), batch_size=1)
    with pytest.raises(errors.WorkloadError, match=f"{kind}: why"):
        to_the_end(run)


def to_the_end(run: Any) -> None:
    """Run all steps; what a child of the map fails with is raised."""
    run.start()
    failed = [child.output["errorMessage"] for child in run.map() if child.error]
    if failed:
        raise errors.WorkloadError(failed[0])
    run.write_results()
    run.sum()
