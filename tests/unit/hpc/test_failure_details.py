"""`hpc.runs.failures`: what a workload raised is found behind a message of any number of lines."""

import json

import pytest

from hpc.runs.failures import details_of, reported

DETAILS = {"error_type": "ValueError", "message": "bad", "traceback": "Traceback ...", "index": 2}


@pytest.mark.parametrize("sentence", ["item 2 failed: ValueError: bad", "item 2 failed: ValueError: first\nsecond\n"])
def test_details_are_in_the_last_line_of_the_message(sentence: str) -> None:
    cause = json.dumps({"errorType": "ItemFailedError", "errorMessage": f"{sentence}\n{json.dumps(DETAILS)}"})
    assert details_of("ItemFailedError", cause) == DETAILS
    assert reported("ItemFailedError", cause) == ("ItemFailedError", sentence)


def test_message_without_details_is_whole() -> None:
    cause = json.dumps({"errorType": "ValueError", "errorMessage": "first\nsecond"})
    assert details_of("ValueError", cause) == {}
    assert reported("ValueError", cause) == ("ValueError", "first\nsecond")
