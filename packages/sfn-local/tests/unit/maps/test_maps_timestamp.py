"""Time stamps of result files and contexts, and the clock that they are from."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sfn_local.clock import Clock
from sfn_local.language.timestamps import timestamp


@given(st.integers(0, 4_102_444_800_000))
def test_timestamp_has_milliseconds_and_names_the_same_moment(milliseconds: int) -> None:
    text = timestamp((milliseconds + 0.5) / 1000)
    assert len(text) == len("2025-02-04T01:49:50.099Z")
    moment = datetime.fromisoformat(text)
    assert moment.tzinfo == UTC
    assert round(moment.timestamp() * 1000) == milliseconds


class Machine:
    """The clocks of a machine, in place of the module ``time``."""

    def __init__(self) -> None:
        self.wall, self.awake, self.since_boot = 1_800_000_000.0, 50.0, 100.0

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.awake

    def clock_gettime(self, _clock: int) -> float:
        return self.since_boot

    def be_suspended(self, seconds: float) -> None:
        self.wall += seconds
        self.since_boot += seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr("sfn_local.clock.time", machine)
    return machine


def test_clock_is_right_after_the_machine_was_suspended(machine: Machine) -> None:
    clock = Clock()
    machine.be_suspended(3_600)
    assert clock.time() == machine.wall


def test_clock_does_not_follow_a_change_of_the_systems_time(machine: Machine) -> None:
    clock = Clock()
    before = clock.time()
    machine.wall -= 3_600
    assert clock.time() == before


def test_clock_of_this_machine_tells_its_time() -> None:
    assert abs(Clock().time() - time.time()) < 60
