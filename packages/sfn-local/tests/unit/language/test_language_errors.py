import pytest
from sfn_local.language.errors import StatesError, StatesRuntimeError, in_state, matches


@pytest.mark.parametrize(
    ("error_equals", "name"),
    [
        (["MyError"], "MyError"),
        (["Other", "MyError"], "MyError"),
        (["States.ALL"], "MyError"),
        (["States.ALL"], "States.Timeout"),
        (["States.ALL"], "States.DataLimitExceeded"),
        (["States.ALL"], None),
        (["States.TaskFailed"], "MyError"),
        (["States.TaskFailed"], "Lambda.ResourceNotFoundException"),
        (["States.Timeout"], "States.Timeout"),
        (["States.Timeout"], "States.HeartbeatTimeout"),
        (["States.HeartbeatTimeout"], "States.HeartbeatTimeout"),
    ],
)
def test_error_equals_matches(error_equals, name):
    assert matches(error_equals, name)


@pytest.mark.parametrize(
    ("error_equals", "name"),
    [
        ([], "MyError"),
        (["myerror"], "MyError"),
        (["State.ALL"], "MyError"),
        (["States.TaskFailed"], "States.Timeout"),
        (["States.HeartbeatTimeout"], "States.Timeout"),
        (["States.TaskFailed"], "States.HeartbeatTimeout"),
        (["States.Runtime"], "States.Runtime"),
        (["States.ALL"], "States.Runtime"),
        (["States.TaskFailed"], "States.Runtime"),
        (["MyError"], None),
    ],
)
def test_error_equals_does_not_match(error_equals, name):
    assert not matches(error_equals, name)


def test_in_state_names_the_state_and_the_event_that_entered_it():
    error = in_state(StatesRuntimeError("It went wrong."), "Compute", 12)
    assert error.name == "States.Runtime"
    assert error.cause == (
        "An error occurred while executing the state 'Compute' (entered at the event id #12). It went wrong."
    )


def test_error_output_has_empty_texts_where_a_fail_state_has_none():
    assert StatesError(None).output == {"Error": "", "Cause": ""}
    assert StatesError("A", "b").output == {"Error": "A", "Cause": "b"}
