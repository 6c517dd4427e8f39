"""Time stamps of result files and contexts."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from hpc_local.maps.result_writer import timestamp


@given(st.integers(0, 4_102_444_800_000))
def test_timestamp_has_milliseconds_and_names_the_same_moment(milliseconds: int) -> None:
    text = timestamp((milliseconds + 0.5) / 1000)
    assert len(text) == len("2025-02-04T01:49:50.099Z")
    moment = datetime.fromisoformat(text)
    assert moment.tzinfo == UTC
    assert round(moment.timestamp() * 1000) == milliseconds
