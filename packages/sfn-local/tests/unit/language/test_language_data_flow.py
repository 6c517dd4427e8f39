import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from language_values import JSON, scope
from sfn_local.language.data_flow import compile_flow
from sfn_local.language.errors import QueryEvaluationError, StatesError, StatesRuntimeError


def flow_of(kind, *, is_jsonata=False, **fields):
    return compile_flow({"Type": kind, **fields}, is_jsonata)


def test_fields_that_are_absent_pass_data_through():
    flow = flow_of("Task")
    state_input, result = {"a": 1}, {"b": 2}
    assert flow.effective_input(state_input, scope()) is state_input
    assert flow.arguments(state_input, scope()) is state_input
    assert flow.leave(state_input, result, scope()).output is result


def test_jsonpath_fields_apply_in_their_order():
    flow = flow_of(
        "Task",
        InputPath="$.in",
        Parameters={"p.$": "$.x", "c.$": "$$.Execution.Id"},
        ResultSelector={"r.$": "$.Payload"},
        ResultPath="$.out.here",
        OutputPath="$.out",
    )
    state_input = {"in": {"x": 1}, "out": {"kept": True}}
    effective = flow.effective_input(state_input, scope())
    assert effective == {"x": 1}
    assert flow.arguments(effective, scope()) == {"p": 1, "c": "arn"}
    # ResultPath combines with the raw input, not with the effective one (recorded)
    assert flow.leave(state_input, {"Payload": 5}, scope()).output == {"kept": True, "here": {"r": 5}}


def test_null_paths_give_an_empty_object_and_drop_the_result():
    flow = flow_of("Task", InputPath=None, ResultPath=None)
    assert flow.effective_input({"a": 1}, scope()) == {}
    assert flow.leave({"a": 1}, {"b": 2}, scope()).output == {"a": 1}
    assert flow_of("Pass", OutputPath=None).leave({"a": 1}, {"b": 2}, scope()).output == {}


def test_paths_read_context_and_variables():
    assert flow_of("Pass", InputPath="$$.Execution").effective_input({}, scope()) == {"Id": "arn"}
    assert flow_of("Pass", OutputPath="$v.w").leave({}, {}, scope(v={"w": 1})).output == 1


@pytest.mark.parametrize("field", ["InputPath", "OutputPath"])
def test_missing_path_is_a_runtime_error(field):
    flow = flow_of("Pass", **{field: "$.no"})
    with pytest.raises(StatesRuntimeError, match=r"Invalid path '\$.no' : No results for path: \$\['no'\]"):
        flow.leave({}, flow.effective_input({}, scope()), scope())


def test_assign_of_a_task_sees_its_result_and_is_seen_after_the_state():
    flow = flow_of("Task", Assign={"x.$": "$.n", "old.$": "$x"}, ResultSelector={"m.$": "$x"})
    before = scope(x=1)
    left = flow.leave({}, {"n": 2}, before)
    assert left.output == {"m": 1}
    assert left.assigned == {"x": 2, "old": 1}
    assert left.scope.variables == {"x": 2, "old": 1}
    assert before.variables == {"x": 1}


def test_choice_leaves_with_the_fields_of_its_rule_or_its_own():
    rule = {"Variable": "$.a", "IsPresent": True, "Next": "A", "Assign": {"x.$": "$.a"}}
    flow = flow_of("Choice", Choices=[rule], InputPath="$.in", Assign={"x": "default"})
    state_input = {"in": {"a": 1}}
    assert flow.leave_choice(state_input, 0, scope()).assigned == {"x": 1}
    assert flow.leave_choice(state_input, None, scope()).assigned == {"x": "default"}
    assert flow.leave_choice(state_input, 0, scope()).output == {"a": 1}


def test_catcher_places_the_error_in_the_state_input():
    error = StatesError("E", "why")
    catchers = [
        {"ErrorEquals": ["A"], "Next": "N"},
        {"ErrorEquals": ["B"], "Next": "N", "ResultPath": "$.error", "Assign": {"name.$": "$.Error"}},
        {"ErrorEquals": ["C"], "Next": "N", "ResultPath": None},
    ]
    flow = flow_of("Task", Catch=catchers, OutputPath="$.ignored")
    assert flow.leave_caught({"a": 1}, 0, error, scope()).output == {"Error": "E", "Cause": "why"}
    left = flow.leave_caught({"a": 1}, 1, error, scope())
    assert left.output == {"a": 1, "error": {"Error": "E", "Cause": "why"}}
    assert left.assigned == {"name": "E"}
    assert flow.leave_caught({"a": 1}, 2, error, scope()).output == {"a": 1}


