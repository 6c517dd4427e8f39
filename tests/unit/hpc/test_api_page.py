"""docs/reference/python_api.md says what the docstrings say."""

from api_page import FUNCTIONS, PAGE, page

import hpc


def test_page_of_the_python_api_is_what_the_docstrings_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python tests/unit/api_page.py"


def test_every_public_name_has_an_entry() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in hpc.__all__ if f"`hpc.{name}`" not in text and name != "errors"] == []
    assert set(hpc.__all__) >= FUNCTIONS
