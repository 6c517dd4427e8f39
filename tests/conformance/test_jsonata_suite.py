"""The official test-suite of JSONata, as the service evaluates it: expressions, values and codes of errors.

It is the folder ``test/test-suite`` of a checkout of jsonata-js/jsonata; the package of the npm registry is without it.
"""

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from recordings import PROJECT
from sfn_local.language import jsonata_engine
from sfn_local.language.errors import QueryEvaluationError
from sfn_local.language.evaluation import PROCESSOR_SECONDS
from sfn_local.language.jsonata_engine import compile_text
from sfn_local.language.jsonata_values import to_jsonata

SUITE = Path(os.environ.get("HPC_JSONATA_SUITE") or PROJECT.parent / "jsonata" / "test" / "test-suite")

# What differs, by group (and file), with the reason.
KNOWN_DIFFERENCES = {
    "function-eval": "the service has no $eval",
    "function-formatInteger/formatInteger.json": "10^46 in words: the library counts in integers",
    "function-formatNumber/case014.json": "the library writes no leading zero",
    "function-string/case029.json": "the context of $string() is an array of arrays",
    "function-tomillis/parseDateTime.json": "the library's own reading of fractions of a second",
    "matchers": "functions as patterns are not taken",
    "performance": "may need more than the time that an evaluation has",
    "range-operator": "may need more than the time that an evaluation has",
    "flattening/large.json": "may need more than the time that an evaluation has",
    "tail-recursion": "the service nests a hundred deep, no deeper",
}


class Case(NamedTuple):
    """One case: what is evaluated, on what, and its group and file."""

    place: str
    text: str
    document: Any
    has_document: bool
    spec: dict[str, Any]


def _cases() -> Iterator[Case]:
    datasets = {path.stem: json.loads(path.read_text()) for path in (SUITE / "datasets").glob("*.json")}
    for path in sorted((SUITE / "groups").glob("*/*.json")):
        read = json.loads(path.read_text())
        for spec in read if isinstance(read, list) else [read]:
            text = spec["expr"] if "expr" in spec else (path.parent / spec["expr-file"]).read_text()
            has_document = "data" in spec or spec.get("dataset") is not None
            document = spec["data"] if "data" in spec else datasets.get(spec.get("dataset"))
            yield Case(f"{path.parent.name}/{path.name}", text, document, has_document, spec)


class _OutOfTimeError(BaseException):
    """An evaluation took longer than the service allows; no handler of the library takes it for an error."""


@contextlib.contextmanager
def _processor_time() -> Iterator[None]:
    """Bound an evaluation, which a process of its own does otherwise."""

    def stop(_signal: int, _frame: object) -> None:
        raise _OutOfTimeError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, PROCESSOR_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _outcome(case: Case) -> tuple[str, Any]:
    try:
        compiled = jsonata_engine._parse(case.text)
        compile_text(case.text)
    except ValueError as error:
        return "code", str(error)[:5]
    for name, function in jsonata_engine.functions().items():
        compiled.register_function(name, function)
    compiled.set_output_convert_nulls(False)
    evaluate = compiled.evaluate
    document = to_jsonata(case.document) if case.has_document else None
    compiled.evaluate = lambda _input, bindings: evaluate(document, bindings)
    try:
        with _processor_time():
            return "result", jsonata_engine._run(compiled, case.spec.get("bindings", {}), jsonata_engine._Depth())
    except _OutOfTimeError:
        return "code", "D1012"
    except QueryEvaluationError as error:
        cause = error.cause or ""
        if cause.startswith("returned nothing"):
            return "undefined", None
        return "code", cause.partition("evaluation. ")[2][:5]


def _expected(case: Case) -> tuple[str, Any]:
    if "undefinedResult" in case.spec:
        return "undefined", None
    if "result" in case.spec:
        return "result", case.spec["result"]
    code = case.spec.get("code") or case.spec["error"]["code"]
    return "code", {"U1001": "D1012"}.get(code, code)  # a bound of the suite's own


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return bool(left == right)


def run_suite() -> tuple[int, list[tuple[Case, str]]]:
    """Return how many cases there are, and those that differ, each with a line that says how."""
    cases = list(_cases())
    different = []
    for case in cases:
        kind, value = _outcome(case)
        expected_kind, expected = _expected(case)
        if kind != expected_kind or not _equal(value, expected):
            different.append((case, f"{case.place}: {case.text[:80]!r}: {kind} {value!r:.100}, not {expected!r:.100}"))
    return len(cases), different


def _is_known(case: Case) -> bool:
    return case.place in KNOWN_DIFFERENCES or case.place.partition("/")[0] in KNOWN_DIFFERENCES


@pytest.mark.skipif(
    not SUITE.is_dir(), reason=f"no test-suite of JSONata at {SUITE} (HPC_JSONATA_SUITE names another place)"
)
def test_official_suite_of_jsonata_but_for_the_named(record_property: Callable[[str, object], None]) -> None:
    count, different = run_suite()
    same = count - len(different)
    record_property("conformance", f"jsonata: {same} same, {len(different)} different")
    assert same >= 0.98 * count
    assert not [text for case, text in different if not _is_known(case)]


def test_page_names_every_difference_and_no_other() -> None:
    page = (PROJECT / "packages/sfn-local/docs/conformance.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert {place.strip("`"): reason for place, reason in rows} == KNOWN_DIFFERENCES
