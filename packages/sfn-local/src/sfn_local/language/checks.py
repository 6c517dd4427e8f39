"""A definition checked against the tables of `sfn_local.language.fields`, object by object."""

from collections.abc import Mapping

from sfn_local.language import Json
from sfn_local.language import value_checks as checks
from sfn_local.language.choice import COMBINATIONS, OPERATORS
from sfn_local.language.comparisons import is_number, is_timestamp
from sfn_local.language.fields import BOTH, EXCLUSIVE, JSONATA, JSONPATH, OBJECT_FIELDS, Field
from sfn_local.language.invalid import InvalidDefinition
from sfn_local.language.value_checks import Check, Where, refuse

READER_RESOURCES = ("arn:aws:states:::s3:getObject", "arn:aws:states:::s3:listObjectsV2")
WRITER_RESOURCES = ("arn:aws:states:::s3:putObject",)


def check_fields(value: Json, kind: str, fields: tuple[Field, ...], where: Where) -> dict[str, Json]:
    """Check an object: no unknown field, none of the other query language, required ones there, values right.

    Returns
    -------
    dict
        The object itself.
    """
    if not isinstance(value, dict):
        raise refuse(where, f"an object ({kind})", value)
    known = {field.name: field for field in fields}
    for name, member in value.items():
        _check_field(name, member, known, where)
    missing = [field.name for field in fields if field.is_required and field.name not in value and _has(field, where)]
    if missing:  # the sentence is recorded
        raise InvalidDefinition(where.place, f"These fields are required: [{', '.join(missing)}]")
    for names, is_required in EXCLUSIVE.get(kind, ()):
        checks.check_exclusive(value, names, is_required, where)
    return value


def _has(field: Field, where: Where) -> bool:
    return field.language in (BOTH, JSONATA if where.is_jsonata else JSONPATH)


def _check_field(name: str, value: Json, known: Mapping[str, Field], where: Where) -> None:
    field = known.get(name)
    if field is None:
        allowed = ", ".join(sorted(other.name for other in known.values() if _has(other, where)))
        raise InvalidDefinition(f"{where.place}/{name}", f"unknown field; allowed: {allowed}")
    if not _has(field, where):
        raise InvalidDefinition(f"{where.place}/{name}", f"belongs to query language {field.language} only")
    if field.refused:
        raise InvalidDefinition(f"{where.place}/{name}", f"not supported: {field.refused}")
    CHECKS[field.check](value, where.at(name))


def check_object(kind: str) -> Check:
    """A check for one kind of object of `OBJECT_FIELDS`."""
    return lambda value, where: _check_object(value, kind, where)


def _check_object(value: Json, kind: str, where: Where) -> None:
    check_fields(value, kind, OBJECT_FIELDS[kind], where)


def check_list_of(kind: str, *, may_be_empty: bool) -> Check:
    """A check for an array of one kind of object."""

    def check(value: Json, where: Where) -> None:
        if not isinstance(value, list) or not (value or may_be_empty):
            raise refuse(where, f"an array of objects ({kind})", value)
        for index, item in enumerate(value):
            _check_object(item, kind, where.at(index))

    return check


def check_error_handlers(kind: str) -> Check:
    """A check for Retry or Catch: States.ALL stands alone and last."""
    check_entries = check_list_of(kind, may_be_empty=True)  # recorded: an empty Catch runs

    def check(value: Json, where: Where) -> None:
        check_entries(value, where)
        for index, entry in enumerate(value):
            names = entry["ErrorEquals"]
            if "States.ALL" in names and (len(names) > 1 or index < len(value) - 1):
                raise refuse(where.at(index).at("ErrorEquals"), "States.ALL alone, in the last entry", names)

    return check


def check_item_batcher(value: Json, where: Where) -> None:
    """An ItemBatcher needs one of its limits."""
    _check_object(value, "item batcher", where)
    if not any(name.startswith("Max") for name in value):
        raise InvalidDefinition(where.place, "must have MaxItemsPerBatch or MaxInputBytesPerBatch, got none")


def check_reader_config(value: Json, where: Where) -> None:
    """GIVEN headers are there, and only for CSV."""
    _check_object(value, "reader config", where)
    if (value.get("CSVHeaderLocation") == "GIVEN") != ("CSVHeaders" in value):
        raise InvalidDefinition(where.place, "CSVHeaders and CSVHeaderLocation GIVEN need each other")
    if value.get("InputType") != "CSV" and any(name.startswith("CSV") for name in value):
        raise InvalidDefinition(where.place, f"CSV fields need InputType CSV, got {value.get('InputType')}")


def check_item_reader(value: Json, where: Where) -> None:
    """What is read fits how it is listed."""
    _check_object(value, "item reader", where)
    config, is_file = value.get("ReaderConfig", {}), value["Resource"].endswith(":getObject")
    is_loading = config.get("Transformation") == "LOAD_AND_FLATTEN"
    if is_file and is_loading:
        place = f"{where.place}/ReaderConfig/Transformation"
        raise InvalidDefinition(place, "LOAD_AND_FLATTEN needs the resource arn:aws:states:::s3:listObjectsV2")
    if (is_file or is_loading) and "InputType" not in config:
        raise InvalidDefinition(f"{where.place}/ReaderConfig", "InputType is missing (a file needs it)")


def check_result_writer(value: Json, where: Where) -> None:
    """Not empty; a Resource and where it writes need each other."""
    _check_object(value, "result writer", where)
    parameters = "Arguments" if where.is_jsonata else "Parameters"
    if not value or ("Resource" in value) != (parameters in value):
        raise InvalidDefinition(where.place, f"must have Resource and {parameters}, or WriterConfig, or all three")


