"""`cdk bootstrap`, `deploy`, `hpc run --aws`, all changes, `destroy`: by the real commands, to an emulated account.

Each step is a fixture that looks at what stands there after it, so that the tests may run in any order.  What the
emulator's CloudFormation leaves out is not asserted: AWS Batch, a bucket's tags and lifecycle, logging of a machine.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
from deployment import CDK, STACK, Account, Deployed, look
from emulator import ACCOUNT, REGION, serve
from setting_changes import without_batch
from side_environment import NotInstalledError, install

from hpc_stack.config import HpcConfig

# All settings that have an effect without AWS Batch, which the emulator's CloudFormation does not know; of the others,
# and of what a change replaces, tests/synth/test_setting_changes.py asks CloudFormation's schemas.
CHANGED = without_batch() | {
    "packages_layer": False,
    "environment": {"MODEL_2": "große=1 ${x} \"q\" 'p' \\", "EMPTY": ""},
    "tags": {"équipe:glace/я": "a=b +1 @x", **{f"key-{number}": "v" for number in range(30)}},
    "notify_email": "o'neil+hpc@mail.ice-lab.example.org",
    "source_buckets": ["my.data", *(f"data-{number}" for number in range(5))],
}


@dataclass(frozen=True)
class Ran:
    """Answers of ``hpc`` and Step Functions about a run of ``hpc run``."""

    said: list[str]
    runs: list[dict[str, Any]]
    counts: dict[str, int]
    logs: str
    children: list[dict[str, Any]]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Account]:
    if not CDK.exists():
        pytest.skip("the CDK CLI is not installed: make node_modules/ready")
    try:
        installed = install(Path(__file__).parent, pytestconfig.cache.mkdir("emulator"))
    except NotInstalledError as error:
        pytest.skip(f"the emulator can't be installed: {error}")
    with serve(installed, tmp_path_factory.mktemp("emulator")) as endpoint_url:
        yield Account(endpoint_url, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def before(account: Account) -> set[tuple[str, str]]:
    """Resources of the account after the bootstrap."""
    account.cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}", app="")
    return account.inventory()


@pytest.fixture(scope="module")
def deployed(account: Account, before: set[tuple[str, str]]) -> Deployed:
    assembly = account.home / "deployed"
    account.cdk("deploy", "--require-approval", "never", "--output", str(assembly))
    return look(account, assembly)


@pytest.fixture(scope="module")
def ran(account: Account, deployed: Deployed) -> Ran:
    """Run: the emulator has no ResultWriter, so that Sum, and the run, can't succeed there."""
    said = account.hpc("run", "--size", "6", "--batch-size", "2", "--workload", "squares").stderr.splitlines()
    runs = [json.loads(line) for line in account.hpc("runs", "--output", "json").stdout.splitlines()]
    status = json.loads(account.hpc("status", "--output", "json").stdout)
    history = account.client("stepfunctions").get_execution_history(executionArn=status["execution_arn"])["events"]
    [exited] = [each["stateExitedEventDetails"] for each in history if each["type"] == "MapStateExited"]
    logs = account.hpc("logs", "--raw").stdout
    return Ran(said, runs, status["map_run"], logs, json.loads(exited["output"])["map_run"])


@pytest.fixture(scope="module")
def changed(account: Account, ran: Ran) -> Deployed:
    assembly = account.home / "changed"
    account.cdk("deploy", "--require-approval", "never", "--output", str(assembly), *context_options(CHANGED))
    return look(account, assembly)


@pytest.fixture(scope="module")
def restored(account: Account, changed: Deployed) -> Deployed:
    """All settings as they were at first, but for the layer, so that nothing is built twice."""
    assembly = account.home / "restored"
    options = context_options({"packages_layer": False})
    account.cdk("deploy", "--require-approval", "never", "--output", str(assembly), *options)
    return look(account, assembly)


@pytest.fixture(scope="module")
def destroyed(account: Account, restored: Deployed) -> set[tuple[str, str]]:
    """Resources of the account after ``cdk destroy``."""
    [(name, bucket)] = restored.declared("AWS::S3::Bucket").items()
    # The emulator's CloudFormation leaves them out, and without them the function that empties the bucket refuses.
    account.client("s3").put_bucket_tagging(Bucket=restored.physical_id(name), Tagging={"TagSet": bucket["Tags"]})
    account.cdk("destroy", "--force", app=str(account.home / "restored"))
    return account.inventory()


def context_options(settings: dict[str, Any]) -> list[str]:
    """Return the options with which a person gives settings to the CDK CLI, where every value is a text."""
    return [option for name, value in settings.items() for option in ("-c", f"hpc:{name}={as_text(value)}")]


def as_text(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}={each}" for key, each in value.items())
    if isinstance(value, list):
        return ",".join(value)
    return value if isinstance(value, str) else json.dumps(value)


def test_deploy_creates_every_resource_of_the_template(deployed: Deployed) -> None:
    declared = {name: each["Type"] for name, each in deployed.template["Resources"].items()}
    assert {name: each["ResourceType"] for name, each in deployed.resources.items()} == declared
    assert {each["ResourceStatus"] for each in deployed.resources.values()} == {"CREATE_COMPLETE"}


