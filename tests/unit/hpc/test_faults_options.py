"""Messages about the faults that a run had."""

import json
from pathlib import Path
from typing import Any

from hpc.runs.faults import LOG, faults_of

SPEC = {"seed": 1, "rules": [{"kind": "throttle", "state": "Start", "percentage": 5}]}
OTHER = {"seed": 2, "rules": [{"kind": "crash", "state": "Sum", "times": 1}]}


def write(home: Path, *lines: dict[str, Any] | str) -> None:
    (home / LOG).parent.mkdir(parents=True)
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (home / LOG).write_text("".join(f"{text}\n" for text in texts))


def test_run_without_faults_has_none(tmp_path: Path) -> None:
    assert faults_of(tmp_path, "run-1") is None
    write(tmp_path, {"run": "run-2", "within": "run-2", "spec": SPEC})
    assert faults_of(tmp_path, "run-1") is None


def test_faults_of_all_redrives_are_counted_and_those_of_other_runs_are_not(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"run": "run-1", "within": "run-1", "spec": SPEC},
        {"run": "run-1", "within": "run-1", "kind": "throttle"},
        {"run": "run-12", "within": "run-12", "spec": SPEC},
        {"run": "run-12", "within": "run-12", "kind": "throttle"},
        {"run": "run-1", "within": "run-1", "spec": OTHER},
    )
    assert faults_of(tmp_path, "run-1") == {"specs": [SPEC, OTHER], "injected": {"throttle": 1, "crash": 0}}


def test_faults_of_nested_runs_belong_to_the_outermost_as_well(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"run": "outer", "within": "outer", "spec": SPEC},
        {"run": "inner", "within": "outer", "spec": SPEC},
        {"run": "inner", "within": "outer", "kind": "throttle"},
    )
    expected = {"specs": [SPEC], "injected": {"throttle": 1}}
    assert faults_of(tmp_path, "outer") == expected
    assert faults_of(tmp_path, "inner") == expected


def test_line_that_a_kill_cut_off_is_no_fault(tmp_path: Path) -> None:
    write(tmp_path, {"run": "run-1", "within": "run-1", "spec": SPEC}, '{"run": "run-1", "wit')
    assert faults_of(tmp_path, "run-1") == {"specs": [SPEC], "injected": {"throttle": 0}}
