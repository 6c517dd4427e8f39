"""Draws and counts: the same for a seed whatever the order, new for each attempt, and never more than was asked for."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sfn_local.endpoint.key_pairs import KeyPairs
from sfn_local.endpoint.sigv4 import Credential
from sfn_local.faults.injector import CURRENT, FaultInjector, TaskAttempt, draw, outside
from sfn_local.faults.spec import FaultSpec
from sfn_local.faults.trials import FunctionTrial, ProcessKeys, Trial
from sfn_local.language.errors import StatesError
from sfn_local.protocol import ServiceError

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"


def attempt_at(item: int | None = None, **fields: Any) -> TaskAttempt:
    given_fields: dict[str, Any] = {
        "state": "Compute",
        "resource": FUNCTION,
        "execution_arn": f"child-{item}",
        "run_arn": "run",
        "root": 1,
        "redrives": 0,
        "position": () if item is None else (item,),
        "item": item,
        "number": 1,
        "waits_for_token": False,
    }
    return TaskAttempt(**given_fields | fields)


def rehearse(text: str) -> FaultInjector:
    return FaultInjector(FaultSpec.parse(text))


def is_throttled(injector: FaultInjector, task: TaskAttempt) -> bool:
    async def never(_seconds: float) -> None:
        raise AssertionError

    before = injector.injected["throttle"]
    with injector.attempt(task) as attempt, contextlib.suppress(StatesError):
        asyncio.run(attempt.begin(never))
    return injector.injected["throttle"] > before


@given(st.integers(), st.permutations(range(40)))
def test_which_attempts_are_hit_does_not_depend_on_their_order(seed: int, order: Sequence[int]) -> None:
    text = f"throttle Compute 30%; seed={seed}"
    first, second = rehearse(text), rehearse(text)
    in_order = {item for item in range(40) if is_throttled(first, attempt_at(item))}
    assert {item for item in order if is_throttled(second, attempt_at(item))} == in_order
    assert first.injected == second.injected == {"throttle": len(in_order)}


def test_share_of_the_attempts_that_are_hit_is_the_one_asked_for() -> None:
    injector = rehearse("throttle Compute 5%; seed=11")
    count = sum(is_throttled(injector, attempt_at(item)) for item in range(4_000))
    assert 150 < count < 250  # 200; five standard deviations are 69


@pytest.mark.parametrize(
    "changed",
    [{"number": 2}, {"redrives": 1}, {"position": (0, 7)}, {"state": "Compute2"}],
    ids=lambda change: next(iter(change)),
)
def test_another_attempt_has_another_draw(changed: dict[str, Any]) -> None:
    injector = rehearse("throttle Compute 50%; throttle Compute2 50%")
    before = [is_throttled(injector, attempt_at(item)) for item in range(64)]
    after = [
        is_throttled(injector, attempt_at(item, **({"position": (item, 7)} if "position" in changed else changed)))
        for item in range(64)
    ]
    assert before != after


def test_draws_of_two_seeds_differ() -> None:
    assert len({draw(seed, 1, "Compute", 0) for seed in range(1_000)}) == 1_000


def test_item_is_hit_as_often_as_the_rule_says_and_no_other_item_is() -> None:
    injector = rehearse("throttle Compute item=3,5 times=2")
    hits = [
        item for number in (1, 2, 3) for item in range(8) if is_throttled(injector, attempt_at(item, number=number))
    ]
    assert hits == [3, 5, 3, 5]


def test_item_that_was_hit_is_spared_after_a_redrive_of_the_same_server() -> None:
    injector = rehearse("throttle Compute item=3")
    assert is_throttled(injector, attempt_at(3))
    assert not is_throttled(injector, attempt_at(3, redrives=1))


def test_always_means_every_attempt() -> None:
    injector = rehearse("throttle Compute item=3 times=always")
    assert all(is_throttled(injector, attempt_at(3, number=number)) for number in range(1, 20))


def test_items_of_two_runs_are_not_the_same() -> None:
    injector = rehearse("throttle Compute item=3")
    assert is_throttled(injector, attempt_at(3, root=1))
    assert is_throttled(injector, attempt_at(3, root=2))


def test_nested_execution_draws_anew_when_its_task_is_tried_again_but_counts_its_items_on() -> None:
    injector = rehearse("throttle Compute item=3; throttle Inner 50%")
    inner = attempt_at(None, state="Inner", run_arn="inner")
    hits, draws = [], set()
    for number in range(1, 30):
        with injector.attempt(attempt_at(None, state="Outer", number=number)):
            hits.append(is_throttled(injector, attempt_at(3, root=number)))
            draws.add(is_throttled(injector, inner))
    assert hits == [True] + [False] * 28
    assert draws == {True, False}


def test_what_runs_outside_belongs_to_no_attempt() -> None:
    injector = rehearse("throttle Compute 5%")
    with injector.attempt(attempt_at(1)) as attempt:
        assert CURRENT.get() is attempt
        with outside():
            assert CURRENT.get() is None
        assert CURRENT.get() is attempt
    assert CURRENT.get() is None


def test_duplicate_calls_twice_and_the_second_answer_counts() -> None:
    answers = iter([{"first": True}, {"second": True}])

    async def call() -> Any:
        return next(answers)

    with rehearse("duplicate Compute item=1").attempt(attempt_at(1)) as attempt:
        assert asyncio.run(attempt.perform(call)) == {"second": True}


def test_first_of_two_calls_may_fail() -> None:
    answers: list[Any] = [StatesError("Gone"), "second"]

    async def call() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, StatesError):
            raise answer
        return answer

    with rehearse("duplicate Compute item=1").attempt(attempt_at(1)) as attempt:
        assert asyncio.run(attempt.perform(call)) == "second"


def test_runner_is_killed_while_the_call_is_under_way_and_that_is_on_disk_before(tmp_path: Path) -> None:
    log = tmp_path / "faults.jsonl"
    seen: list[list[dict[str, Any]]] = []

    def kill() -> None:
        seen.append([json.loads(line) for line in log.read_text().splitlines()])

    injector = FaultInjector(FaultSpec.parse("kill_runner Compute item=1"), kill=kill)
    ended = asyncio.Event()

    async def call() -> Any:
        await asyncio.wait_for(ended.wait(), 10)
        return "done"

    async def perform() -> Any:
        with injector.logged(log), injector.attempt(attempt_at(1)) as attempt:
            asyncio.get_running_loop().call_later(0.3, ended.set)
            return await attempt.perform(call)

    assert asyncio.run(perform()) == "done"
    ((marked, killed),) = seen
    assert marked == {"run": "run", "within": "run", "spec": injector.spec.to_json()}
    assert (killed["kind"], killed["item"], killed["execution"]) == ("kill_runner", 1, "child-1")


def trial_of(injector: FaultInjector, task: TaskAttempt) -> FunctionTrial:
    with injector.attempt(task) as attempt:
        return FunctionTrial(attempt)


def test_requests_to_s3_are_failed_one_by_one_and_those_to_other_services_never() -> None:
    trial = trial_of(rehearse("s3_503 Compute item=1 times=2"), attempt_at(1))
    answers = []
    for service in ("states", "s3", "s3", "s3", "states"):
        try:
            trial.on_request(service, "GetObject")
            answers.append("")
        except ServiceError as error:
            answers.append(f"{error.code} {error.status}")
    assert answers == ["", "SlowDown 503", "SlowDown 503", "", ""]


def test_function_that_hands_its_token_to_a_job_is_left_alone() -> None:
    injector = rehearse("crash Compute item=1")
    trial = trial_of(injector, attempt_at(1, waits_for_token=True))
    trial.attempt.has_job = True
    assert trial.after_seconds is None
    assert not trial.is_due()


def test_function_that_answers_its_token_itself_is_ended_when_it_answers() -> None:
    trial = trial_of(rehearse("crash Compute item=1"), attempt_at(1, waits_for_token=True))
    assert trial.after_seconds is None
    assert trial.is_due()


def test_key_of_a_process_that_has_ended_is_not_accepted_any_more() -> None:
    pairs = KeyPairs({})
    keys = ProcessKeys(pairs.add, pairs.remove)
    trial = trial_of(rehearse("s3_500 Compute item=1 times=always"), attempt_at(1))
    doing: list[Trial | None] = [trial]
    variables = keys.issue("worker", "arn:of:a:role", lambda: doing[0])
    access_key_id = variables["AWS_ACCESS_KEY_ID"]
    expected = Credential(variables["AWS_SECRET_ACCESS_KEY"], principal="arn:of:a:role")
    assert pairs.credentials == {access_key_id: expected}
    with pytest.raises(ServiceError):
        keys.on_request(access_key_id, "s3", "PutObject")
    doing[0] = None
    keys.on_request(access_key_id, "s3", "PutObject")
    keys.on_request("another key", "s3", "PutObject")
    keys.revoke("worker")
    assert not pairs.credentials
    keys.revoke("worker")


def test_line_that_a_kill_cut_off_does_not_swallow_the_next_one(tmp_path: Path) -> None:
    log = tmp_path / "faults.jsonl"
    log.write_text('{"run": "run"}\n{"run": "ru')
    for _ in range(2):
        injector = rehearse("throttle Compute item=1")
        with injector.logged(log):
            assert is_throttled(injector, attempt_at(1))
    lines = log.read_text().splitlines()
    assert [json.loads(line).get("kind") for line in lines[2:]] == [None, "throttle"] * 2
