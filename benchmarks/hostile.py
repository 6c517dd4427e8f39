"""State machines that would hold a server: one of each kind, with how it ends."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Hostile:
    """A state machine and an input.

    Attributes
    ----------
    status : str
        How an execution ends; empty for one that goes on until it is stopped.
    error : str or None
        The error's name, of one that fails.
    """

    name: str
    definition: dict[str, Any]
    input: Any
    status: str = "SUCCEEDED"
    error: str | None = None
    type: str = "STANDARD"

    @property
    def texts(self) -> tuple[str, str]:
        """Definition and input as JSON."""
        return json.dumps(self.definition), json.dumps(self.input)


def _one_state(**fields: Any) -> dict[str, Any]:
    return {"StartAt": "Only", "States": {"Only": {"Type": "Pass", "End": True, **fields}}}


def _jsonata(expression: str) -> dict[str, Any]:
    return {"QueryLanguage": "JSONata", **_one_state(Output=f"{{% {expression} %}}")}


def _failing(name: str, expression: str, value: Any = None) -> Hostile:
    return Hostile(f"jsonata-{name}", _jsonata(expression), value, "FAILED", "States.QueryEvaluationError")


def _nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value, value] if depth < 5 else [value]
    return value


ENDLESS = {
    "StartAt": "Pass",
    "States": {
        "Pass": {"Type": "Pass", "Next": "Choice"},
        "Choice": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.on", "BooleanEquals": True, "Next": "Pass"}],
            "Default": "End",
        },
        "End": {"Type": "Succeed"},
    },
}
# Objects that hold the one before twice: few in memory, and 2**n as text.
_PAIRS = "$f := function($o, $n) { $n = 0 ? $o : $f({'l': $o, 'r': $o}, $n - 1) }"
_ALMOST = {"t": "a" * 40 + "!"}
_T = "$states.input.t"


def _map(processor: dict[str, Any], **config: str) -> dict[str, Any]:
    state = {"Type": "Map", "ItemProcessor": {"ProcessorConfig": config, **processor}, "ItemsPath": "$.items"}
    return {"StartAt": "Map", "States": {"Map": {**state, "End": True}}}


def _choice(rule: dict[str, Any]) -> dict[str, Any]:
    states = {"Choice": {"Type": "Choice", "Choices": [{**rule, "Next": "End"}], "Default": "End"}}
    return {"StartAt": "Choice", "States": {**states, "End": {"Type": "Succeed"}}}


_PATTERNS = [
    _failing("contains", f"$contains({_T}, /^(a+)+$/)", _ALMOST),
    _failing("match", f"$match({_T}, /^(a+)+$/)", _ALMOST),
    _failing("replace", f"$replace({_T}, /^(a|aa)+$/, 'b')", _ALMOST),
    _failing("split", f"$split({_T}, /^(a|a?)+$/)", _ALMOST),
    _failing("pattern-called", f"($r := /^(a+)+$/; $r({_T}))", _ALMOST),
    Hostile(
        "jsonpath-pattern",
        _one_state(Parameters={"found.$": "$.list[?(@.t =~ /^(a+)+$/)]"}),
        {"list": [_ALMOST] * 3},
        *("FAILED", "States.Runtime"),
    ),
    Hostile(
        "string-matches",
        _choice({"Variable": "$.t", "StringMatches": "*ERROR*timeout*retry*failed*"}),
        {"t": "ERROR timeout retry " * 400},
    ),
]
_LOOPS = [
    _failing("recursion", "($f := function($n) { $f($n + 1) }; $f(1))"),
    _failing("deep-recursion", "($f := function($n) { 1 + $f($n + 1) }; $f(1))"),
    _failing("range", "[1..10000000]"),
    _failing("range-mapped", "$sum($map([1..10000000], function($n) { $n * 2 }))"),
    _failing("product", "[1..4000].($n := $; [1..4000].($n * $))[0]"),
    _failing("sorted", "$count($sort([1..300000], function($a, $b) { $a * 7919 % 104729 > $b * 7919 % 104729 }))"),
    Hostile("loop-express", ENDLESS, {"on": True}, "", type="EXPRESS"),
    Hostile(
        "loop-in-children",
        _map(ENDLESS, Mode="DISTRIBUTED", ExecutionType="EXPRESS"),
        {"items": [{"on": True}] * 3},
        "",
    ),
    Hostile("loop-standard", ENDLESS, {"on": True}, "FAILED", "States.Runtime"),
]
_GROWTH = [
    _failing("text", "($f := function($t, $n) { $n = 0 ? $t : $f($t & $t, $n - 1) }; $length($f('ab', 90)))"),
    _failing("list", "($f := function($l, $n) { $n = 0 ? $l : $f($append($l, $l), $n - 1) }; $count($f([1, 2], 90)))"),
    _failing("pad", "$length($pad('a', 4000000000))"),
    _failing("join", f"$length($join($map([1..100000], function() {{ {_T} }}), {_T}))", {"t": "a" * 100_000}),
    _failing("shared", f"({_PAIRS}; $length($string($f($f($f({{}}, 14), 14), 14))))"),
    _failing("compared", f"({_PAIRS}; $f($f({{}}, 14), 14) = $f($f({{}}, 14), 14))"),
    Hostile(
        "jsonpath-scans",
        _one_state(Parameters={"found.$": "$" + "..*" * 8}),
        _nested(60),
        *("FAILED", "States.Runtime"),
    ),
    Hostile(
        "template",
        _one_state(Parameters={f"{number}.$": "$" for number in range(50_000)}),
        {"t": "a" * 250_000},
        *("FAILED", "States.DataLimitExceeded"),
    ),
    Hostile(
        "template-jsonata",
        {"QueryLanguage": "JSONata", **_one_state(Output=["{% $states.input %}"] * 20_000)},
        {"t": ["a"] * 50_000},
        *("FAILED", "States.DataLimitExceeded"),
    ),
    Hostile(
        "format",
        _one_state(Parameters={"text.$": f"States.Format('{'{}' * 5_000}'{', $.t' * 5_000})"}),
        {"t": "a" * 250_000},
        *("FAILED", "States.DataLimitExceeded"),
    ),
    Hostile(
        "intrinsics",
        _one_state(Parameters={f"{number}.$": "States.ArrayUnique($.list)" for number in range(10_000)}),
        {"list": list(range(30_000))},
        *("FAILED", "States.Runtime"),
    ),
    Hostile(
        "parallel",
        {
            "StartAt": "Parallel",
            "States": {
                "Parallel": {
                    "Type": "Parallel",
                    "Branches": [
                        {"StartAt": f"P{number}", "States": {f"P{number}": {"Type": "Pass", "End": True}}}
                        for number in range(2_000)
                    ],
                    "End": True,
                }
            },
        },
        {"t": "a" * 250_000},
        *("FAILED", "States.DataLimitExceeded"),
    ),
]

MACHINES = (*_PATTERNS, *_LOOPS, *_GROWTH)


# Definitions that are refused, and that take long to read in the wrong way: by name.
BODIES = (
    ("one-name-many-times", '{"StartAt": "P", "States": {"P": {' + '"Comment": "a", ' * 50_000 + '"Type": "Pass"}}}'),
    ("names-and-one-twice", json.dumps({str(number): 0 for number in range(60_000)})[:-1] + ', "59999": 0}'),
    ("nested", "[" * 900_000),
    ("unknown-fields", json.dumps({"StartAt": "P", "States": {f"S{number}": {} for number in range(50_000)}})),
    ("digits", '{"StartAt": ' + "1" * 900_000 + "}"),
    ("sum", json.dumps(_jsonata("+".join(["1"] * 20_000)))),
    ("elements", json.dumps(_jsonata(f"[{','.join(['1'] * 400_000)}]"))),
    ("function-calls", json.dumps(_jsonata(f"[{','.join(['$count(1)'] * 90_000)}]"))),
    ("brackets", json.dumps(_one_state(Parameters={"a.$": "$" + "[" * 800_000}))),
    ("calls", json.dumps(_one_state(Parameters={"a.$": "States.Array(" * 60_000}))),
)
