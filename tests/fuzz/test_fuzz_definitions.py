"""Definitions that were right before they were mutated: refused by name, or run to an end that the language names."""

import copy
import functools
import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sfn_local.language.jsonata_engine  # noqa: F401 - its library sets Python's limit of recursion: before a test does
from fuzz_engine import BUCKET, PATIENT_SECONDS, PROJECT, RUN_SECONDS, Engine, on_record, open_engine
from fuzz_inputs import HANG_SECONDS, Draw, bounded, inputs, mutate, no_error_logged, odd_values, places, text_of
from fuzz_machines import EXPRESS, INPUT, MACHINES, NESTED, RUN, TASK_FIELDS, prepare
from hypothesis import given
from hypothesis import strategies as st
from sfn_local.language.errors import HEARTBEAT_TIMEOUT, PREDEFINED_NAMES, TIMEOUT
from sfn_local.protocol import ServiceError
from sfn_local.protocol.catalog import service_model
from sfn_local.storage.execution_store import ExecutionRow

from lambdas.run_files import errors as handler_errors
from lambdas.workloads import utf8_keys

RECORDED = Path(os.environ.get("HPC_CONFORMANCE_DIR") or PROJECT.parent / "shared" / "conformance" / "cases")
ROLE_ARN = "arn:aws:iam::000000000000:role/tests"
# Of services, of the functions here, and of whatever a Fail state says.
SERVICE_ERROR = re.compile(r"(Lambda|S3|Sfn|StepFunctions|Batch|AWSBatch)\.\w+|Sandbox\.Timedout|Runtime\.\w+")
FORBIDDEN = ("Runner.", "Runtime.Unavailable")
# What the inputs name, and what a mutation that drops the name leaves.
WORKLOADS: dict[str, Callable[[Iterable[int]], Iterable[int]]] = {
    "squares": lambda items: (index**2 for index in items),
    "utf8_keys": utf8_keys.compute_batch,
}
CHILD_TYPES = ("STANDARD", "EXPRESS")
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


async def create(engine: Engine, text: str, machine_type: str = "STANDARD") -> str | None:
    """Make a state machine; None if it is refused, which only a modelled error may say."""
    given = {"name": f"fuzz-{next(_numbers)}", "definition": text, "roleArn": ROLE_ARN, "type": machine_type}
    try:
        answer = await engine.states("CreateStateMachine", **given)
    except ServiceError as error:
        if error.code not in modelled("CreateStateMachine") or error.status >= 500:
            raise
        return None
    return str(answer["stateMachineArn"])


async def check_end(engine: Engine, arn: str, text: str, payload: Any, seconds: float) -> dict[str, Any]:
    """Run an execution; its end, its error and its history have to be of the language."""
    row = await engine.run(arn, json.dumps(payload), seconds)
    return await check_row(engine, row, text + json.dumps(payload))


async def check_row(engine: Engine, row: ExecutionRow, told: str) -> dict[str, Any]:
    events = await engine.history(row.arn)
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert all(event["previousEventId"] < event["id"] for event in events)
    return checked({"status": row.status, "output": row.output, "error": row.error, "cause": row.cause}, told)


def checked(ended: dict[str, Any], told: str) -> dict[str, Any]:
    """Return an end, its output read; ``told`` is all that could have named an error."""
    status, error, output = ended["status"], ended.get("error"), ended.get("output")
    assert status in ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
    if status == "SUCCEEDED":
        json.loads(output or "", parse_constant=pytest.fail)
    elif error is not None:
        assert not error.startswith(FORBIDDEN), ended
        is_known = error in PREDEFINED_NAMES or hasattr(handler_errors, error) or SERVICE_ERROR.fullmatch(error)
        assert is_known or error in told or '"Fail"' in told, ended
    return {"status": status, "output": output and json.loads(output), "error": error}


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
    run(engine, *definition_and_payload(data, sorted(MACHINES)))


def definition_and_payload(data: st.DataObject, names: list[str]) -> tuple[str, Any]:
    """Draw a machine and its input, of which one or both are mutated, or neither is."""
    machine = MACHINES[data.draw(st.sampled_from(names))]
    kind = data.draw(st.integers(0, 9))
    definition = machine if kind > 7 else mutate(data.draw, machine, most=3 if kind > 5 else 1)
    payload = mutate(data.draw, INPUT, names=tuple(INPUT)) if kind in (0, 6, 8) else INPUT
    return text_of(data.draw, definition), data.draw(odd_values) if kind == 9 else payload


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


@inputs(200)
@given(data=st.data())
def test_mutated_definition_of_an_express_machine_ends_as_it_does_in_a_standard_one(
    engine: Engine, data: st.DataObject
) -> None:
    text, payload = definition_and_payload(data, EXPRESS)
    express = run_express(engine, text, payload)
    if express is None:
        return
    standard = run(engine, text, payload)
    assert standard is not None
    if not {express["status"], standard["status"]} & {"ABORTED", "TIMED_OUT"}:
        assert (express["status"], express["error"]) == (standard["status"], standard["error"])


def run_express(engine: Engine, text: str, payload: Any) -> dict[str, Any] | None:
    async def both() -> dict[str, Any] | None:
        arn = await create(engine, text, "EXPRESS")
        if arn is None:
            return None
        return checked(await engine.run_express(arn, json.dumps(payload)), text + json.dumps(payload))

    with bounded(RUN_SECONDS + HANG_SECONDS), no_error_logged():
        ended: dict[str, Any] | None = engine.do(both())
    return ended


