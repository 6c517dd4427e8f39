"""The elements of a part's list: one text and one value each, or the list is refused, whichever way it is read."""

import re
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from lambdas.results import part_reading
from lambdas.run_files.errors import ResultFileError

# Elements that JSON has, and some that it does not have; what may stand at the end of a list.
TOKENS = ("1", "-0", "0.5", "1E+3", "1e999", "true", "null", "9" * 5_000, "01", "+1", "NaN", "Infinity", "x", "-", "")
ENDS = ("]", "]", "]", "]]", "", " ]", ",]")


def elements_of(text: str) -> str:
    part = {"first": 0, "count": 3, "result": text}
    try:
        return repr(list(part_reading._elements(part)))
    except ResultFileError as error:
        return str(error)


@given(st.lists(st.sampled_from(TOKENS), max_size=4), st.sampled_from(ENDS))
def test_lists_parsed_at_once_and_by_element_are_the_same(tokens: list[str], end: str) -> None:
    text = f"[{','.join(tokens)}{end}"
    found = elements_of(text)
    with patch.object(part_reading, "FLAT_LIST", re.compile(r"(?!)")):
        assert found == elements_of(text)


def test_elements_have_their_text_as_it_stands() -> None:
    assert elements_of("[1E+3,-0,null]") == "[('1E+3', 1000.0), ('-0', 0), ('null', None)]"
    assert elements_of('[[1,2],"a,b"]') == """[('[1,2]', [1, 2]), ('"a,b"', 'a,b')]"""
