"""Following a run on AWS through answers that are stale, late, throttled or refused for expired credentials."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, TokenRetrievalError
from stubs import MACHINE, deployed_stack

from hpc.errors import LostRunError, UnansweredError
from hpc.runs import watch
from hpc.runs.watch import Watch
from hpc.targets import patience
from hpc.targets.client import AWS_PACE, Target

ARN = MACHINE.replace("stateMachine", "execution") + ":run-1"
BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
Answer = dict[str, Any] | Exception


class Clock:
    """Time that only passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Service:
    """Answers DescribeExecution with what is given, the last answer again and again."""

    def __init__(self, clock: Clock, *answers: Answer) -> None:
        self.clock = clock
        self.answers = list(answers)
        self.calls: list[float] = []

    def describe_execution(self, **_: Any) -> dict[str, Any]:
        self.calls.append(self.clock.now)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def list_map_runs(self, **_: Any) -> dict[str, Any]:
        return {"mapRuns": []}


def refused(code: str, status: int = 400) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "DescribeExecution")


def described(status: str, redrive_count: int = 0, **more: Any) -> dict[str, Any]:
    end = {} if status == "RUNNING" else {"stopDate": BEGIN + timedelta(seconds=60)}
    return {"status": status, "startDate": BEGIN, "redriveCount": redrive_count, **end, **more}


SUCCEEDED = described("SUCCEEDED", output="{}")
NO_CONNECTION = EndpointConnectionError(endpoint_url="endpoint")
NO_LOGIN = TokenRetrievalError(provider="sso", error_msg="it has ended")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(watch, "time", made)
    monkeypatch.setattr(patience, "time", made)
    return made


@pytest.fixture
def renewals(monkeypatch: pytest.MonkeyPatch) -> list[Target]:
    found: list[Target] = []

    def renew(target: Target) -> None:
        found.append(target)

    monkeypatch.setattr(Target, "renew", renew)
    return found


def watching(service: Service, **options: Any) -> Watch:
    target = deployed_stack(MACHINE)
    target.__dict__["stepfunctions"] = service
    return Watch(target, ARN, **options)


def follow(service: Service, **options: Any) -> dict[str, Any]:
    return watching(service, **options).wait(lambda *_: None).execution


def test_answer_of_before_the_redrive_is_not_believed(clock: Clock) -> None:
    stale = described("FAILED", redrive_count=1, error="old")
    service = Service(clock, stale, stale, described("RUNNING", 2), {**SUCCEEDED, "redriveCount": 2})
    assert follow(service, redrive_count=2)["status"] == "SUCCEEDED"


def test_redrive_that_is_never_told_of_ends_with_the_command_that_finds_the_run(clock: Clock) -> None:
    with pytest.raises(LostRunError) as raised:
        follow(Service(clock, described("FAILED", 1)), redrive_count=2, stack_name="Mine")
    assert raised.value.lines == (
        "asking about the run: the service does not know of its redrive",
        "the run goes on: hpc status run-1 --aws --stack-name Mine",
    )
    assert 30 <= clock.now < 60


@pytest.mark.parametrize("seconds", [1, 10, 29])
def test_new_run_may_be_unknown_for_half_a_minute(clock: Clock, seconds: int) -> None:
    unknown = [refused("ExecutionDoesNotExist")] * seconds
    assert follow(Service(clock, *unknown, SUCCEEDED), is_new=True) == SUCCEEDED


def test_run_that_stays_unknown_is_told_of(clock: Clock) -> None:
    with pytest.raises(LostRunError, match="the service does not know it"):
        follow(Service(clock, refused("ExecutionDoesNotExist")), is_new=True)
    with pytest.raises(LostRunError, match="ExecutionDoesNotExist"):
        follow(Service(clock, refused("ExecutionDoesNotExist")))


def test_output_that_comes_late_is_waited_for(clock: Clock) -> None:
    assert follow(Service(clock, described("SUCCEEDED"), described("SUCCEEDED"), SUCCEEDED))["output"] == "{}"
    with pytest.raises(LostRunError, match="says SUCCEEDED and tells no output"):
        follow(Service(clock, described("SUCCEEDED")))


@pytest.mark.parametrize(
    "error", [refused("ThrottlingException"), refused("InternalServerError", 500), NO_CONNECTION], ids=str
)
def test_what_passes_is_asked_again_for_minutes(clock: Clock, error: Exception) -> None:
    service = Service(clock, *[error] * 12, SUCCEEDED)
    assert follow(service) == SUCCEEDED
    assert 200 < clock.now < 300
    pauses = [after - before for before, after in zip(service.calls, service.calls[1:], strict=False)]
    assert pauses == sorted(pauses)
    assert max(pauses) == 30


@pytest.mark.parametrize(
    "error", [refused("ThrottlingException"), refused("ServiceUnavailable", 503), NO_CONNECTION], ids=str
)
def test_service_that_stays_away_does_not_lose_the_run(clock: Clock, error: Exception) -> None:
    with pytest.raises(LostRunError) as raised:
        follow(Service(clock, error))
    assert raised.value.lines[-1] == "the run goes on: hpc status run-1 --aws"
    assert 240 < clock.now <= 300


@pytest.mark.parametrize("error", [refused("ExpiredToken"), refused("ExpiredTokenException"), NO_LOGIN], ids=str)
def test_credentials_that_expired_are_taken_anew(
    clock: Clock, renewals: list[Target], error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    assert follow(Service(clock, error, error, SUCCEEDED)) == SUCCEEDED
    assert len(renewals) == 2
    assert capsys.readouterr().err.count("asking again for 5 min") == 1


def test_renewed_target_has_clients_of_another_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    target = deployed_stack(MACHINE)
    before = target.session, target.stepfunctions
    target.renew()
    assert target.session is not before[0]
    assert target.stepfunctions is not before[1]
    assert target.session.region_name == before[0].region_name


def test_what_does_not_pass_ends_at_once_and_the_run_is_found_again(clock: Clock) -> None:
    with pytest.raises(LostRunError) as raised:
        follow(Service(clock, refused("AccessDeniedException")))
    assert raised.value.lines[-1] == "the run goes on: hpc status run-1 --aws"
    assert clock.now == 0


def test_run_of_hours_is_asked_about_a_few_times_a_minute(clock: Clock) -> None:
    service = Service(clock, described("RUNNING"))
    looks: list[float] = []

    def show(_counts: Any, seconds: float) -> None:
        looks.append(seconds)
        if seconds > 3 * 3_600:
            service.answers = [SUCCEEDED]

    watching(service).wait(show)
    assert len([each for each in looks if each > 300]) <= 4 * 60 * 3
    assert AWS_PACE.delay(10_000) == 15


def test_run_that_was_not_redriven_is_believed_at_once(clock: Clock) -> None:
    assert watching(Service(clock, described("FAILED"))).look().status == "FAILED"
    assert clock.now == 0


def test_local_server_that_ends_is_told_of_at_once(clock: Clock) -> None:
    target = deployed_stack(MACHINE)
    object.__setattr__(target, "is_local", True)
    target.__dict__["stepfunctions"] = Service(clock, NO_CONNECTION)
    with pytest.raises(UnansweredError):
        Watch(target, ARN).wait(lambda *_: None)
    assert clock.now == 0