def test_parameters_of_a_map_belong_to_its_items():
    flow = flow_of("Map", Parameters={"v.$": "$$.Map.Item.Value"})
    assert flow.arguments([1], scope()) == [1]


def test_jsonata_fields_see_input_result_context_and_variables():
    flow = flow_of(
        "Task",
        is_jsonata=True,
        Arguments={"x": "{% $states.input.a %}", "c": "{% $states.context.Execution.Id %}"},
        Output={"r": "{% $states.result.n %}", "i": "{% $states.input.a %}", "v": "{% $v %}"},
        Assign={"v": "{% $states.result.n %}", "w": "$.a"},
    )
    state_input, before = {"a": 1}, scope(v=7)
    assert flow.arguments(flow.effective_input(state_input, before), before) == {"x": 1, "c": "arn"}
    left = flow.leave(state_input, {"n": 2}, before)
    assert left.output == {"r": 2, "i": 1, "v": 7}
    assert left.scope.variables == {"v": 2, "w": "$.a"}


def test_jsonata_state_without_a_result_of_its_own_has_none():
    flow = flow_of("Pass", is_jsonata=True, Output="{% $exists($states.result) %}")
    assert flow.leave({}, {}, scope()).output is False


def test_jsonata_choice_and_catch_leave_with_their_own_output():
    rule = {"Condition": True, "Next": "A", "Output": "{% $states.input.a + 1 %}"}
    choice = flow_of("Choice", is_jsonata=True, Choices=[rule], Output="default")
    assert choice.leave_choice({"a": 1}, 0, scope()).output == 2
    assert choice.leave_choice({"a": 1}, None, scope()).output == "default"
    catchers = [
        {"ErrorEquals": ["A"], "Next": "N", "Assign": {"e": "{% $states.errorOutput.Error %}"}},
        {"ErrorEquals": ["B"], "Next": "N", "Output": ["{% $states.input %}", "{% $states.errorOutput %}"]},
    ]
    task = flow_of("Task", is_jsonata=True, Catch=catchers)
    error = StatesError("E", "why")
    left = task.leave_caught(1, 0, error, scope())
    assert (left.output, left.assigned) == ({"Error": "E", "Cause": "why"}, {"e": "E"})
    assert task.leave_caught(1, 1, error, scope()).output == [1, {"Error": "E", "Cause": "why"}]


@pytest.mark.parametrize(
    ("leave", "field"),
    [
        (lambda flow: flow.leave({}, {}, scope()), "Output/a"),
        (lambda flow: flow.leave_choice({}, 0, scope()), "Choices[0]/Assign/b"),
        (lambda flow: flow.leave_caught({}, 0, StatesError("E"), scope()), "Catch[0]/Output"),
    ],
)
def test_failing_jsonata_field_is_named_by_its_place(leave, field):
    nothing = "{% $nope %}"
    flow = flow_of(
        "Task",
        is_jsonata=True,
        Output={"a": nothing},
        Choices=[{"Assign": {"b": nothing}}],
        Catch=[{"Output": nothing}],
    )
    with pytest.raises(QueryEvaluationError) as caught:
        leave(flow)
    assert caught.value.cause == (
        f"The JSONata expression '$nope' specified for the field '{field}' returned nothing (undefined)."
    )


PATHS = st.sampled_from(["$", "$.a", "$.a.b", "$['x'][0]", None])


@given(JSON, JSON, PATHS, PATHS, PATHS)
def test_flow_raises_only_states_errors_and_changes_nothing(state_input, result, input_path, result_path, output_path):
    before = copy.deepcopy((state_input, result))
    flow = flow_of(
        "Task",
        InputPath=input_path,
        ResultPath=result_path,
        OutputPath=output_path,
        Parameters={"a.$": "$.a"},
        ResultSelector={"all.$": "$"},
    )
    try:
        flow.arguments(flow.effective_input(state_input, scope()), scope())
        flow.leave(state_input, result, scope())
    except StatesError as error:
        assert error.cause  # noqa: PT017  a value is as good as this error
    assert (state_input, result) == before
