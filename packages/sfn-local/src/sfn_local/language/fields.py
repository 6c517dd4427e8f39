"""The fields of the language, as data: definitions are checked against them, and the documentation lists them.

Source: AWS documentation, "Using Amazon States Language to define Step Functions workflows", and the pages of each
state type.
"""

from collections.abc import Mapping
from dataclasses import dataclass

BOTH, JSONPATH, JSONATA = "both", "JSONPath", "JSONata"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object of the language.

    Attributes
    ----------
    check : str
        Name of the check of its value (`sfn_local.language.checks`).
    language : str
        ``both``, or the one query language that has it.
    refused : str
        Why it can't be used here, empty if it can.
    """

    name: str
    check: str
    language: str = BOTH
    is_required: bool = False
    refused: str = ""


def _fields(*groups: Field | tuple[Field, ...]) -> tuple[Field, ...]:
    return tuple(field for group in groups for field in (group if isinstance(group, tuple) else (group,)))


def _with_path(name: str) -> tuple[Field, ...]:
    """A setting, and its form that reads the value from a path."""
    return Field(name, "setting"), Field(f"{name}Path", "setting path", JSONPATH)


_COMMENT = Field("Comment", "text")
_STATE = (Field("Type", "text", is_required=True), _COMMENT, Field("QueryLanguage", "query language"))
_TRANSITION = (Field("Next", "text"), Field("End", "boolean"))
_ASSIGN = Field("Assign", "assign")
_OUTPUT = Field("Output", "jsonata", JSONATA)
_IN_AND_OUT = (Field("InputPath", "path or null", JSONPATH), Field("OutputPath", "path or null", JSONPATH), _OUTPUT)
_PARAMETERS = (Field("Parameters", "template", JSONPATH), Field("Arguments", "jsonata", JSONATA))
_RESULT_PATH = Field("ResultPath", "reference path or null", JSONPATH)
_RESULT = (Field("ResultSelector", "template", JSONPATH), _RESULT_PATH)
_ERRORS = (Field("Retry", "retriers"), Field("Catch", "catchers"))
_WORKFLOW = (Field("States", "states", is_required=True), Field("StartAt", "text", is_required=True), _COMMENT)

STATE_FIELDS: Mapping[str, tuple[Field, ...]] = {
    "Pass": _fields(
        _STATE,
        _TRANSITION,
        _IN_AND_OUT,
        Field("Result", "any", JSONPATH),
        Field("Parameters", "template", JSONPATH),
        _RESULT_PATH,
        _ASSIGN,
    ),
    "Task": _fields(
        _STATE,
        _TRANSITION,
        Field("Resource", "resource", is_required=True),
        _IN_AND_OUT,
        _PARAMETERS,
        _RESULT,
        _ASSIGN,
        _with_path("TimeoutSeconds"),
        _with_path("HeartbeatSeconds"),
        Field("Credentials", "any", refused="a task here runs under no other role"),
        _ERRORS,
    ),
    "Choice": _fields(
        _STATE, Field("Choices", "choice rules", is_required=True), Field("Default", "text"), _IN_AND_OUT, _ASSIGN
    ),
    "Wait": _fields(_STATE, _TRANSITION, _IN_AND_OUT, _ASSIGN, _with_path("Seconds"), _with_path("Timestamp")),
    "Succeed": _fields(_STATE, _IN_AND_OUT),
    "Fail": _fields(_STATE, _with_path("Error"), _with_path("Cause")),
    "Parallel": _fields(
        _STATE,
        _TRANSITION,
        Field("Branches", "branches", is_required=True),
        _IN_AND_OUT,
        _PARAMETERS,
        _RESULT,
        _ASSIGN,
        _ERRORS,
    ),
    "Map": _fields(
        _STATE,
        _TRANSITION,
        Field("ItemProcessor", "item processor"),
        Field("Iterator", "item processor"),
        _IN_AND_OUT,
        Field("ItemsPath", "path", JSONPATH),
        Field("Items", "items", JSONATA),
        Field("ItemReader", "item reader"),
        Field("ItemSelector", "by language"),
        Field("Parameters", "template", JSONPATH),
        Field("ItemBatcher", "item batcher"),
        Field("ResultWriter", "result writer"),
        _with_path("MaxConcurrency"),
        _with_path("ToleratedFailureCount"),
        _with_path("ToleratedFailurePercentage"),
        Field("Label", "label"),
        _RESULT,
        _ASSIGN,
        _ERRORS,
    ),
}

OBJECT_FIELDS: Mapping[str, tuple[Field, ...]] = {
    "state machine": _fields(
        _WORKFLOW,
        Field("Version", "version"),
        Field("TimeoutSeconds", "machine time-out"),
        Field("QueryLanguage", "query language"),
    ),
    "branch": _WORKFLOW,
    "item processor": _fields(_WORKFLOW, Field("ProcessorConfig", "processor config")),
    "processor config": (Field("Mode", "processor mode"), Field("ExecutionType", "execution type")),
    "item reader": _fields(
        Field("Resource", "reader resource", is_required=True), _PARAMETERS, Field("ReaderConfig", "reader config")
    ),
    "reader config": _fields(
        Field("InputType", "input type"),
        Field("CSVHeaderLocation", "csv header location"),
        Field("CSVHeaders", "texts"),
        Field("CSVDelimiter", "csv delimiter"),
        Field("ItemsPointer", "json pointer"),
        Field("Transformation", "reader transformation"),
        Field("ManifestType", "any", refused="manifests (S3 inventory, Athena) are not read here"),
        _with_path("MaxItems"),
    ),
    "item batcher": _fields(
        _with_path("MaxItemsPerBatch"), _with_path("MaxInputBytesPerBatch"), Field("BatchInput", "by language")
    ),
    "result writer": _fields(Field("Resource", "writer resource"), _PARAMETERS, Field("WriterConfig", "writer config")),
    "writer config": (Field("Transformation", "transformation"), Field("OutputType", "output type")),
    "retrier": (
        Field("ErrorEquals", "error names", is_required=True),
        Field("IntervalSeconds", "retry interval"),
        Field("MaxAttempts", "max attempts"),
        Field("BackoffRate", "backoff rate"),
        Field("MaxDelaySeconds", "max delay"),
        Field("JitterStrategy", "jitter strategy"),
        _COMMENT,
    ),
    "catcher": (
        Field("ErrorEquals", "error names", is_required=True),
        Field("Next", "text", is_required=True),
        _RESULT_PATH,
        _OUTPUT,
        _ASSIGN,
        _COMMENT,
    ),
    "choice rule": (
        Field("Next", "text", is_required=True),
        _ASSIGN,
        _OUTPUT,
        _COMMENT,
        Field("Condition", "condition", JSONATA, is_required=True),
    ),
}

# An object may have only one field of a group; the flag says that it has to have one.
EXCLUSIVE: Mapping[str, tuple[tuple[tuple[str, ...], bool], ...]] = {
    "Task": ((("TimeoutSeconds", "TimeoutSecondsPath"), False), (("HeartbeatSeconds", "HeartbeatSecondsPath"), False)),
    "Wait": ((("Seconds", "SecondsPath", "Timestamp", "TimestampPath"), True),),
    "Fail": ((("Error", "ErrorPath"), False), (("Cause", "CausePath"), False)),
    "Map": (
        (("ItemProcessor", "Iterator"), True),
        (("ItemSelector", "Parameters"), False),
        (("MaxConcurrency", "MaxConcurrencyPath"), False),
        (("ToleratedFailureCount", "ToleratedFailureCountPath"), False),
        (("ToleratedFailurePercentage", "ToleratedFailurePercentagePath"), False),
    ),
    "reader config": ((("MaxItems", "MaxItemsPath"), False),),
    "item batcher": (
        (("MaxItemsPerBatch", "MaxItemsPerBatchPath"), False),
        (("MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath"), False),
    ),
}

# State types that name the state after them: exactly one of Next and End.
WITH_TRANSITION = ("Pass", "Task", "Wait", "Parallel", "Map")

# Fields of a Map state that only the distributed mode has.
DISTRIBUTED_ONLY = ("ItemReader", "ItemBatcher", "ResultWriter", "Label")
