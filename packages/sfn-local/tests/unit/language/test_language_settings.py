import pytest
from language_values import scope
from sfn_local.language.errors import StatesError
from sfn_local.language.settings import KINDS, compile_setting


def value_of(fields, name, document=None, is_jsonata=False, **variables):
    setting = compile_setting(fields, name, is_jsonata)
    assert setting is not None
    return setting(document if document is not None else {}, scope(**variables))


def error_of(fields, name, document=None, is_jsonata=False):
    with pytest.raises(StatesError) as caught:
        value_of(fields, name, document, is_jsonata)
    return caught.value.name, caught.value.cause


@pytest.mark.parametrize("name", KINDS)
def test_absent_field_has_no_setting(name):
    assert compile_setting({}, name, is_jsonata=False) is None


@pytest.mark.parametrize(
    ("fields", "document", "value"),
    [
        ({"Seconds": 5}, {}, 5),
        ({"SecondsPath": "$.n"}, {"n": 0}, 0),
        ({"SecondsPath": "$v"}, {}, 7),
        ({"TimeoutSecondsPath": "$.n"}, {"n": 1}, 1),
        ({"Timestamp": "2016-03-14T01:59:00Z"}, {}, "2016-03-14T01:59:00Z"),
        ({"TimestampPath": "$.t"}, {"t": "2016-03-14T01:59:00Z"}, "2016-03-14T01:59:00Z"),
        ({"MaxConcurrencyPath": "$.n"}, {"n": "3"}, 3),  # recorded: counts may be texts
        ({"ToleratedFailurePercentagePath": "$.n"}, {"n": "0.5"}, 0.5),
        ({"ToleratedFailureCountPath": "$.n"}, {"n": 2}, 2),
        ({"MaxItemsPath": "$.n"}, {"n": 0}, 0),
        ({"ErrorPath": "$.e"}, {"e": "Oops"}, "Oops"),
        ({"CausePath": "States.Format('{}!', $$.Execution.Id)"}, {}, "arn!"),
    ],
)
def test_jsonpath_setting_gives(fields, document, value):
    name = next(iter(fields)).removesuffix("Path")
    assert value_of(fields, name, document, v=7) == value


@pytest.mark.parametrize(
    ("fields", "document", "error"),
    [
        (
            {"SecondsPath": "$.n"},
            {"n": -1},
            ("States.Runtime", "The SecondsPath parameter references a negative value: $.n == -1"),
        ),
        (
            {"SecondsPath": "$.n"},
            {"n": 1.5},
            ("States.Runtime", "The SecondsPath parameter cannot be parsed as a long value: $.n == 1.5"),
        ),
        (
            {"HeartbeatSecondsPath": "$.n"},
            {},
            ("States.Runtime", "Invalid path '$.n' : No results for path: $['n']"),
        ),
        (
            {"TimestampPath": "$.n"},
            {"n": "2016"},
            (
                "States.Runtime",
                "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format"
                " string: $.n == 2016",
            ),
        ),
        (
            {"MaxConcurrencyPath": "$.n"},
            {"n": {}},
            (
                "States.Runtime",
                'The MaxConcurrencyPath field refers to value "{}" which is not a valid integer: $.n',
            ),
        ),
        (
            {"MaxConcurrencyPath": "$.n"},
            {"n": -1},
            ("States.Runtime", "Expected non-negative integer for MaxConcurrency, got '-1' instead."),
        ),
        (
            {"ToleratedFailureCountPath": "$.n"},
            {"n": -1},
            ("States.Runtime", "ToleratedFailureCount cannot be negative."),
        ),
        (
            {"ToleratedFailurePercentagePath": "$.n"},
            {"n": 100.1},
            ("States.Runtime", "ToleratedFailurePercentage must be between 0 and 100."),
        ),
        (
            {"ToleratedFailurePercentagePath": "$.n"},
            {"n": "NaN"},
            (
                "States.Runtime",
                'The ToleratedFailurePercentagePath field refers to value "NaN" which is not a valid float: $.n',
            ),
        ),
        ({"MaxItemsPath": "$.n"}, {"n": -1}, ("States.ItemReaderFailed", "field MaxItems must be positive")),
        ({"MaxItemsPerBatchPath": "$.n"}, {"n": 0}, ("States.Runtime", "MaxItemsPerBatch must be 1 or more.")),
        (
            {"MaxConcurrencyPath": "$.n"},
            {"n": 2**63},
            ("States.Runtime", "MaxConcurrency must be at most 9223372036854775807, got 9223372036854775808"),
        ),
        (
            {"MaxInputBytesPerBatchPath": "$.n"},
            {"n": 262_145},
            ("States.Runtime", "MaxInputBytesPerBatch must be between 1 and 262144."),
        ),
        (
            {"TimeoutSecondsPath": "$.n"},
            {"n": 0},
            ("States.Runtime", "TimeoutSeconds must be between 1 and 99999999."),
        ),
        (
            {"CausePath": "$.n"},
            {"n": 1},
            ("States.Runtime", "The CausePath parameter does not reference a string: $.n == 1"),
        ),
        (
            {"ErrorPath": "$.e"},
            {"n": 1},
            (
                "States.Runtime",
                "The JSONPath '$.e' specified for the field 'ErrorPath' could not be found in the input '{\"n\":1}'",
            ),
        ),
    ],
)
def test_jsonpath_setting_refuses(fields, document, error):
    name = next(iter(fields)).removesuffix("Path")
    assert error_of(fields, name, document) == error


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"Seconds": "{% $states.input.n %}"}, 3),
        ({"TimeoutSeconds": "{% $variable := 1 %}"}, 1),
        ({"ToleratedFailurePercentage": "{% 0.5 %}"}, 0.5),
        ({"MaxConcurrency": "{% 4 / 2 %}"}, 2),
        ({"Timestamp": "{% '2016-03-14T01:59:00Z' %}"}, "2016-03-14T01:59:00Z"),
        ({"Error": "{% 'E' & $states.input.n %}"}, "E3"),
        ({"Cause": "plain"}, "plain"),
    ],
)
def test_jsonata_setting_gives(fields, value):
    assert value_of(fields, next(iter(fields)), {"n": 3}, is_jsonata=True) == value


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"Seconds": "{% '3' %}"}, "Expected 'number', but was 'string' for value: \"3\""),
        ({"Seconds": "{% 1.5 %}"}, "The Seconds field must be an integer but was: 1.5"),
        ({"Seconds": "{% -1 %}"}, "Seconds must be between 0 and 99999999."),
        ({"MaxConcurrency": "{% -1 %}"}, "Expected non-negative integer for MaxConcurrency, got '-1' instead."),
        ({"Error": "{% 1 %}"}, "Expected 'string', but was 'number' for value: 1"),
        (
            {"Timestamp": "{% '2016-13-05T21:29:29Z' %}"},
            "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string:"
            " 2016-13-05T21:29:29Z",
        ),
    ],
)
def test_jsonata_setting_refuses(fields, cause):
    name, found = error_of(fields, next(iter(fields)), is_jsonata=True)
    assert name == "States.QueryEvaluationError"
    assert found.endswith(cause)
