"""The name that a run is given: its end is enough to name it, wherever an index may stand too."""

import re

from hpc.commands.starting import new_run_name


def test_end_of_a_name_is_no_number() -> None:
    names = [new_run_name() for _ in range(200)]
    assert [name for name in names if not re.fullmatch(r"run-\d{8}T\d{6}-[a-f][0-9a-f]{5}", name)] == []
