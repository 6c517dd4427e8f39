"""Definitions that were right before they were mutated: refused by name, or run to an end that the language names."""

import functools
import itertools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fuzz_engine import BUCKET, PATIENT_SECONDS, PROJECT, RUN_SECONDS, Engine, open_engine, pipeline
from fuzz_inputs import HANG_SECONDS, bounded, inputs, mutate, no_error_logged, odd_values, text_of
from fuzz_machines import INPUT, MACHINES, prepare
from hypothesis import given
from hypothesis import strategies as st

import hpc_local.language.jsonata_engine  # noqa: F401 - its library sets Python's limit of recursion: before a test does
from hpc_local.integrations.parameters import service_model
from hpc_local.language.errors import PREDEFINED_NAMES
from hpc_local.protocol import ServiceError
from lambdas import errors as handler_errors

RECORDED = Path(os.environ.get("HPC_CONFORMANCE_DIR") or PROJECT.parent / "shared" / "conformance" / "cases")
ROLE_ARN = "arn:aws:iam::000000000000:role/tests"
# Of services, of the functions here, and of whatever a Fail state says.
SERVICE_ERROR = re.compile(r"(Lambda|S3|Sfn|StepFunctions|Batch|AWSBatch)\.\w+|Sandbox\.Timedout|Runtime\.\w+")
FORBIDDEN = ("Runner.", "Runtime.Unavailable")
PIPELINE = pipeline()
STEADY_SECONDS = 5.0
_numbers = itertools.count()


def modelled(action: str) -> set[str]:
    shapes = service_model("stepfunctions").operation_model(action).error_shapes
    return {shape.error_code or shape.name for shape in shapes} | {"ValidationException"}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with open_engine(tmp_path_factory.mktemp("home")) as opened:
        prepare(opened)
        yield opened


async def create(engine: Engine, text: str) -> str | None:
    """Make a state machine; None if it is refused, which only a modelled error may say."""
    name = f"fuzz-{next(_numbers)}"
    try:
        answer = await engine.states("CreateStateMachine", name=name, definition=text, roleArn=ROLE_ARN)
    except ServiceError as error:
        if error.code not in modelled("CreateStateMachine") or error.status >= 500:
            raise
        return None
    return str(answer["stateMachineArn"])


async def check_end(engine: Engine, arn: str, text: str, payload: Any, seconds: float) -> dict[str, Any]:
    """Run an execution; its end, its error and its history have to be of the language."""
    row = await engine.run(arn, json.dumps(payload), seconds)
    assert row.status in ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
    if row.status == "SUCCEEDED":
        json.loads(row.output or "", parse_constant=pytest.fail)
    elif row.error is not None:
        assert not row.error.startswith(FORBIDDEN), (row.error, row.cause)
        is_known = (
            row.error in PREDEFINED_NAMES or hasattr(handler_errors, row.error) or SERVICE_ERROR.fullmatch(row.error)
        )
        assert is_known or row.error in text + json.dumps(payload) or '"Fail"' in text, (row.error, row.cause)
    events = await engine.history(row.arn)
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert all(event["previousEventId"] < event["id"] for event in events)
    return {"status": row.status, "output": row.output and json.loads(row.output), "error": row.error}


def run(engine: Engine, text: str, payload: Any, seconds: float = RUN_SECONDS) -> dict[str, Any] | None:
    async def both() -> dict[str, Any] | None:
        arn = await create(engine, text)
        return None if arn is None else await check_end(engine, arn, text, payload, seconds)

    with bounded(seconds + HANG_SECONDS), no_error_logged():
        ended: dict[str, Any] | None = engine.do(both())
    return ended


@pytest.mark.parametrize("name", MACHINES)
def test_machine_to_be_mutated_runs_before_it_is(engine: Engine, name: str) -> None:
    ended = run(engine, json.dumps(MACHINES[name]), INPUT, PATIENT_SECONDS)
    assert ended is not None
    assert ended["status"] == "SUCCEEDED", ended


