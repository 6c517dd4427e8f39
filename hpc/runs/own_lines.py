"""Lines of a log that a workload printed, with the time and the items that they belong to."""

import re
from collections.abc import Callable, Iterable, Iterator

# Lambda's own lines, as text and as JSON.  Source: AWS Lambda developer guide, "Log and monitor Python Lambda
# functions", "Configuring JSON and plain text log formats".
LAMBDA_LINE = re.compile(r"^(INIT_START|START RequestId:|END RequestId:|REPORT RequestId:) ?|\"type\":\s*\"platform\.")
TITLE = re.compile(r"^==> .* <==$")
# As Compute and the job announce a batch.
ANNOUNCED = re.compile(r"\bbatch (?P<batch>\d+) of (?P<run>[\w-]+)\s*(\"|$)")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ](?P<time>\d\d:\d\d:\d\d[.,]?\d*)")
ItemsOf = Callable[[int], str]


def own_lines(lines: Iterable[str], run: str, items_of: ItemsOf) -> Iterator[str]:
    """Yield titles of logs and own lines; before those of a batch a line with its time and its items.

    Parameters
    ----------
    lines
        Lines of logs, each log's after its title; a log may come again, and goes on where it was.
    items_of
        Names the items of a batch of the run, like ``items 24 to 31``.
    """
    title = shown_title = shown_heading = ""
    headings: dict[str, str] = {}  # by title
    for line in lines:
        if TITLE.match(line):
            title = line
        elif announced := ANNOUNCED.search(line):
            batch = int(announced["batch"])
            moment = TIME.search(line)
            what = f"{items_of(batch)} (batch {batch})" if announced["run"] == run else announced[0].rstrip('"')
            headings[title] = f"-- {moment['time'] + ' ' if moment else ''}{what} --"
        elif not LAMBDA_LINE.search(line) and line.strip():
            heading = headings.get(title, "")
            if title != shown_title:
                yield title
                shown_heading = ""
            if heading != shown_heading:
                yield heading
            shown_title, shown_heading = title, heading
            yield line
