"""One synthesis by ``python app.py``, the way a person does it, and what the tests read from it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from synthesis import GIVEN_SUBNETS, GIVEN_VPC, definition_of, synthesized_once, template_in

# The app comes before aws_cdk everywhere: with it comes the setting of the node that aws_cdk runs on.
from app import make_app, read_context


@pytest.fixture(scope="session")
def assembly() -> Path:
    return synthesized_once("synth-assembly")


@pytest.fixture(scope="session")
def template(assembly: Path) -> dict[str, Any]:
    return template_in(assembly)


@pytest.fixture(scope="session")
def definition(template: dict[str, Any]) -> dict[str, Any]:
    return definition_of(template)


@pytest.fixture(scope="session")
def batch_template(synthesize: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """The stack with AWS Batch, without the orchestrator."""
    return synthesize(batch=True, packages_layer=False)


@pytest.fixture(scope="session")
def full_assembly() -> Path:
    """The stack with everything, as a person makes it."""
    return synthesized_once("synth-full-assembly", batch="true", orchestrator="true", packages_layer="false")


@pytest.fixture(scope="session")
def full_template(full_assembly: Path) -> dict[str, Any]:
    return template_in(full_assembly)


@pytest.fixture(scope="session")
def private_template(synthesize: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return synthesize(batch=True, packages_layer=False, subnet_access="private")


@pytest.fixture(scope="session")
def changed_template(synthesize: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """Every setting of jobs at another value than its default."""
    return synthesize(
        batch=True,
        packages_layer=False,
        batch_image="docker.io/team/hpc:1.2",
        batch_architecture="x86_64",
        batch_spot=True,
        batch_vcpus=0.5,
        batch_memory_mib=1_024,
        batch_max_vcpus=12,
        batch_timeout_seconds=60,
        batch_run_timeout_seconds=7_200,
        callback_heartbeat_seconds=600,
        log_retention_days=7,
        subnet_access="private",
        vpc_id=GIVEN_VPC,
        subnet_ids=GIVEN_SUBNETS,
    )


@pytest.fixture(scope="session")
def synthesize(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Synthesize the app in this process with other settings, and return the template."""

    def synthesize_with(**settings: Any) -> dict[str, Any]:
        context = read_context() | {f"hpc:{name}": value for name, value in settings.items()}
        app = make_app(str(tmp_path_factory.mktemp("assembly")), context)
        value: dict[str, Any] = app.synth().stacks[0].template
        return value

    return synthesize_with
