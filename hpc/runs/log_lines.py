"""Finds the lines of one batch in a log: Lambda marks invocations, Compute and jobs announce each batch."""

import re
from collections.abc import Iterable, Iterator

# Lambda's own lines, as text and as JSON.  Source: AWS Lambda developer guide, "Log and monitor Python Lambda
# functions", "Configuring JSON and plain text log formats".
BEGIN = re.compile(r'^START RequestId: |"type":\s*"platform\.start"')
END = re.compile(r'^REPORT RequestId: |"type":\s*"platform\.report"')
# Lambda writes this line when a new environment starts because the last one died.
INIT = re.compile(r'^INIT_START |"type":\s*"platform\.initStart"')


def announcement(run: str, batch: int) -> str:
    """Return what Compute and the job log before they compute a batch."""
    return f"batch {batch} of {run}"


def begins_invocation(line: str) -> bool:
    """Whether a line belongs to another invocation, or environment, than the line before it."""
    return bool(BEGIN.search(line) or INIT.search(line))


def batch_lines(lines: Iterable[str], run: str, batch: int, *, count: int | None = None) -> Iterator[str]:
    """Yield the lines of the invocations, or of the stretches of a job, in which a batch was computed.

    Parameters
    ----------
    lines
        Lines of one log stream, to which one process at a time writes.
    count
        How many invocations or stretches there are at the most; None for all.
    """
    announced = re.compile(rf"\bbatch (\d+) of {re.escape(run)}(?![\w-])")
    held: str | None = None
    is_inside, seen = False, 0
    for line in lines:
        found = announced.search(line)
        if found or begins_invocation(line):
            if is_inside and seen == count:
                return
            is_inside = found is not None and int(found[1]) == batch
            seen += is_inside
            if is_inside and held is not None:
                yield held
            held = line if BEGIN.search(line) else None
        if is_inside:
            yield line
            is_inside = not END.search(line)
            if not is_inside and seen == count:
                return
