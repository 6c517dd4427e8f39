"""State machines that would hold the server: each ends as the service ends it, and others run meanwhile."""

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError
from hostile import BODIES, MACHINES, Hostile
from states_endpoint import PASS, States, serving


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[States]:
    with serving(tmp_path_factory.mktemp("home")) as served:
        yield served


@pytest.mark.parametrize("hostile", MACHINES, ids=lambda hostile: hostile.name)
def test_a_hostile_machine_ends_as_it_should_and_others_run_beside_it(states: States, hostile: Hostile) -> None:
    arn = states.create(hostile.name, hostile.definition, type=hostile.type)
    other = states.create("other", PASS)
    execution = states.start(arn, hostile.input)
    assert states.run(other)["status"] == "SUCCEEDED"
    if hostile.status:
        if hostile.type == "STANDARD":
            ended = states.ended(execution, within_seconds=300)
            assert (ended["status"], ended.get("error")) == (hostile.status, hostile.error), ended.get("cause", "")[
                :300
            ]
    elif hostile.type == "STANDARD":
        states.client.stop_execution(executionArn=execution)
        assert states.ended(execution)["status"] == "ABORTED"


@pytest.mark.parametrize(("name", "definition"), BODIES, ids=[name for name, _ in BODIES])
def test_a_definition_that_is_hard_to_read_is_refused_by_name(states: States, name: str, definition: str) -> None:
    given = {"name": f"body-{name}", "definition": definition, "roleArn": "arn:aws:iam::000000000000:role/any"}
    with pytest.raises(ClientError) as error:
        states.client.create_state_machine(**given)
    assert error.value.response["Error"]["Code"] in ("InvalidDefinition", "ValidationException")
    assert states.run(states.create("other", PASS))["status"] == "SUCCEEDED"
