"""Odd JSON values, and documents that were right before something in them was changed.

``FUZZ_TIMES=20`` makes every test of this folder try 20 times as many inputs, other ones each time; without it they
are the same in every run.
"""

import copy
import json
import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from sfn_local.language.fields import OBJECT_FIELDS, STATE_FIELDS

TIMES = int(os.environ.get("FUZZ_TIMES", "1"))
HANG_SECONDS = 20
DEEP = 100_000

TEXTS = (
    *("", " ", "\x00", "\ud800", "é\u2028", "\U0010ffff", "a" * 300, "../../etc/passwd", "s3://", "NaN", "1e999"),
    *("$", "$$", "$.x", "$.x[0]", "$..*", "$[?(@.x)]", "$[", "$.x[-1]", "$$.Map.Item.Value", "$x", "$states.input"),
    *("{% $states.input %}", "{% 1/0 %}", "{% (", "{% $states.input.x[0].y %}", "States.Format('{}', $)"),
    *("States.ArrayRange(0,9,0)", "States.StringToJson($.x)", "States.MathAdd(1,'x')", "States.Format('{', 1)"),
    *("2026-11-22T00:00:00Z", "2026-13-01", "arn:aws:states:::sqs:sendMessage", "arn:aws:states:::s3:getObject"),
    *("arn:aws:states:::lambda:invoke", "arn:aws:states:::states:startExecution.sync:2", "JSONata", "JSONPath"),
    *("DISTRIBUTED", "INLINE", "EXPRESS", "FULL", "States.ALL", "States.Runtime", "INTEGER", "true", "null"),
)
NUMBERS = (0, 1, -1, 2, 1.5, -0.0, 1e308, -1e-300, 99_999_999, 2**31, 2**53, 2**63, 2**64, 10**30, 10**400)
SCALARS = (None, True, False, *TEXTS, *NUMBERS)
ODD: tuple[Any, ...] = (
    *SCALARS,
    *([], {}, [[]], [None], [{}], [1, "x"], {"": 1}, {"x": {"y": [1]}}, {"x.$": "$.x"}, {"x.$": 1}, {"x.$": "$["}),
    *({"\ud800": "\ud800"}, {"bucket": "b", "key": "k"}, [1] * 200, {"StartAt": "A", "States": {}}, [[[[[[[[1]]]]]]]]),
)
FIELDS = sorted({field.name for fields in (*STATE_FIELDS.values(), *OBJECT_FIELDS.values()) for field in fields})
# JSON text that a value can't stand for, in place of a marker.
RAW = (
    "1e999",
    "NaN",
    "-Infinity",
    "1" * 5_000,
    "[" * DEEP,
    "[" * 900 + "]" * 900,
    "[" * 9_000 + "]" * 9_000,
    '{"a":1,"a":2}',
    '"\\ud800"',
    "",
    "1.",
    "tru",
    '"\x01"',
)
_MARKER = "\ue000raw\ue000"

Draw = Callable[[st.SearchStrategy[Any]], Any]

odd_values = st.sampled_from(ODD).map(copy.deepcopy)
json_values = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from((*TEXTS, *FIELDS)), inner, max_size=4),
    max_leaves=8,
)


def inputs(count: int) -> Callable[[Any], Any]:
    """Try ``count`` inputs, or ``FUZZ_TIMES`` as many that nobody has tried."""
    return settings(
        max_examples=count * TIMES,
        derandomize=TIMES == 1,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (container, key or index) of everything in a document."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


def mutate(draw: Draw, document: Any, names: tuple[str, ...] = tuple(FIELDS), most: int = 3) -> Any:
    """Return a copy of the document with one to ``most`` changes, each anywhere."""
    holder = [copy.deepcopy(document)]
    for _ in range(draw(st.integers(1, most))):
        known = list(places(holder))
        _change(draw, *draw(st.sampled_from(known)), known, names)
    return holder[0]


def _change(draw: Draw, container: Any, key: Any, known: list[tuple[Any, Any]], names: tuple[str, ...]) -> None:
    kind = draw(
        st.sampled_from(("odd", "odd", "drop", "rename", "other", "add", "twice", "wrap", "text", "text", "text"))
    )
    value = container[key]
    if kind == "drop" and isinstance(container, dict):
        del container[key]
    elif kind == "rename" and isinstance(container, dict):
        container[_new_name(draw, names)] = container.pop(key)
    elif kind == "twice" and isinstance(container, list):
        container.append(copy.deepcopy(value))
    elif kind == "add" and isinstance(value, dict):
        value[_new_name(draw, names)] = draw(odd_values)
    elif kind == "other":
        other_container, other_key = draw(st.sampled_from(known))
        # What an earlier change removed is no longer there.
        if other_key in other_container or isinstance(other_container, list):
            container[key] = copy.deepcopy(other_container[other_key])
    elif kind == "wrap":
        container[key] = [value]
    elif kind == "text" and isinstance(value, str):
        cut = draw(st.integers(0, len(value)))
        container[key] = value[:cut] + draw(st.sampled_from(TEXTS)) + value[cut + draw(st.integers(0, 2)) :]
    else:
        container[key] = draw(odd_values)


def _new_name(draw: Draw, names: tuple[str, ...]) -> str:
    return draw(st.sampled_from(names)) + draw(st.sampled_from(("", "", ".$", "Path", "\ud800")))


def text_of(draw: Draw, document: Any) -> str:
    """Write a document, now and then with something in it that is no JSON value, or cut off."""
    kind = draw(st.integers(0, 19))
    if kind > 1:
        return json.dumps(document)
    if kind == 0:
        text = json.dumps(document)
        return text[: draw(st.integers(0, len(text)))]
    holder = [copy.deepcopy(document)]
    container, key = draw(st.sampled_from(list(places(holder))))
    container[key] = _MARKER
    return json.dumps(holder[0]).replace(json.dumps(_MARKER), draw(st.sampled_from(RAW)), 1)


class HangError(BaseException):
    """An input takes for ever; no handler of exceptions keeps it from the test."""


@contextmanager
def bounded(seconds: float = HANG_SECONDS) -> Iterator[None]:
    """Interrupt what runs in this thread when the time is over."""

    def interrupt(*_: object) -> None:
        raise HangError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def no_error_logged() -> Iterator[None]:
    """Fail if anything logs an error: a traceback in a log is one that nobody was told of."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = records.append  # type: ignore[method-assign]  # keeps them, formats nothing
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
    formatter = logging.Formatter()
    assert not records, "\n".join(formatter.format(record) for record in records)