@inputs(300)
@given(data=st.data())
def test_mutated_definition_that_failed_fails_again_when_it_is_redriven(engine: Engine, data: st.DataObject) -> None:
    """Nothing that it works on has changed, so that it comes as far as before, each time."""
    ends = run_and_redrive(engine, *definition_and_payload(data, sorted(MACHINES)), redrives=2)
    for before, after in itertools.pairwise(ends):
        assert after == before or is_of_time(before) or is_of_time(after)


def is_of_time(ended: dict[str, Any]) -> bool:
    """Whether an execution was stopped, or ran out of time: in another try it may not."""
    return ended["status"] in ("ABORTED", "TIMED_OUT") or ended["error"] in (TIMEOUT, HEARTBEAT_TIMEOUT)


def run_and_redrive(engine: Engine, text: str, payload: Any, redrives: int) -> list[dict[str, Any]]:
    """Run a machine, and redrive it as often while it does not succeed; return its ends, none if it is refused."""

    async def all_of_it() -> list[dict[str, Any]]:
        arn = await create(engine, text)
        if arn is None:
            return []
        told = text + json.dumps(payload)
        row = await engine.run(arn, json.dumps(payload))
        ends = [await check_row(engine, row, told)]
        while ends[-1]["status"] != "SUCCEEDED" and len(ends) <= redrives:
            ends.append(await check_row(engine, await engine.redrive(row.arn), told))
        return ends

    with bounded((redrives + 1) * RUN_SECONDS + HANG_SECONDS), no_error_logged():
        ends: list[dict[str, Any]] = engine.do(all_of_it())
    return ends


@inputs(60)
@given(data=st.data())
def test_mutated_pipeline_that_succeeds_has_the_sum_of_what_its_run_was_told(
    engine: Engine, data: st.DataObject
) -> None:
    pipeline = on_record("map_reduce", data.draw(st.sampled_from(CHILD_TYPES)))
    ended = run(engine, json.dumps(mutate(data.draw, pipeline, most=2)), RUN)
    if ended is not None and ended["status"] == "SUCCEEDED":
        check_results(engine, ended["output"])


@pytest.mark.parametrize("name", NESTED)
def test_definition_on_record_to_be_mutated_runs_before_it_is(engine: Engine, name: str) -> None:
    for payload in NESTED[name]:
        ended = run(engine, json.dumps(on_record(name)), payload, PATIENT_SECONDS)
        assert ended is not None
        assert ended["status"] == "SUCCEEDED", ended
        assert check_results(engine, ended["output"]) == 1


@inputs(16)
@given(data=st.data())
def test_mutated_machine_of_jobs_and_nested_machines_that_succeeds_has_the_sums_of_its_entries(
    engine: Engine, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(NESTED)))
    change = data.draw(st.sampled_from((mutate_arguments, mutate)))
    definition = change(data.draw, on_record(name), most=1)
    ended = run(engine, json.dumps(definition), data.draw(st.sampled_from(NESTED[name])), STEADY_SECONDS)
    if ended is not None and ended["status"] == "SUCCEEDED":
        check_results(engine, ended["output"])


def mutate_arguments(draw: Draw, definition: Any, most: int) -> Any:
    """Return a copy of a definition with changes in what one state gives to its task: seldom one that is refused."""
    changed = copy.deepcopy(definition)
    given = [(state, key) for state, key in places(changed) if key == "Parameters"]
    state, key = draw(st.sampled_from(given))
    state[key] = mutate(draw, state[key], names=TASK_FIELDS, most=most)
    return changed


def check_results(engine: Engine, output: Any) -> int:
    """Check the answers of runs and of entries in an output, where the mutation has put nothing else in their place."""
    count = 0
    for container, key in places([output]):
        found = container[key]
        if isinstance(found, dict) and str(found.get("result_file")).startswith(f"s3://{BUCKET}/runs/"):
            check_run(engine, found)
            count += 1
        elif isinstance(found, dict) and found.get("agree") is True:
            check_entry(found)
            count += 1
    return count


def check_run(engine: Engine, result: dict[str, Any]) -> None:
    """Compare what is told of a run, and its file, with what the run was told."""
    key = result["result_file"].removeprefix(f"s3://{BUCKET}/")
    told = json.loads(read(engine, f"{key.rpartition('/')[0]}/run.json"))
    written = json.loads(read(engine, key))
    total = sum_of(told["workload"], told["item_count"])
    expected = {"total_sum": total, "count": told["item_count"], "failed": 0, "complete": True}
    assert expected.items() <= written.items(), written
    assert "total_sum" not in result or result == written, result


def check_entry(found: dict[str, Any]) -> None:
    """Compare the totals of an entry; of one that is too long there is the file, which the machine has compared."""
    assert set(found["totals"]) == {"lambda", "batch", "batch_callback"}, found
    told = {total["total"] for total in found["totals"].values() if "total" in total}
    assert len(told) <= 1, found
    assert told <= {sum_of(workload, found["count"]) for workload in WORKLOADS}, found


def sum_of(workload: str, size: int) -> str:
    return str(sum(WORKLOADS[workload](range(size))))


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


def reworded(draw: Draw, value: Any, holds_states: bool = False) -> Any:
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


def reworded_member(draw: Draw, name: str, member: Any) -> Any:
    has_meaning = name in ("Parameters", "ItemSelector", "Arguments", "Output", "Result", "Assign", "ResultSelector")
    return member if has_meaning else reworded(draw, member, holds_states=name == "States")
