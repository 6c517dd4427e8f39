"""Resources of the stack: bucket, functions, logs, outputs, and the asset with the handlers."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from synthesis import ROOT, as_text, resources_of

from hpc_stack import pythons
from hpc_stack.handlers import ASSET_EXCLUDE, handlers_code

HANDLERS = {"lambdas.start.handler", "lambdas.compute.handler", "lambdas.sum.handler"}


@pytest.fixture(scope="module")
def retained(synthesize: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return synthesize(
        retain_results=True,
        results_expire_after_days=15,
        log_retention_days=7,
        architecture="x86_64",
        compute_memory_mib=3_538,
        compute_timeout_seconds=60,
        max_concurrency=7,
        max_items=1_000,
        max_usd="12.5",
        stack_name="Other",
    )


def bucket_of(template: dict[str, Any]) -> dict[str, Any]:
    [bucket] = resources_of(template, "AWS::S3::Bucket").values()
    value: dict[str, Any] = bucket
    return value


def handlers_of(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    functions = [each["Properties"] for each in resources_of(template, "AWS::Lambda::Function").values()]
    return {each["Handler"]: each for each in functions if each["Handler"] in HANDLERS}


def test_bucket_is_encrypted_and_private(template: dict[str, Any]) -> None:
    properties = bucket_of(template)["Properties"]
    assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"] == [
        {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    ]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["PublicAccessBlockConfiguration"]) == 4


@pytest.mark.parametrize(("fixture", "days"), [("template", 30), ("retained", 15)])
def test_bucket_forgets_runs_and_uploads_and_unfinished_uploads(
    fixture: str, days: int, request: pytest.FixtureRequest
) -> None:
    rules = bucket_of(request.getfixturevalue(fixture))["Properties"]["LifecycleConfiguration"]["Rules"]
    assert [{name: each for name, each in rule.items() if name != "Id"} for rule in rules] == [
        {"Prefix": "runs/", "ExpirationInDays": days, "Status": "Enabled"},
        {"Prefix": "uploads/", "ExpirationInDays": days, "Status": "Enabled"},
        {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days}, "Status": "Enabled"},
    ]


def test_bucket_goes_with_the_stack_and_its_objects_too(template: dict[str, Any]) -> None:
    assert bucket_of(template)["DeletionPolicy"] == "Delete"
    assert len(resources_of(template, "Custom::S3AutoDeleteObjects")) == 1


def test_bucket_stays_when_results_are_retained(retained: dict[str, Any]) -> None:
    assert bucket_of(retained)["DeletionPolicy"] == "Retain"
    assert resources_of(retained, "Custom::S3AutoDeleteObjects") == {}
    assert set(handlers_of(retained)) == {
        each["Properties"]["Handler"] for each in resources_of(retained, "AWS::Lambda::Function").values()
    }


def test_functions_are_as_the_defaults_say(template: dict[str, Any]) -> None:
    functions = handlers_of(template)
    assert set(functions) == HANDLERS
    for function in functions.values():
        assert function["Architectures"] == ["arm64"]
        assert (function["MemorySize"], function["Timeout"]) == (1_769, 900)
        assert function["Runtime"] == f"python{pythons.choose('auto', pythons.running())}"
        assert function["LoggingConfig"]["LogFormat"] == "JSON"
        assert "ReservedConcurrentExecutions" not in function


def test_functions_follow_the_settings(retained: dict[str, Any]) -> None:
    functions = handlers_of(retained)
    assert {function["Architectures"][0] for function in functions.values()} == {"x86_64"}
    compute = functions["lambdas.compute.handler"]
    assert (compute["MemorySize"], compute["Timeout"]) == (3_538, 60)
    assert functions["lambdas.start.handler"]["Environment"]["Variables"]["MAX_CONCURRENCY"] == "7"
    assert functions["lambdas.start.handler"]["Environment"]["Variables"]["MAX_ITEMS"] == "1000"
    assert functions["lambdas.start.handler"]["Environment"]["Variables"]["MAX_USD"] == "12.500000"
    [machine] = resources_of(retained, "AWS::StepFunctions::StateMachine").values()
    states = json.loads(as_text(machine["Properties"]["DefinitionString"]))["States"]
    assert states["ComputeMap"]["ItemProcessor"]["States"]["Compute"]["TimeoutSeconds"] == 90


def test_functions_know_the_bucket_and_start_knows_the_limits(template: dict[str, Any]) -> None:
    [bucket] = resources_of(template, "AWS::S3::Bucket")
    common = {"RESULTS_BUCKET": {"Ref": bucket}}
    limits = {"MAX_CONCURRENCY": "500", "MAX_ITEMS": "100000000"}
    variables = {name: each["Environment"]["Variables"] for name, each in handlers_of(template).items()}
    assert variables == {
        "lambdas.start.handler": {**common, **limits, "SOURCE_BUCKETS": "", "BACK_ENDS": "lambda"},
        "lambdas.compute.handler": common,
        "lambdas.sum.handler": common,
    }


@pytest.mark.parametrize(("fixture", "days", "count"), [("template", 30, 5), ("retained", 7, 4)])
def test_log_groups_are_kept_for_the_days_set_and_go_with_the_stack(
    fixture: str, days: int, count: int, request: pytest.FixtureRequest
) -> None:
    log_groups = resources_of(request.getfixturevalue(fixture), "AWS::Logs::LogGroup").values()
    assert [each["Properties"]["RetentionInDays"] for each in log_groups] == [days] * count
    assert {each["DeletionPolicy"] for each in log_groups} == {"Delete"}


def test_every_function_writes_to_a_log_group_of_the_stack(template: dict[str, Any]) -> None:
    used = [
        each["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
        for each in resources_of(template, "AWS::Lambda::Function").values()
    ]
    assert len(set(used)) == len(used) == 4
    assert set(used) < set(resources_of(template, "AWS::Logs::LogGroup"))


def test_execution_log_groups_of_two_stacks_differ(template: dict[str, Any], retained: dict[str, Any]) -> None:
    names = [
        each["Properties"]["LogGroupName"]
        for one in (template, retained)
        for each in resources_of(one, "AWS::Logs::LogGroup").values()
        if "LogGroupName" in each["Properties"]
    ]
    assert [name.split("-")[0] for name in names] == ["/aws/vendedlogs/states/HpcStack", "/aws/vendedlogs/states/Other"]


def test_outputs_name_machine_and_bucket(template: dict[str, Any]) -> None:
    [machine] = resources_of(template, "AWS::StepFunctions::StateMachine")
    [bucket] = resources_of(template, "AWS::S3::Bucket")
    assert template["Outputs"] == {
        "StateMachineArn": {"Value": {"Ref": machine}},
        "ResultsBucketName": {"Value": {"Ref": bucket}},
    }


@pytest.mark.parametrize("fixture", ["assembly", "full_assembly"])
def test_cfn_lint_finds_nothing(fixture: str, request: pytest.FixtureRequest) -> None:
    assembly = request.getfixturevalue(fixture)
    command = Path(sys.executable).with_name("cfn-lint")
    # W3005: aws-cdk-lib writes DependsOn beside a reference that says the same.
    arguments = ["--ignore-checks", "W3005", "--template", str(assembly / "HpcStack.template.json")]
    done = subprocess.run([str(command), *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a folder that looks like the project."""
    root = tmp_path / "project"
    for name in ("lambdas/__init__.py", "lambdas/start.py", "lambdas/workloads/squares.py", "lambdas/data/table.csv"):
        write(root / name)
    write(root / "app.py")
    return root


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("content\n")