def test_outputs_name_the_deployed_machine_and_bucket(deployed: Deployed) -> None:
    assert deployed.outputs == {name: deployed.resolve(e["Value"]) for name, e in deployed.template["Outputs"].items()}


def test_definition_is_stored_as_it_was_synthesized(deployed: Deployed) -> None:
    [declared] = deployed.declared("AWS::StepFunctions::StateMachine").values()
    assert json.loads(deployed.machine["definition"]) == json.loads(declared["DefinitionString"])
    assert (deployed.machine["type"], deployed.machine["roleArn"]) == ("STANDARD", declared["RoleArn"])


@pytest.mark.parametrize("moment", ["deployed", "changed", "restored"])
def test_functions_are_as_the_template_says(moment: str, request: pytest.FixtureRequest) -> None:
    stack: Deployed = request.getfixturevalue(moment)
    declared = stack.declared("AWS::Lambda::Function")
    assert set(stack.functions) == set(declared)
    for name, function in stack.functions.items():
        wanted = declared[name]
        for key in ("Runtime", "Handler", "MemorySize", "Timeout", "Role", "LoggingConfig"):
            assert function[key] == wanted[key], f"{key} of {name}"
        assert function["Environment"]["Variables"] == wanted.get("Environment", {}).get("Variables", {})
        assert function["Architectures"] == wanted.get("Architectures", ["x86_64"])
        assert [layer["Arn"] for layer in function.get("Layers", [])] == wanted.get("Layers", [])


@pytest.mark.parametrize("moment", ["deployed", "changed", "restored"])
def test_roles_and_bucket_have_the_policies_of_the_template(moment: str, request: pytest.FixtureRequest) -> None:
    stack: Deployed = request.getfixturevalue(moment)
    assert len(stack.rights) >= 7
    assert stack.rights == stack.declared_rights()


def test_run_finds_the_stack_and_computes_every_batch_with_the_deployed_code(ran: Ran, deployed: Deployed) -> None:
    assert ran.said[0] == f"started {ran.runs[0]['name']}"
    assert len(ran.runs) == 1
    assert (ran.counts["total"], ran.counts["succeeded"]) == (3, 3)
    results = [part["result"] for child in ran.children for part in child["parts"]]
    assert sorted(results) == sorted([str(0 + 1), str(4 + 9), str(16 + 25)])
    [group] = [name for name in deployed.declared("AWS::Logs::LogGroup") if "StartLogs" in name]
    assert f"==> {deployed.physical_id(group)} " in ran.logs


def test_every_setting_is_changed_but_those_of_aws_batch() -> None:
    without_effect = {each.name for each in fields(HpcConfig) if each.metadata["needs"] is not None}
    assert set(CHANGED) == {each.name for each in fields(HpcConfig)} - without_effect - {"batch", "stack_name"}


def test_changed_settings_update_the_functions_in_place(deployed: Deployed, changed: Deployed) -> None:
    by_handler = {each["Handler"]: each for each in changed.functions.values()}
    compute, start = by_handler["lambdas.compute.handler"], by_handler["lambdas.start.handler"]
    assert (compute["MemorySize"], compute["Timeout"]) == (CHANGED["compute_memory_mib"], 60)
    assert (compute["Architectures"], compute["Runtime"]) == (["x86_64"], "python3.13")
    variables = start["Environment"]["Variables"]
    assert (variables["MAX_CONCURRENCY"], variables["SOURCE_BUCKETS"]) == ("7", ",".join(CHANGED["source_buckets"]))
    assert CHANGED["environment"].items() <= variables.items()
    kept = deployed.resources.keys() & changed.resources.keys()
    assert {name: changed.physical_id(name) for name in kept} == {name: deployed.physical_id(name) for name in kept}
    # The layer, and what would empty a bucket that is kept now.
    gone = deployed.resources.keys() - kept
    assert all(name in deployed.declared("AWS::Lambda::LayerVersion") or "AutoDelete" in name for name in gone)


def test_changed_settings_add_what_they_name_and_the_changes_back_remove_it(
    deployed: Deployed, changed: Deployed, restored: Deployed
) -> None:
    added = {each["ResourceType"] for name, each in changed.resources.items() if name not in deployed.resources}
    assert {"AWS::KMS::Key", "AWS::SNS::Topic", "AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard"} <= added
    layers = set(deployed.declared("AWS::Lambda::LayerVersion"))
    assert set(restored.resources) == set(deployed.resources) - layers


def test_destroy_empties_the_bucket_and_leaves_nothing(
    account: Account, before: set[tuple[str, str]], destroyed: set[tuple[str, str]]
) -> None:
    assert destroyed == before
    stacks = account.client("cloudformation").list_stacks()["StackSummaries"]
    assert {each["StackName"]: each["StackStatus"] for each in stacks}[STACK] == "DELETE_COMPLETE"
