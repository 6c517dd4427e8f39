"""The recorded executions: read, run side by side, compared by the comparator that comes with them."""

import asyncio
import contextlib
import copy
import importlib.util
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from result_files import compare_files
from runner import Case, Runner, runner
from sfn_local.language.definition import InvalidDefinition

PROJECT = Path(__file__).parents[2]
CASES = Path(os.environ.get("HPC_CONFORMANCE_DIR") or PROJECT.parent / "shared" / "conformance" / "cases")

SAME, REFUSED = "same", "refused"

# Waits are scaled, functions are not: cases with functions or a time-out of their own run in real time, the others much
# faster, and time-outs of a second leave a cold worker twice that.
_SPEED = 20.0
_FUNCTION_SPEED = 0.5
_FUNCTIONS_AT_ONCE = 8
_OTHERS_AT_ONCE = 32
_CASE_SECONDS = 600  # only bounds a hang

Check = Callable[..., str]


class Result(NamedTuple):
    """Result of one case.

    Attributes
    ----------
    verdict : str
        ``same``, ``refused``, or what differs.
    status : str or None
        Of our execution.
    details : str
        Why it was refused, or what came out instead.
    """

    case: Case
    verdict: str
    status: str | None
    details: str

    @property
    def is_same(self) -> bool:
        return self.verdict == SAME

    @property
    def text(self) -> str:
        return f"{self.case['name']}: {self.verdict}: {self.details[:400]}"


class Results(NamedTuple):
    """All cases, in the order of the files."""

    all: list[Result]

    @property
    def summary(self) -> str:
        counts = Counter(result.verdict for result in self.all)
        different = len(self.all) - counts[SAME] - counts[REFUSED]
        return f"conformance: {counts[SAME]} same, {counts[REFUSED]} refused, {different} different"


def run_all(root: Path) -> Results:
    """Run every case below ``CASES``."""
    cases = [json.loads(line) for path in sorted(CASES.glob("*.jsonl")) for line in path.read_text().splitlines()]
    return Results(asyncio.run(run_cases(root, cases)))


def _comparator() -> Check:
    spec = importlib.util.spec_from_file_location("recorded_compare", CASES.parent / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    check: Check = module.check
    return check


async def run_cases(root: Path, cases: list[Case]) -> list[Result]:
    """Run cases side by side, each compared by its end."""
    check = _comparator()
    async with contextlib.AsyncExitStack() as stack:
        fast = await stack.enter_async_context(runner(root / "fast", speed=_SPEED))
        real = await stack.enter_async_context(runner(root / "real", speed=_FUNCTION_SPEED))
        fast_slots, real_slots = asyncio.Semaphore(_OTHERS_AT_ONCE), asyncio.Semaphore(_FUNCTIONS_AT_ONCE)

        async def one(case: Case) -> Result:
            is_timed = case.get("lambda_stub") or "TimeoutSeconds" in _fields(case["definition"])
            chosen, slots = (real, real_slots) if is_timed else (fast, fast_slots)
            async with slots:
                return await _run(chosen, case, check)

        return await asyncio.gather(*(one(case) for case in cases))


def _fields(definition: Any) -> Any:
    """Return the fields at the top of a definition, which may be JSON text."""
    return json.loads(definition) if isinstance(definition, str) else definition


async def _run(chosen: Runner, case: Case, check: Check) -> Result:
    try:
        async with asyncio.timeout(_CASE_SECONDS):
            outcome = await chosen.run(case)
            count = len(await outcome.events()) if "expected_event_count" in case else None
    except InvalidDefinition as refusal:
        return Result(case, REFUSED, None, str(refusal))
    except TimeoutError:
        return Result(case, "hangs", None, f"no end within {_CASE_SECONDS} s")
    row = outcome.row
    output = json.loads(row.output) if row.output is not None else None
    verdict = check(with_masks(case), row.status, output, row.error, row.cause)
    if verdict != "pass":
        return Result(case, verdict, row.status, f"{row.output} {row.error} {row.cause}")
    if count is not None and count != case["expected_event_count"]:
        return Result(case, "events", row.status, f"{count} events instead of {case['expected_event_count']}")
    if "expected_s3" in case:
        difference = compare_files(case["expected_s3"], outcome.objects)
        if difference:
            return Result(case, "files", row.status, difference)
    return Result(case, SAME, row.status, "")


def with_masks(case: Case) -> Case:
    """Return the case with the recording's own masks as wildcards of the comparator.

    A value that is its key's name in kebab case ("StartDate": "start-date") was masked by the recorder; the comparator
    knows such a mask as ``<start-date>``.
    """
    expected = {name: value for name, value in case.items() if name in ("expected_output", "expected_cause")}
    masks = set(_own_masks(expected))
    return {**case, **_masked(copy.deepcopy(expected), masks)} if masks else case


def _own_masks(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _own_masks(member, name)
    elif isinstance(value, list):
        for item in value:
            yield from _own_masks(item)
    elif isinstance(value, str) and "-" in value and value == re.sub(r"(?<=[a-z])(?=[A-Z])", "-", key).lower():
        yield value


def _masked(value: Any, masks: set[str]) -> Any:
    if isinstance(value, dict):
        return {name: _masked(member, masks) for name, member in value.items()}
    if isinstance(value, list):
        return [_masked(item, masks) for item in value]
    return f"<{value}>" if isinstance(value, str) and value in masks else value
