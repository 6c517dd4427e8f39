from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sfn_local.language.timestamps import parse_timestamp


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00Z", 0),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("2016-03-05T21:29:29.243167252Z", 1457213369_243167252),
        ("2016-03-14T01:59:00+01:00", 1457917140_000000000),
        ("2016-03-14T01:59:00-00:30", 1457922540_000000000),
    ],
)
def test_timestamp_is_parsed(text, nanoseconds):
    assert parse_timestamp(text) == nanoseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2016-12-05",
        "2016-12-05T21:29:29",
        "2016-12-05 21:29:29Z",
        "2016-13-05T21:29:29Z",
        "2016-02-30T21:29:29Z",
        "2016-12-05T25:29:29Z",
        "2016-12-05T21:29:60Z",
        "05-12-2016T21:29:29Z",
        "2016-12-05T21:29:29.Z",
        "2016-12-05T21:29:29.1234567890Z",
        "2016-12-05t21:29:29z",
        "2016-12-05T21:29:29+25:00",
        "2016-12-05T21:29:29Z ",
        "٢٠١٦-12-05T21:29:29Z",
    ],
)
def test_other_text_is_no_timestamp(text):
    assert parse_timestamp(text) is None


@given(
    st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)),  # noqa: DTZ001  hypothesis wants naive ones
    st.integers(-1439, 1439),
)
def test_timestamp_is_that_of_datetime(moment, offset_minutes):
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    since = zoned - datetime(1970, 1, 1, tzinfo=UTC)
    expected = (since // timedelta(microseconds=1)) * 1_000
    assert parse_timestamp(zoned.isoformat()) == expected
