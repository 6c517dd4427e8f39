"""Settings together: every pair of values synthesizes, and passes cfn-lint in four Regions and cdk-nag's two packs."""

import itertools
import subprocess
import sys
from pathlib import Path

import aws_cdk as cdk
import pytest
from cdk_nag import AwsSolutionsChecks, ServerlessChecks
from combinations import CHOICES, VALUES, combine, pairs

from app import make_app, read_context

REGIONS = ("us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1")


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