def check_choice_rules(value: Json, where: Where) -> None:
    """Rules of a Choice state."""
    if not isinstance(value, list) or not value:
        raise refuse(where, "a non-empty array of rules", value)
    for index, rule in enumerate(value):
        place = where.at(index)
        if where.is_jsonata or not isinstance(rule, dict):
            _check_object(rule, "choice rule", place)
        else:
            ours = {field.name for field in OBJECT_FIELDS["choice rule"]}
            _check_object({name: member for name, member in rule.items() if name in ours}, "choice rule", place)
            _check_comparison({name: member for name, member in rule.items() if name not in ours}, place)


def _check_comparison(rule: Json, where: Where) -> None:
    """A JSONPath rule without Next: And, Or, Not of rules, or one operator on a Variable."""
    if not isinstance(rule, dict):
        raise refuse(where, "an object (choice rule)", rule)
    rule = {name: member for name, member in rule.items() if name != "Comment"}
    combination = next((name for name in COMBINATIONS if name in rule), None)
    if combination is None:
        _check_operator(rule, where)
    elif len(rule) > 1:
        raise InvalidDefinition(where.place, f"{combination} stands alone in a rule, got {', '.join(rule)}")
    elif combination == "Not":
        _check_comparison(rule["Not"], where.at("Not"))
    else:
        parts, place = rule[combination], where.at(combination)
        if not isinstance(parts, list) or not parts:
            raise refuse(place, "a non-empty array of rules", parts)
        for index, part in enumerate(parts):
            _check_comparison(part, place.at(index))


def _check_operator(rule: Mapping[str, Json], where: Where) -> None:
    operators = [name for name in rule if name != "Variable"]
    for name in operators:
        if name not in OPERATORS:
            allowed = ", ".join(sorted(("Variable", *OPERATORS, *COMBINATIONS)))
            raise InvalidDefinition(f"{where.place}/{name}", f"unknown field; allowed: {allowed}")
    if "Variable" not in rule or len(operators) != 1:
        given = ", ".join(rule) or "nothing"
        raise InvalidDefinition(where.place, f"a rule has Variable and one comparison operator, got {given}")
    checks.check_path(rule["Variable"], where.at("Variable"))
    _check_operand(operators[0], rule[operators[0]], where.at(operators[0]))


def _check_operand(operator: str, operand: Json, where: Where) -> None:
    if operator.endswith("Path"):
        checks.check_path(operand, where)
    elif operator.startswith(("Is", "Boolean")):
        checks.check_boolean(operand, where)
    elif operator.startswith("Numeric"):
        if not is_number(operand):
            raise refuse(where, "a number", operand)
    elif operator.startswith("Timestamp"):
        if not is_timestamp(operand):
            raise refuse(where, "a timestamp such as 2016-03-14T01:59:00Z", operand)
    else:
        checks.check_text(operand, where)


CHECKS: Mapping[str, Check] = {
    "any": checks.check_any,
    "assign": checks.check_assign,
    "backoff rate": checks.number_from(1.0),
    "boolean": checks.check_boolean,
    "by language": checks.check_by_language,
    "catchers": check_error_handlers("catcher"),
    "choice rules": check_choice_rules,
    "condition": checks.check_condition,
    "csv delimiter": checks.one_of("COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"),
    "csv header location": checks.one_of("FIRST_ROW", "GIVEN"),
    "error names": checks.check_texts,
    "execution type": checks.one_of("STANDARD", "EXPRESS"),
    "input type": checks.one_of("CSV", "JSON", "JSONL"),
    "item batcher": check_item_batcher,
    "item reader": check_item_reader,
    "items": checks.check_items,
    "jitter strategy": checks.one_of("FULL", "NONE"),
    "json pointer": checks.check_json_pointer,
    "jsonata": checks.check_jsonata,
    "label": checks.check_label,
    "machine time-out": checks.integer_between(1, checks.MAX_INTERVAL_SECONDS),
    "max attempts": checks.integer_between(0, checks.MAX_ATTEMPTS),
    "max delay": checks.integer_between(1, checks.MAX_DELAY_SECONDS),
    "output type": checks.one_of("JSON", "JSONL"),
    "path": checks.check_path,
    "path or null": checks.check_path_or_null,
    "processor config": check_object("processor config"),
    "processor mode": checks.one_of("INLINE", "DISTRIBUTED"),
    "query language": checks.one_of(JSONPATH, JSONATA),
    "reader config": check_reader_config,
    "reader resource": checks.one_of(*READER_RESOURCES),
    "reader transformation": checks.one_of("NONE", "LOAD_AND_FLATTEN"),
    "reference path or null": checks.check_reference_path_or_null,
    "resource": checks.check_text,
    "result writer": check_result_writer,
    "retriers": check_error_handlers("retrier"),
    "retry interval": checks.integer_between(1, checks.MAX_INTERVAL_SECONDS),
    "setting": checks.check_setting,
    "setting path": checks.check_setting_path,
    "template": checks.check_template,
    "text": checks.check_text,
    "texts": checks.check_texts,
    "transformation": checks.one_of("NONE", "COMPACT", "FLATTEN"),
    "version": checks.one_of("1.0"),
    "writer config": check_object("writer config"),
    "writer resource": checks.one_of(*WRITER_RESOURCES),
    # these hold workflows of their own: `sfn_local.language.definition` walks into them
    "branches": checks.check_any,
    "item processor": checks.check_any,
    "states": checks.check_any,
}
