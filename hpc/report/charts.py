"""Charts as SVG text; their size does not depend on the number of children. Colours are classes of the page's style."""

import heapq
import math

from hpc.report.escape import escape
from hpc.report.phases import IDLE, Axis
from hpc.runs.child_times import HAS_FAILED, MAX_SHARES, WAS_STOPPED, Children
from hpc.terminal.durations import duration

WIDTH, HEIGHT = 640, 200
LEFT, RIGHT, TOP, BOTTOM = 72, 12, 12, 34
CURVE_POINTS = 240
# Limits of a timeline with lanes.  A larger timeline is drawn as a density, whose size does not grow.
MAX_LANES, MAX_BARS = 40, MAX_SHARES
DENSITY_COLUMNS, DENSITY_ROWS = 100, 20
# Classes of bars by outcome: OTHER, HAS_FAILED, WAS_STOPPED.
KINDS = ("bar", "bar bad", "bar halted")
OUTCOMES = ("", ", failed", ", was stopped")
PHASE_COLOURS = 6
BINS = 40
LOG_MARGIN = 0.1
SHORTEST_SECONDS = 0.001
NOUNS = {"child": "child execution", "job": "job"}
PLURALS = {"child": "child executions", "job": "jobs"}


def concurrency_chart(children: Children, axis: Axis, noun: str) -> str:
    """Draw how many children computed over the time of the run, and how many waited; ``noun`` is of ``PLURALS``."""
    moments = axis.moments(CURVE_POINTS)
    running, waiting = children.concurrency(moments), children.waiting(moments)
    most = max(1, *running)
    points = [(_x(point / CURVE_POINTS), _y(count / most)) for point, count in enumerate(running)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    body = f'<polygon class="area" points="{_x(0):.1f},{_y(0):.1f} {line} {_x(1):.1f},{_y(0):.1f}"/>'
    body += f'<polyline class="line" points="{line}"/>' + _time_axis(axis.seconds) + _count_axis(most)
    waited = f"; at most {max(waiting):,} waited for a worker" if any(waiting) else ""
    return _figure(body, HEIGHT, f"{_title(noun)} at a time, at most {most:,}{waited}")


def timeline_chart(children: Children, axis: Axis, noun: str) -> str:
    """Draw when children computed: a lane for each that did at a time, or a density where that would be too many."""
    lanes = lanes_of(children, MAX_LANES) if len(children.starts) <= MAX_BARS else None
    return _density(children, axis, noun) if lanes is None else _lanes(children, axis, lanes, noun)


def lanes_of(children: Children, most: int) -> list[int] | None:
    """Return a lane for each stretch, in which no two overlap, as few as can be; None if that takes more than ``most``.

    On this machine that is as many lanes as workers that computed.
    """
    lanes = [0] * len(children.starts)
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    count = 0
    for place in sorted(range(len(lanes)), key=lambda each: (children.starts[each], children.stops[each])):
        while busy and busy[0][0] <= children.starts[place]:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if not free:
            if count == most:
                return None
            free.append(count)
            count += 1
        lanes[place] = heapq.heappop(free)
        heapq.heappush(busy, (children.stops[place], lanes[place]))
    return lanes


def _lanes(children: Children, axis: Axis, lanes: list[int], noun: str) -> str:
    count = max(lanes, default=0) + 1
    row_height = max(6.0, min(18.0, 240 / count))
    stretches = zip(children.starts, children.stops, children.outcomes, lanes, children.shares, strict=True)
    bars = [
        _bar(
            KINDS[outcome],
            axis.share(start),
            axis.share(stop),
            y=TOP + lane * row_height,
            height=row_height,
            title=f"{share or noun}: {duration_text(max(0.0, stop - start))}, "
            f"{duration_text(axis.share(start) * axis.seconds)} after the start{OUTCOMES[outcome]}",
        )
        for start, stop, outcome, lane, share in sorted(stretches, key=lambda each: each[:2])
    ]
    height = TOP + count * row_height + BOTTOM
    label = (
        f"When each {noun} computed, a lane for each of the {count:,} at a time"
        if count > 1
        else (f"When each {noun} computed, one at a time")
    )
    body = "".join(bars) + _time_axis(axis.seconds, height - BOTTOM)
    return _figure(body, height, label + _legend(children), has_bars=True)


def _density(children: Children, axis: Axis, noun: str) -> str:
    """Draw how many children began when (across) and how long they took (up, on a logarithmic scale)."""
    cells: dict[tuple[int, int], list[int]] = {}
    seconds = [max(stop - start, SHORTEST_SECONDS) for start, stop in zip(children.starts, children.stops, strict=True)]
    low, high = (math.log10(find(seconds)) for find in (min, max))
    low, high = low - LOG_MARGIN, high + LOG_MARGIN
    for start, took, outcome in zip(children.starts, seconds, children.outcomes, strict=True):
        across = min(DENSITY_COLUMNS - 1, int(axis.share(start) * DENSITY_COLUMNS))
        up = min(DENSITY_ROWS - 1, int((math.log10(took) - low) / (high - low) * DENSITY_ROWS))
        cells.setdefault((across, up), [0, 0, 0])[outcome] += 1
    most = max(map(sum, cells.values()))
    width, height = (WIDTH - LEFT - RIGHT) / DENSITY_COLUMNS, (HEIGHT - TOP - BOTTOM) / DENSITY_ROWS
    drawn = [
        f'<rect class="{KINDS[max(range(3), key=lambda kind: (kind > 0 and counts[kind] > 0, counts[kind]))]}" '
        f'x="{LEFT + across * width:.1f}" y="{_y(0) - (up + 1) * height:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" opacity="{0.25 + 0.75 * math.log1p(sum(counts)) / math.log1p(most):.2f}">'
        f"<title>{_cell(counts, noun)}, about {duration_text(10 ** (low + (high - low) * (up + 0.5) / DENSITY_ROWS))} "
        f"each, from {duration_text(across / DENSITY_COLUMNS * axis.seconds)} after the start</title></rect>"
        for (across, up), counts in sorted(cells.items())
    ]
    ticks = [
        f'<text class="tick" x="{LEFT - 6}" y="{_y(share) + 4:.1f}" text-anchor="end">'
        f"{duration_text(10 ** (low + (high - low) * share))}</text>"
        for share in (0, 0.5, 1)
    ]
    label = f"When {PLURALS[noun]} began and how long they took: the darker, the more"
    body = "".join(drawn + ticks) + _time_axis(axis.seconds)
    return _figure(body, HEIGHT, label + _legend(children), has_bars=True)


def _cell(counts: list[int], noun: str) -> str:
    """Return what a cell of a density holds, e.g. ``12 child executions (2 failed)``."""
    outcomes = zip(counts[HAS_FAILED:], ("failed", "stopped"), strict=True)
    others = ", ".join(f"{count:,} {word}" for count, word in outcomes if count)
    total = sum(counts)
    return f"{total:,} {NOUNS[noun] if total == 1 else PLURALS[noun]}{f' ({others})' if others else ''}"


def phase_bar(phases: dict[str, float]) -> str:
    """Draw how the duration of a run is made up; the seconds of its phases add up to it."""
    total = sum(phases.values())
    left, parts, legend = 0.0, [], []
    for number, (name, seconds) in enumerate(phases.items()):
        width = seconds / total * WIDTH if total else 0.0
        kind = "phase halted" if name == IDLE else f"phase phase-{number % PHASE_COLOURS}"
        text = f"{name} {duration_text(seconds)}"
        parts.append(
            f'<rect class="{kind}" x="{left:.2f}" y="0" width="{width:.2f}" height="26"><title>{escape(text)}</title>'
            "</rect>"
        )
        share = f"{seconds / total:.0%}" if total else ""
        legend.append(
            f'<li><svg class="swatch" viewBox="0 0 10 10" aria-hidden="true"><rect class="{kind}" width="10" '
            f'height="10"/></svg>{escape(name)} <b>{duration_text(seconds)}</b> <span class="dim">{share}</span></li>'
        )
        left += width
    return (
        f'<figure><figcaption>What the run did, {duration_text(total)} in all</figcaption><svg class="phases" '
        f'viewBox="0 0 {WIDTH} 26" preserveAspectRatio="none" role="img" aria-label="Phases of the run">'
        f'{"".join(parts)}</svg><ul class="legend">{"".join(legend)}</ul></figure>'
    )


def _legend(children: Children) -> str:
    kinds = [("red failed", HAS_FAILED), ("grey was stopped", WAS_STOPPED)]
    return "".join(f"; {text}" for text, outcome in kinds if outcome in children.outcomes)


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
    edges = [10 ** (low + (high - low) * bin_ / BINS) for bin_ in range(BINS + 1)]
    bars = [
        f'<rect class="bar" x="{_x(bin_ / BINS) + 0.5:.1f}" y="{_y(count / most):.1f}" width="{width - 1:.1f}" '
        f'height="{_y(0) - _y(count / most):.1f}"><title>{count:,} of {duration_text(edges[bin_])} to '
        f"{duration_text(edges[bin_ + 1])}</title></rect>"
        for bin_, count in enumerate(counts)
        if count
    ]
    ticks = [_tick(_x(share / 4), duration_text(10 ** (low + (high - low) * share / 4)), _y(0)) for share in range(5)]
    return _figure("".join(bars + ticks) + _count_axis(most), HEIGHT, f"Durations of {PLURALS[noun]}", has_bars=True)


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


def _bar(name: str, from_: float, to: float, *, y: float, height: float, title: str) -> str:
    """Draw a bar between two shares of the width."""
    x, end = _x(min(max(0.0, from_), 1.0)), _x(min(1.0, max(0.0, to)))
    return (
        f'<rect class="{name}" x="{x:.1f}" y="{y:.1f}" width="{max(0.8, end - x):.1f}" height="{height - 1:.1f}">'
        f"<title>{escape(title)}</title></rect>"
    )


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


def _figure(body: str, height: float, label: str, *, has_bars: bool = False) -> str:
    """Return a figure; the page's script lets the arrow keys go from bar to bar and tells about each."""
    role = 'role="group" class="bars"' if has_bars else 'role="img"'
    told = '<p class="told" aria-hidden="true">Tab, then arrow keys, go from bar to bar</p>' if has_bars else ""
    return (
        f'<figure><figcaption>{escape(label)}</figcaption><svg viewBox="0 0 {WIDTH} {height:.0f}" {role} '
        f'aria-label="{escape(label)}">{body}</svg>{told}</figure>'
    )
