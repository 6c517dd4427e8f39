"""Tasks that wait for their token: SendTaskSuccess, SendTaskFailure, heartbeats and time-outs."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from sfn_local.execution.task_tokens import TaskTokenError
from state_machines import BUCKET, Home, open_home

SPEED = 100.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with open_home(tmp_path_factory.mktemp("home"), speed=SPEED) as opened:
        yield opened


def machine(key: str, **fields: Any) -> dict[str, Any]:
    """A machine that leaves its token in an object and waits."""
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:putObject.waitForTaskToken",
        "Parameters": {"Bucket": BUCKET, "Key": key, "Body.$": "$$.Task.Token"},
        "End": True,
        **fields,
    }
    return {"StartAt": "Wait", "States": {"Wait": task}}


async def _token(home: Home, key: str, other_than: str = "") -> str:
    """Wait until the task has left its token."""
    while True:
        names = [info.key for info in home.objects.list(BUCKET, prefix=key).objects]
        token = json.loads(home.read(key)) if key in names else other_than  # S3 tasks store a text as JSON
        if token != other_than:
            return str(token)
        await asyncio.sleep(0.001)


def run(home: Home, key: str, answer: Any, **fields: Any) -> Any:
    """Run a machine to its end; ``answer(token)``, if there is one, is called once its task waits."""
    arn = home.register(f"token-{key}", machine(key, **fields))

    async def both() -> Any:
        execution = await home.start(arn, {})
        answered = answer(await _token(home, key)) if answer else None
        if answered is not None:
            await answered
        return await execution.ended

    return home.do(both())


def test_task_ends_with_the_output_that_is_sent_for_its_token(home: Home) -> None:
    row = run(home, "succeeds", lambda token: home.machines.tokens.succeed(token, '{"a":[1]}'))
    assert (row.status, json.loads(row.output)) == ("SUCCEEDED", {"a": [1]})
    kinds = [event["type"] for event in home.events(row.arn)]
    assert kinds[2:6] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]
    details = home.events(row.arn)[3]["taskStartedEventDetails"]
    assert details == {"resourceType": "aws-sdk:s3", "resource": "putObject.waitForTaskToken"}


def test_task_fails_with_the_error_that_is_sent_for_its_token(home: Home) -> None:
    row = run(home, "fails", lambda token: home.machines.tokens.fail(token, "Broken", "by me"))
    assert (row.status, row.error, row.cause) == ("FAILED", "Broken", "by me")


def test_retry_of_a_task_gets_a_new_token_and_the_old_one_is_over(home: Home) -> None:
    tokens = []

    async def answer(token: str) -> None:
        tokens.append(token)
        home.machines.tokens.fail(token, "Again", None)
        tokens.append(await _token(home, "retries", token))
        home.machines.tokens.succeed(tokens[1], "1")

    retry = [{"ErrorEquals": ["Again"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    row = run(home, "retries", answer, Retry=retry)
    assert row.status == "SUCCEEDED"
    assert tokens[0] != tokens[1]
    for token in tokens:
        with pytest.raises(TaskTokenError) as error:
            home.machines.tokens.succeed(token, "2")
        assert error.value.code == "TaskTimedOut"


def test_task_without_heartbeats_is_told_as_a_time_out(home: Home) -> None:
    row = run(home, "silent", None, HeartbeatSeconds=5, TimeoutSeconds=600)
    assert (row.status, row.error) == ("FAILED", "States.Timeout")
    (event,) = [event for event in home.events(row.arn) if event["type"] == "TaskTimedOut"]
    assert event["taskTimedOutEventDetails"]["error"] == "States.Timeout"


def test_retry_may_name_a_heartbeat_timeout(home: Home) -> None:
    retry = [
        {"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 9},
        {"ErrorEquals": ["States.HeartbeatTimeout"], "IntervalSeconds": 1, "MaxAttempts": 1},
    ]
    row = run(home, "silent-twice", None, HeartbeatSeconds=5, TimeoutSeconds=600, Retry=retry)
    assert row.error == "States.Timeout"
    assert [event["type"] for event in home.events(row.arn)].count("TaskTimedOut") == 2


def test_heartbeats_keep_a_task_alive_beyond_its_heartbeat_seconds(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop's clock is put forward: between two heartbeats a busy machine may lose as much as a hundred seconds."""

    async def beat(token: str) -> None:
        loop = asyncio.get_running_loop()
        own, passed = loop.time, 0.0
        with monkeypatch.context() as patched:
            patched.setattr(loop, "time", lambda: own() + passed)
            for _ in range(8):
                passed += 500
                await asyncio.sleep(0)  # whatever is due now, happens
                home.machines.tokens.heartbeat(token)
            home.machines.tokens.succeed(token, '"alive"')
            await asyncio.sleep(0)

    row = run(home, "beats", beat, HeartbeatSeconds=int(600 * SPEED))
    assert (row.status, row.output) == ("SUCCEEDED", '"alive"')


def test_task_that_nobody_answers_ends_by_its_timeout(home: Home) -> None:
    row = run(home, "late", None, TimeoutSeconds=5)
    assert (row.status, row.error) == ("FAILED", "States.Timeout")


def test_token_of_a_stopped_execution_is_over(home: Home) -> None:
    arn = home.register("token-stopped", machine("stopped"))

    async def stop() -> str:
        execution = await home.start(arn, {})
        token = await _token(home, "stopped")
        home.machines.executions.stop(execution.row.arn, None, None)
        await execution.ended
        return token

    token = home.do(stop())
    with pytest.raises(TaskTokenError, match="TaskTimedOut"):
        home.machines.tokens.heartbeat(token)


@pytest.mark.parametrize("token", ["", "x", "ä", "QUFB" * 8, "a" * 2048])
def test_text_that_was_never_a_token_is_invalid_and_not_repeated(home: Home, token: str) -> None:
    with pytest.raises(TaskTokenError) as error:
        home.machines.tokens.succeed(token, "{}")
    assert error.value.code == "InvalidToken"
    assert error.value.message == "Invalid Token: 'Invalid token'"


@pytest.mark.parametrize("output", ["{", "NaN", "", "[" * 100_000])
def test_output_that_is_no_json_leaves_the_task_waiting(home: Home, output: str) -> None:
    def answer(token: str) -> None:
        with pytest.raises(TaskTokenError, match="InvalidOutput"):
            home.machines.tokens.succeed(token, output)
        home.machines.tokens.succeed(token, "1")

    row = run(home, f"output-{len(output)}", answer)
    assert row.output == "1"


def test_tokens_are_long_and_never_the_same(home: Home) -> None:
    async def issue() -> list[str]:
        return [home.machines.tokens.issue("arn:machine")[0] for _ in range(100)]

    tokens = home.do(issue())
    assert len(set(tokens)) == 100
    assert all(64 <= len(token) <= 2048 for token in tokens)
    for token in tokens:
        home.machines.tokens.discard(token)


def test_context_has_a_token_only_where_the_task_waits_for_one(home: Home) -> None:
    definition = machine("none")
    definition["States"]["Wait"]["Resource"] = "arn:aws:states:::aws-sdk:s3:putObject"
    row = home.run(definition, {})
    assert (row.status, row.error) == ("FAILED", "States.Runtime")
    assert "$$.Task.Token" in row.cause
