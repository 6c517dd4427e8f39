"""packages/sfn-local/docs/fidelity.md says what the code does."""

import pytest
from fidelity_page import PAGE, PROJECT, differences, integrations, page
from sfn_local.protocol.catalog import service_model
from sfn_local.states_api.service import ACTIONS


def test_fidelity_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == page(), "write it anew: python tests/unit/fidelity_page.py"


def test_every_action_of_the_api_here_is_one_of_the_service() -> None:
    assert not set(ACTIONS) - set(service_model("stepfunctions").operation_names)


@pytest.mark.parametrize(
    "name",
    [
        "lambda:invoke",
        "lambda:invoke.waitForTaskToken",
        "states:startExecution",
        "states:startExecution.sync",
        "states:startExecution.sync:2",
        "states:startExecution.waitForTaskToken",
        "batch:submitJob",
        "batch:submitJob.sync",
        "aws-sdk:s3:getObject",
        "aws-sdk:s3:putObject",
        "aws-sdk:s3:listObjectsV2",
    ],
)
def test_integration_is_available(name: str) -> None:
    assert name in integrations()


def test_every_module_that_names_a_difference_has_a_row() -> None:
    named = [
        path
        for path in (PROJECT / "packages/sfn-local/src/sfn_local").rglob("*.py")
        if "Differs from AWS" in path.read_text()
    ]
    unknown = [path for path in named if "Differs from AWS: not known to.\n" in path.read_text()]
    assert len(list(differences(PROJECT / "packages/sfn-local/src/sfn_local"))) >= len(named) - len(unknown)