@inputs(1_100)
@given(data=st.data())
def test_mutated_definition_is_refused_or_its_execution_ends_in_an_error_of_the_language(
    engine: Engine, data: st.DataObject
) -> None:
    machine = MACHINES[data.draw(st.sampled_from(sorted(MACHINES)))]
    kind = data.draw(st.integers(0, 9))
    definition = machine if kind > 7 else mutate(data.draw, machine, most=3 if kind > 5 else 1)
    payload = mutate(data.draw, INPUT, names=tuple(INPUT)) if kind in (0, 6, 8) else INPUT
    run(engine, text_of(data.draw, definition), data.draw(odd_values) if kind == 9 else payload)


@functools.cache
def recorded() -> list[dict[str, Any]]:
    lines = [line for path in sorted(RECORDED.glob("*.jsonl")) for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines]


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"there are no recorded executions at {RECORDED}")
@inputs(150)
@given(data=st.data())
def test_mutated_recorded_definition_is_refused_or_its_execution_ends_in_an_error_of_the_language(
    engine: Engine, data: st.DataObject
) -> None:
    case = data.draw(st.sampled_from(recorded()))
    definition = case["definition"] if isinstance(case["definition"], dict) else json.loads(case["definition"])
    run(engine, text_of(data.draw, mutate(data.draw, definition, most=1)), case["input"])


@inputs(60)
@given(data=st.data())
def test_mutated_pipeline_that_succeeds_has_the_sum_of_what_its_run_was_told(
    engine: Engine, data: st.DataObject
) -> None:
    definition = mutate(data.draw, PIPELINE, most=2)
    ended = run(engine, json.dumps(definition), {"size": 3, "workload": "squares", "batch_size": 2})
    result = ended and ended["status"] == "SUCCEEDED" and ended["output"]
    if not isinstance(result, dict) or "result_file" not in result:
        return  # the mutation has put something else in the place of Sum
    folder = result["result_file"].removeprefix(f"s3://{BUCKET}/").rpartition("/")[0]
    told = json.loads(read(engine, f"{folder}/run.json"))
    size = told["item_count"]
    assert result["total_sum"] == str(sum(index**2 for index in range(size))), told
    assert (result["count"], result["failed"], result["complete"]) == (size, 0, True)


def read(engine: Engine, key: str) -> str:
    with engine.objects.open(BUCKET, key) as stream:
        return str(stream.read().decode())


@inputs(130)
@given(data=st.data())
def test_definition_in_other_words_has_the_same_end(engine: Engine, data: st.DataObject) -> None:
    """Members in another order, comments, other names of states: none of it changes what a machine does."""
    machine = MACHINES[data.draw(st.sampled_from(sorted(MACHINES)))]
    payload = mutate(data.draw, INPUT, names=tuple(INPUT)) if data.draw(st.booleans()) else dict(INPUT)
    if isinstance(payload, dict):
        payload["x"] = 1  # what one of them waits for
    first = run(engine, json.dumps(machine), payload, STEADY_SECONDS)
    second = run(engine, json.dumps(reworded(data.draw, machine)), payload, STEADY_SECONDS)
    assert first is not None
    assert second is not None
    if "ABORTED" not in (first["status"], second["status"]):  # the payload had it wait too long
        assert plain_names(second) == first


def plain_names(ended: dict[str, Any]) -> Any:
    """Return an end with the states' own names: the cause of an error has the name of its state."""
    return json.loads(json.dumps(ended).replace(" renamed", ""))


def reworded(draw: Any, value: Any, holds_states: bool = False) -> Any:
    """Return a definition that means the same."""
    if isinstance(value, list):
        return [reworded(draw, item) for item in value]
    if not isinstance(value, dict):
        return value
    members = [(f"{name} renamed" if holds_states else name, member) for name, member in value.items()]
    if "Type" in value or "StartAt" in value:
        members.append(("Comment", draw(st.sampled_from(("", "é", "$.x", "{% ( %}")))))
    return dict(
        (name, f"{member} renamed")
        if name in ("Next", "Default", "StartAt")
        else (name, reworded_member(draw, name, member))
        for name, member in draw(st.permutations(members))
    )


def reworded_member(draw: Any, name: str, member: Any) -> Any:
    has_meaning = name in ("Parameters", "ItemSelector", "Arguments", "Output", "Result", "Assign", "ResultSelector")
    return member if has_meaning else reworded(draw, member, holds_states=name == "States")
