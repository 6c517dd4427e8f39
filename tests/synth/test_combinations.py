"""Settings together: every pair of values synthesizes, and passes cfn-lint in four Regions and cdk-nag's two packs."""

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from cdk_nag import AwsSolutionsChecks, ServerlessChecks

from app import make_app, read_context

REGIONS = ("us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1")
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


def all_pairs() -> list[dict[str, int]]:
    """Return few choices that have every pair of values: each time the one with most that are new."""
    every = [
        dict(zip(VALUES, numbers, strict=True))
        for numbers in itertools.product(*(range(len(v)) for v in VALUES.values()))
    ]
    missing = set().union(*map(pairs, every))
    choices = []
    while missing:
        best = max(every, key=lambda chosen: len(pairs(chosen) & missing))
        choices.append(best)
        missing -= pairs(best)
    return choices


CHOICES = all_pairs()


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[cdk.App, Path]]:
    """One app for each combination, with both packs of cdk-nag, whose findings would end the synthesis."""
    made = []
    for chosen in CHOICES:
        outdir = tmp_path_factory.mktemp("combination")
        context = read_context() | {f"hpc:{name}": value for name, value in combine(chosen).items()}
        made.append((make_app(str(outdir), context), outdir))
    return made


def test_every_pair_of_values_is_among_few_combinations() -> None:
    assert len(CHOICES) <= 20
    wanted = {
        ((one, first), (other, second))
        for one, other in itertools.combinations(sorted(VALUES), 2)
        for first in range(len(VALUES[one]))
        for second in range(len(VALUES[other]))
    }
    assert set().union(*map(pairs, CHOICES)) == wanted


def test_all_combinations_synthesize_and_pass_cfn_lint_in_every_partition(apps: list[tuple[cdk.App, Path]]) -> None:
    templates = []
    for app, outdir in apps:
        app.synth()
        templates.append(str(outdir / "HpcStack.template.json"))
    command = Path(sys.executable).with_name("cfn-lint")
    # W3005: aws-cdk-lib writes DependsOn beside a reference that says the same.
    arguments = ["--ignore-checks", "W3005", "--regions", *REGIONS, "--template", *templates]
    done = subprocess.run([str(command), *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_all_combinations_pass_both_packs_of_cdk_nag(apps: list[tuple[cdk.App, Path]]) -> None:
    for app, _ in apps:
        for pack in (AwsSolutionsChecks, ServerlessChecks):
            assert pack(app).validate_scope(app).violations == [], pack.__name__
