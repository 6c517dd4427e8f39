"""Settings together: few combinations of values in which every pair of them is."""

import functools
import itertools
import tempfile
from collections.abc import Iterator, Sequence
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
# What decides who may do what on what; the rights on a customer key have tests of their own.
RIGHTS = all_pairs(("children", "results", "sources", "jobs"))


@functools.cache
def settings_and_templates() -> tuple[tuple[dict[str, Any], dict[str, Any]], ...]:
    """Synthesize every combination that differs in rights; return its settings with its template."""
    return tuple(_synthesized())


def _synthesized() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for chosen in RIGHTS:
        settings = combine(chosen)
        context = read_context() | {f"hpc:{name}": value for name, value in settings.items()}
        with tempfile.TemporaryDirectory() as outdir:
            yield settings, make_app(outdir, context).synth().stacks[0].template