def stage(root: Path, outdir: Path) -> tuple[str, set[str]]:
    """Return the asset's key, which is its hash, and the files that it holds."""
    stack = cdk.Stack(cdk.App(outdir=str(outdir)), "Stack")
    location = handlers_code(root).bind(stack).s3_location
    assert location is not None
    asset = outdir / f"asset.{location.object_key.removesuffix('.zip')}"
    return location.object_key, {str(path.relative_to(asset)) for path in asset.rglob("*") if path.is_file()}


def test_asset_holds_the_handlers_folder_and_nothing_else(project: Path, tmp_path: Path) -> None:
    assert stage(project, tmp_path / "out")[1] == {
        "lambdas/__init__.py",
        "lambdas/start.py",
        "lambdas/workloads/squares.py",
        "lambdas/data/table.csv",
    }


@pytest.mark.parametrize(
    "name",
    [
        "lambdas/__pycache__/start.cpython-311.pyc",
        "lambdas/workloads/__pycache__/squares.cpython-311.pyc",
        "lambdas/.mypy_cache/3.11/start.json",
        "lambdas/.DS_Store",
        "lambdas/Dockerfile",
        "lambdas/requirements.txt",
        "lambdas/workloads/requirements-layer.txt",
        ".venv/lib/lambdas/start.py",
        ".hpc/s3/lambdas/start.py",
        "cdk.out/asset.1/lambdas/start.py",
        "node_modules/lambdas/start.py",
        "lambdas.py",
        "README.md",
    ],
)
def test_asset_stays_the_same_when_other_files_appear(name: str, project: Path, tmp_path: Path) -> None:
    before = stage(project, tmp_path / "before")
    write(project / name)
    assert stage(project, tmp_path / "after") == before


