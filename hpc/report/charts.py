"""Charts as SVG text; their size does not depend on the number of children. Colours are classes of the page's style."""

import math

from hpc.report.escape import escape
from hpc.runs.child_times import Children
from hpc.terminal.durations import duration

WIDTH, HEIGHT = 640, 200
LEFT, RIGHT, TOP, BOTTOM = 72, 12, 12, 34
CURVE_POINTS = 240
MAX_ROWS = 240
BINS = 40
LOG_MARGIN = 0.1
SHORTEST_SECONDS = 0.001
PLURALS = {"child": "child executions", "job": "jobs"}


def concurrency_chart(children: Children, begin: float, end: float, noun: str) -> str:
    """Draw how many children ran over the time of the run; ``noun`` is one of ``PLURALS``."""
    span = max(end - begin, SHORTEST_SECONDS)
    moments = [begin + span * point / CURVE_POINTS for point in range(CURVE_POINTS + 1)]
    running = children.concurrency(moments)
    most = max(1, *running)
    points = [(_x(point / CURVE_POINTS), _y(count / most)) for point, count in enumerate(running)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    body = f'<polygon class="area" points="{_x(0):.1f},{_y(0):.1f} {line} {_x(1):.1f},{_y(0):.1f}"/>'
    body += f'<polyline class="line" points="{line}"/>' + _time_axis(span) + _count_axis(most)
    return _figure(body, HEIGHT, f"{_title(noun)} at a time, at most {most:,}")


def timeline_chart(children: Children, begin: float, end: float, noun: str) -> str:
    """Draw when children ran, by their start; neighbours share a row where there are more children than rows."""
    span = max(end - begin, SHORTEST_SECONDS)
    order = sorted(zip(children.starts, children.stops, children.failures, strict=True))
    row_count = min(len(order), MAX_ROWS)
    row_height = max(1.0, min(10.0, 240 / max(1, row_count)))
    height = TOP + row_count * row_height + BOTTOM
    rows = []
    for row in range(row_count):
        group = order[len(order) * row // row_count : len(order) * (row + 1) // row_count]
        first, last = group[0][0], max(stop for _, stop, _ in group)
        mean = sum(stop - start for start, stop, _ in group) / len(group)
        kind = "bar bad" if any(failed for _, _, failed in group) else "bar"
        y = TOP + row * row_height
        if len(group) > 1:
            rows.append(_bar("spread", (first - begin) / span, (last - begin) / span, y=y, height=row_height))
        rows.append(_bar(kind, (first - begin) / span, (first - begin + mean) / span, y=y, height=row_height))
    each = len(order) / row_count if row_count else 1
    many = f"When {PLURALS[noun]} ran, {each:,.0f} a row: mean (dark) and all (light)"
    label = f"When each {noun} ran" if each <= 1 else many
    if children.failed:
        label += ", red with a failure"
    return _figure("".join(rows) + _time_axis(span, height - BOTTOM), height, label)


def histogram_chart(durations: list[float], noun: str) -> str:
    """Draw how long children took, on a logarithmic scale."""
    low, high = (math.log10(max(durations[end], SHORTEST_SECONDS)) for end in (0, -1))
    # A little room, so that durations that hardly differ don't look as if they did.
    low, high = low - LOG_MARGIN, high + LOG_MARGIN
    counts = [0] * BINS
    for seconds in durations:
        place = (math.log10(max(seconds, SHORTEST_SECONDS)) - low) / (high - low)
        counts[min(BINS - 1, int(place * BINS))] += 1
    most = max(counts)
    width = (WIDTH - LEFT - RIGHT) / BINS
    bars = [
        f'<rect class="bar" x="{_x(bin_ / BINS) + 0.5:.1f}" y="{_y(count / most):.1f}" width="{width - 1:.1f}" '
        f'height="{_y(0) - _y(count / most):.1f}"/>'
        for bin_, count in enumerate(counts)
        if count
    ]
    ticks = [_tick(_x(share / 4), duration_text(10 ** (low + (high - low) * share / 4)), _y(0)) for share in range(5)]
    return _figure("".join(bars + ticks) + _count_axis(most), HEIGHT, f"Durations of {PLURALS[noun]}")


def percentile(durations: list[float], share: float) -> float:
    """Return the smallest duration that ``share`` of all do not exceed (nearest rank)."""
    return durations[max(0, math.ceil(share * len(durations)) - 1)]


def duration_text(seconds: float) -> str:
    return duration(seconds) if seconds >= 1 else f"{seconds * 1000:,.0f} ms"


def _title(noun: str) -> str:
    return PLURALS[noun].capitalize()


def _x(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _bar(name: str, from_: float, to: float, *, y: float, height: float) -> str:
    """Draw a bar between two shares of the width."""
    x, end = _x(max(0.0, from_)), _x(min(1.0, to))
    gap = 1.0 if height > 3 else 0.0
    return f'<rect class="{name}" x="{x:.1f}" y="{y:.1f}" width="{max(0.8, end - x):.1f}" height="{height - gap:.1f}"/>'


def _time_axis(span: float, y: float = HEIGHT - BOTTOM) -> str:
    return "".join(_tick(_x(share / 4), duration_text(span * share / 4) if share else "0", y) for share in range(5))


def _count_axis(most: int) -> str:
    marks = [(1, f"{most:,}"), (0, "0")] + ([(0.5, f"{most // 2:,}")] if most > 1 and most % 2 == 0 else [])
    return "".join(
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_y(share):.1f}" y2="{_y(share):.1f}"/>'
        f'<text class="tick" x="{LEFT - 6}" y="{_y(share) + 4:.1f}" text-anchor="end">{text}</text>'
        for share, text in marks
    )


def _tick(x: float, text: str, y: float) -> str:
    anchor = "end" if x > WIDTH - RIGHT - 20 else "middle"
    return (
        f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{y:.1f}" y2="{y + 5:.1f}"/>'
        f'<text class="tick" x="{x:.1f}" y="{y + 20:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _figure(body: str, height: float, label: str) -> str:
    return (
        f'<figure><figcaption>{escape(label)}</figcaption><svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(label)}">{body}</svg></figure>'
    )
