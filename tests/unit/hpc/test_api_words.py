"""Refusals of the library name its arguments."""

import pytest

from hpc.api.words import in_python_words, python_words
from hpc.errors import LostRunError, NotStartedError


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--workload a.py can't be read", "workload a.py can't be read"),
        ("leave out --back-end and --batch-size", "leave out back_end and batch_size"),
        ("complete (--only-finish runs finish again)", "complete (only_finish runs finish again)"),
        ("--out must be a file", "path must be a file"),
        ("  hpc redrive r --workload a.py  computes", "  hpc redrive r --workload a.py  computes"),
        (
            "AWS (hpc redrive r --back-end batch), or leave out --size",
            "AWS (hpc redrive r --back-end batch), or leave out size",
        ),
        ("got '--workload'", "got '--workload'"),
        ("--workload-files and a--size", "--workload-files and a--size"),
    ],
)
def test_options_become_arguments_but_in_commands_and_values(line: str, expected: str) -> None:
    assert python_words(line) == expected


def test_errors_keep_their_kind_their_lines_and_what_caused_them() -> None:
    @in_python_words
    def refuse(error: Exception) -> None:
        raise error

    with pytest.raises(NotStartedError) as caught:
        refuse(NotStartedError("--size is wrong", "  or --items"))
    assert caught.value.lines == ("size is wrong", "  or items")
    assert isinstance(caught.value.__cause__, NotStartedError)
    with pytest.raises(LostRunError, match="--size"):
        refuse(LostRunError("--size"))
