"""Settings together: few combinations of values in which every pair of them is."""

import fcntl
import functools
import itertools
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from app import make_app, read_context

# What is chosen together, and its values; what has no effect without AWS Batch stands with it.
VALUES: dict[str, tuple[dict[str, Any], ...]] = {
    "architecture": ({"architecture": "arm64"}, {"architecture": "x86_64"}),
    "children": ({}, {"child_type": "EXPRESS", "compute_timeout_seconds": 60}),
    "results": ({}, {"retain_results": True, "results_expire_after_days": 3_650}),
    "sources": (
        {},
        {"source_buckets": ["data-1"], "source_kms_keys": ["arn:aws:kms:us-east-1:111122223333:key/1"]},
    ),
    "uploads": ({}, {"uploaded_workloads": False}),
    "key": ({}, {"kms": True}),
    "tags": ({}, {"tags": {"team": "ice"}}),
    "watching": ({}, {"notify_email": "a@example.org"}, {"alarms": True}),
    "python": ({"python": "3.14"}, {"python": "3.12"}),
    "limits": ({}, {"max_usd": 10, "max_items": 1_000, "max_concurrency": 10}),
    "jobs": (
        {},
        {"batch": True},
        {"batch": True, "orchestrator": True},
        {"batch": True, "batch_spot": True, "batch_image": "docker.io/team/hpc:1"},
        {"batch": True, "batch_vcpus": 0.25, "batch_memory_mib": 512, "batch_architecture": "x86_64"},
        {"batch": True, "batch_vcpus": 32, "batch_memory_mib": 249_856, "batch_max_vcpus": 64},
    ),
    "network": ({}, {"subnet_access": "private"}, {"vpc_id": "vpc-01234567", "subnet_ids": "subnet-01234567"}),
}


def combine(chosen: dict[str, int]) -> dict[str, Any]:
    """Return the settings of one choice; the network is that of jobs, and the image of others needs a way out."""
    settings: dict[str, Any] = {"packages_layer": False}
    for name, number in chosen.items():
        settings |= VALUES[name][number]
    if not settings.get("batch") or (settings.get("subnet_access") == "private" and "batch_image" in settings):
        for name in ("subnet_access", "vpc_id", "subnet_ids"):
            settings.pop(name, None)
    return settings


def pairs(chosen: dict[str, int]) -> set[tuple[tuple[str, int], tuple[str, int]]]:
    return set(itertools.combinations(sorted(chosen.items()), 2))


def all_pairs(names: Sequence[str] = tuple(VALUES)) -> list[dict[str, int]]:
    """Return few choices that have every pair of values: each time the one with most that are new."""
    every = [
        dict(zip(names, numbers, strict=True))
        for numbers in itertools.product(*(range(len(VALUES[name])) for name in names))
    ]
    missing = set().union(*map(pairs, every))
    choices = []
    while missing:
        best = max(every, key=lambda chosen: len(pairs(chosen) & missing))
        choices.append(best)
        missing -= pairs(best)
    return choices


CHOICES = all_pairs()


@functools.cache
def settings_and_templates() -> tuple[tuple[dict[str, Any], dict[str, Any]], ...]:
    """Return the settings of every combination with its template, synthesized once for all processes of the tests."""
    folder = Path(os.environ["TEST_RUN_FOLDER"], "combinations")
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return tuple(_synthesized(folder))


def _synthesized(folder: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for number, chosen in enumerate(CHOICES):
        settings = combine(chosen)
        file = folder / f"{number}.json"
        if not file.exists():
            context = read_context() | {f"hpc:{name}": value for name, value in settings.items()}
            with tempfile.TemporaryDirectory() as outdir:
                file.write_text(json.dumps(make_app(outdir, context).synth().stacks[0].template))
        yield settings, json.loads(file.read_text())