@pytest.mark.parametrize("name", ["lambdas/start.py", "lambdas/data/table.csv"])
def test_asset_changes_when_one_of_its_files_does(name: str, project: Path, tmp_path: Path) -> None:
    before, _ = stage(project, tmp_path / "before")
    (project / name).write_text("something else\n")
    assert stage(project, tmp_path / "after")[0] != before


@pytest.mark.parametrize(
    ("folder", "is_walked"),
    [
        *((name, False) for name in (".venv", ".hpc", ".git", "cdk.out", "node_modules", "tests", "packages")),
        *((name, True) for name in ("lambdas", "lambdas/workloads")),
        ("lambdas/__pycache__", False),
    ],
)
def test_synthesis_walks_the_handlers_folder_only(folder: str, is_walked: bool) -> None:
    strategy = cdk.IgnoreStrategy.docker(str(ROOT), list(ASSET_EXCLUDE))
    assert strategy.completely_ignores(str(ROOT / folder)) is not is_walked


def test_functions_share_one_asset_whose_root_holds_the_package(assembly: Path, template: dict[str, Any]) -> None:
    keys = {function["Code"]["S3Key"] for function in handlers_of(template).values()}
    [key] = keys
    described = json.loads((assembly / "HpcStack.assets.json").read_text())["files"][key.removesuffix(".zip")]
    asset = assembly / described["source"]["path"]  # its name ends in .0 where that of the checkout has a dot
    assert [path.name for path in asset.iterdir()] == ["lambdas"]
    sources = {path.relative_to(ROOT / "lambdas") for path in (ROOT / "lambdas").rglob("*.py")}
    assert {path.relative_to(asset / "lambdas") for path in (asset / "lambdas").rglob("*") if path.is_file()} == sources


def test_workloads_have_the_variables_and_the_space_that_the_settings_give(
    synthesize: Callable[..., dict[str, Any]], template: dict[str, Any]
) -> None:
    given = synthesize(environment={"MODEL": "large"}, ephemeral_storage_mib=2_048, batch=True, batch_image="hpc:1")
    functions = handlers_of(given)
    assert all(each["Environment"]["Variables"]["MODEL"] == "large" for each in functions.values())
    assert functions["lambdas.compute.handler"]["EphemeralStorage"] == {"Size": 2_048}
    [job] = resources_of(given, "AWS::Batch::JobDefinition").values()
    assert {"Name": "MODEL", "Value": "large"} in job["Properties"]["ContainerProperties"]["Environment"]
    assert not any(
        "EphemeralStorage" in each for each in (*handlers_of(template).values(), functions["lambdas.sum.handler"])
    )
