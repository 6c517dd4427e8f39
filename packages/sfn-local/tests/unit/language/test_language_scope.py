import pytest
from sfn_local.language.errors import DataLimitExceededError, StatesRuntimeError
from sfn_local.language.scope import Scope


def test_assign_gives_a_new_scope_and_keeps_the_old():
    before = Scope({}, {"a": 1})
    after = before.assign({"a": 2, "b": 3})
    assert before.variables == {"a": 1}
    assert after.variables == {"a": 2, "b": 3}


def test_inner_scope_reads_outer_variables_and_cannot_assign_them():
    inner = Scope({}, {"a": 1}).enter({"Map": {}})
    assert inner.variables == {"a": 1}
    assert inner.context == {"Map": {}}
    assert inner.assign({"b": 2}).variables == {"a": 1, "b": 2}
    with pytest.raises(StatesRuntimeError, match="'a' belongs to an outer scope"):
        inner.assign({"a": 2})


def test_variables_of_an_inner_scope_are_outer_to_the_next():
    innermost = Scope({}).enter({}).assign({"a": 1}).enter({})
    with pytest.raises(StatesRuntimeError, match="'a'"):
        innermost.assign({"a": 2})


def test_context_changes_alone():
    scope = Scope({"a": 1}, {"v": 1}).with_context({"b": 2})
    assert (scope.context, scope.variables) == ({"b": 2}, {"v": 1})


IN_STATE = Scope({"State": {"Name": "S"}})


def test_variable_over_256_kib_is_a_data_limit_error():
    with pytest.raises(DataLimitExceededError, match=r"Variable 'a' in state 'S' was assigned 262145 bytes\."):
        IN_STATE.assign({"a": "x" * 262_143})


def test_assignment_over_256_kib_is_a_data_limit_error():
    with pytest.raises(DataLimitExceededError, match=r"Variable 'b' in state 'S' .* by 137860 bytes"):
        IN_STATE.assign({"a": "x" * 200_000, "b": "x" * 200_000})


def test_all_variables_over_10_mib_are_a_data_limit_error():
    scope = IN_STATE
    for number in range(41):
        scope = scope.assign({f"v{number}": "x" * 250_000})
    with pytest.raises(DataLimitExceededError, match=r"State 'S' assigned variables .* by 14324 bytes"):
        scope.assign({"v41": "x" * 250_000})


def test_replaced_values_do_not_count_towards_the_limit():
    scope = Scope({})
    for _ in range(100):
        scope = scope.assign({"a": "x" * 250_000})
    assert list(scope.variables) == ["a"]
