"""Executions whose event history was recorded: run side by side, compared event by event."""

import asyncio
import contextlib
import importlib.util
import json
import os
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from recordings import CASES
from runner import Case, Runner, runner
from sfn_local.language.definition import InvalidDefinition

HISTORIES = Path(os.environ.get("HPC_HISTORIES_DIR") or CASES.parent / "histories")

_SPEED = 20.0
_FUNCTION_SPEED = 0.5
_AT_ONCE = 8
_CASE_SECONDS = 600  # only bounds a hang


class Compared(NamedTuple):
    """Result of one case: ``same``, ``refused``, ``different`` or ``hangs``, and the first difference.

    ``has_succeeded`` is about the execution here.
    """

    case: Case
    verdict: str
    difference: str
    has_succeeded: bool = False

    @property
    def text(self) -> str:
        return f"{self.case['name']}: {self.verdict}: {self.difference[:500]}"


def read_cases(field: str) -> list[Case]:
    """Return the cases that have ``field``."""
    lines = (HISTORIES / "cases.jsonl").read_text().splitlines()
    return [case for case in map(json.loads, lines) if field in case]


def summary(name: str, compared: list[Compared]) -> str:
    """The line about them all."""
    counts = Counter(each.verdict for each in compared)
    different = len(compared) - counts["same"] - counts["refused"]
    return f"{name}: {counts['same']} same, {counts['refused']} refused, {different} different"


def run_histories(root: Path) -> list[Compared]:
    """Run every execution with a recorded history."""
    return asyncio.run(_run_all(root, read_cases("expected_history"), load_module("compare_history")))


def load_module(name: str) -> ModuleType:
    """Load a comparator that comes with the recordings."""
    spec = importlib.util.spec_from_file_location(f"recorded_{name}", CASES.parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def _run_all(root: Path, cases: list[Case], comparator: ModuleType) -> list[Compared]:
    async with contextlib.AsyncExitStack() as stack:
        fast = await stack.enter_async_context(runner(root / "fast", speed=_SPEED))
        real = await stack.enter_async_context(runner(root / "real", speed=_FUNCTION_SPEED))
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(case: Case) -> Compared:
            async with slots:
                return await _compare(real if case.get("lambda_stub") else fast, case, comparator)

        return await asyncio.gather(*(one(case) for case in cases))


async def _compare(chosen: Runner, case: Case, comparator: ModuleType) -> Compared:
    try:
        async with asyncio.timeout(_CASE_SECONDS):
            outcome = await chosen.run({**case, "input": _value(case["input"])})
            events = await outcome.events()
    except InvalidDefinition as refusal:
        return Compared(case, "refused", str(refusal))
    except TimeoutError:
        return Compared(case, "hangs", f"no end within {_CASE_SECONDS} s")
    recorded = _value(case["expected_history"])
    differences = comparator.history_diff(recorded, events, case["history_order"], case.get("history_ignore_types", ()))
    verdict = "different" if differences else "same"
    return Compared(case, verdict, json.dumps(differences[:2], default=str), outcome.row.status == "SUCCEEDED")


def _value(text: Any) -> Any:
    return json.loads(text) if isinstance(text, str) else text
