import subprocess
import sys

import pytest
from sfn_local.language.errors import DataLimitExceededError
from sfn_local.language.json_text import check_size, compact, parse, size_bytes
from sfn_local.protocol.json_body import loads_strictly


def test_compact_text_has_no_spaces_and_keeps_unicode():
    assert compact({"a": [1, "é", None], "b": 1.0}) == '{"a":[1,"é",null],"b":1.0}'


def test_compact_text_is_unicode_whatever_the_value_holds():
    assert compact(["é\ud800", {"\udfff": "\U0010ffff"}]) == r'["é\ud800",{"\udfff":"' + "\U0010ffff" + '"}]'


def test_size_counts_utf8_bytes():
    assert size_bytes("é") == 4
    assert size_bytes("\ud800") == 8  # half of a surrogate pair is legal in JSON as an escape
    assert size_bytes({"a": 1}) == 7


@pytest.mark.parametrize("text", ["x" * 262_144, "é" * 131_072])
def test_payload_of_256_kib_passes(text):
    check_size(text, "State")


@pytest.mark.parametrize("text", ["x" * 262_145, "é" * 131_073, "x" + "€" * 87_381 + "y"])
def test_payload_over_256_kib_is_a_data_limit_error(text):
    with pytest.raises(DataLimitExceededError) as caught:
        check_size(text, "lambda")
    assert caught.value.cause == (
        "The state/task 'lambda' returned a result with a size exceeding the maximum number of bytes service limit."
    )


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "-Infinity", "1e999", "{", "[" * 100_000])
def test_parse_refuses_what_json_or_a_double_does_not_have(text):
    with pytest.raises(ValueError):  # noqa: PT011  json's own error among them
        parse(text)


def test_parse_keeps_integers_exact():
    assert parse("[123456789012345678901234567890, 1.5]") == [123456789012345678901234567890, 1.5]


def test_parse_refuses_a_name_that_stands_twice_where_that_matters():
    assert parse('{"a": 1, "a": 2}') == {"a": 2}
    with pytest.raises(ValueError, match="'a' stands twice in one object"):
        parse('{"a": 1, "b": [{"a": 1, "a": 2}]}', unique_names=True)


def test_a_name_that_repeats_is_found_in_linear_time():
    """50,000 different names and one that repeats take 0.1 s; comparing all pairs takes minutes."""
    members = ", ".join(f'"{number}": 0' for number in [*range(50_000), 49_999])
    with pytest.raises(ValueError, match="'49999' stands twice in one object"):
        parse(f"{{{members}}}", unique_names=True)
    with pytest.raises(ValueError, match="duplicate name '49999'"):
        loads_strictly(f"{{{members}}}".encode())


def test_data_is_as_deep_before_the_jsonata_library_is_imported_as_after():
    program = (
        "from sfn_local.language.json_text import parse\n"
        "import sys\n"
        "before = sys.getrecursionlimit()\n"
        "import jsonata\n"
        "print(before == sys.getrecursionlimit())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
