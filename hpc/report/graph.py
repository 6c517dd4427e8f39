"""The state graph as SVG: layers from StartAt on, a Map's states in a box of their own inside it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hpc.report.escape import escape

BOX_WIDTH, BOX_HEIGHT = 204, 46
GAP_X, GAP_Y = 28, 34
PADDING, TITLE = 18, 58
BACK_MARGIN = 24
NAME_CHARACTERS, SUB_CHARACTERS = 21, 33
# Once in a page: all graphs of it use the same arrow.
ARROW = (
    '<svg width="0" height="0" class="hidden" aria-hidden="true"><defs><marker id="arrow" viewBox="0 0 8 8" refX="7" '
    'refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path class="head" d="M0 0L8 4L0 8z"/>'
    "</marker></defs></svg>"
)
SIGNS = {
    "SUCCEEDED": "✓",
    "PARTIAL": "◐",
    "RUNNING": "…",
    "FAILED": "✗",
    "TIMED_OUT": "✗",
    "ABORTED": "■",
    "CAUGHT": "!",
    "NOT_REACHED": "○",
}


@dataclass(frozen=True)
class Node:
    """Status and text of a state's box."""

    status: str
    line: str


@dataclass(frozen=True)
class Drawing:
    """A piece of SVG and its size."""

    body: str
    width: float
    height: float


def draw_graph(definition: dict[str, Any], nodes: Mapping[str, Node], prefix: str = "state") -> str:
    """Return the SVG of a state machine; a click on a state leads to ``#<prefix>-N``, counted as in ``states``."""
    anchors = {name: f"{prefix}-{number}" for number, (name, _) in enumerate(states(definition))}
    drawing = _machine(definition, nodes, anchors)
    return (
        f'<svg class="graph" viewBox="0 0 {drawing.width:.0f} {drawing.height:.0f}" width="{drawing.width:.0f}" '
        f'height="{drawing.height:.0f}" role="group" '
        f'aria-label="State graph">{drawing.body}</svg>'
    )


def states(definition: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the states with those inside of a Map or Parallel after it."""
    for name, state in definition["States"].items():
        yield name, state
        for inner in _inner(state):
            yield from states(inner)


def _inner(state: dict[str, Any]) -> list[dict[str, Any]]:
    processor = state.get("ItemProcessor") or state.get("Iterator")
    return [*([processor] if processor else []), *state.get("Branches", [])]


def _targets(state: dict[str, Any]) -> list[str]:
    rules = [*state.get("Choices", []), *state.get("Catch", [])]
    named = [state.get("Next"), *(rule.get("Next") for rule in rules), state.get("Default")]
    return list(dict.fromkeys(name for name in named if name is not None))


def _layers(machine: dict[str, Any]) -> list[list[str]]:
    """Return the states by their distance from the start; those that nothing leads to come last."""
    layers, seen, layer = [], {machine["StartAt"]}, [machine["StartAt"]]
    while layer:
        layers.append(layer)
        following = dict.fromkeys(target for name in layer for target in _targets(machine["States"][name]))
        layer = [name for name in following if name not in seen]
        seen.update(layer)
    alone = [name for name in machine["States"] if name not in seen]
    return [*layers, alone] if alone else layers


def _machine(machine: dict[str, Any], nodes: Mapping[str, Node], anchors: Mapping[str, str]) -> Drawing:
    boxes = {name: _box(name, state, nodes, anchors) for name, state in machine["States"].items()}
    layers = _layers(machine)
    widths = [sum(boxes[name].width + GAP_X for name in layer) - GAP_X for layer in layers]
    back = _has_back_edge(machine, layers)
    width = max(widths) + 2 * PADDING + BACK_MARGIN * back
    placed: dict[str, tuple[float, float]] = {}
    y = float(PADDING)
    for layer, layer_width in zip(layers, widths, strict=True):
        x = (width - BACK_MARGIN * back - layer_width) / 2
        for name in layer:
            placed[name] = (x, y)
            x += boxes[name].width + GAP_X
        y += max(boxes[name].height for name in layer) + GAP_Y
    height = y - GAP_Y + PADDING
    depth = {name: number for number, layer in enumerate(layers) for name in layer}
    edges = [
        _edge(placed, boxes, name, target, is_back=depth[target] <= depth[name])
        for name, state in machine["States"].items()
        for target in _targets(state)
    ]
    body = "".join(edges) + "".join(
        f'<g transform="translate({placed[name][0]:.0f} {placed[name][1]:.0f})">{box.body}</g>'
        for name, box in boxes.items()
    )
    return Drawing(body, width, height)


def _has_back_edge(machine: dict[str, Any], layers: list[list[str]]) -> bool:
    depth = {name: number for number, layer in enumerate(layers) for name in layer}
    return any(depth[target] <= depth[name] for name, state in machine["States"].items() for target in _targets(state))


def _edge(
    placed: Mapping[str, tuple[float, float]], boxes: Mapping[str, Drawing], name: str, target: str, *, is_back: bool
) -> str:
    (x1, y1), (x2, y2) = placed[name], placed[target]
    if is_back:
        # Along the right side, so that it crosses no box.
        right1, right2 = x1 + boxes[name].width, x2 + boxes[target].width
        out = max(right1, right2) + BACK_MARGIN
        y1, y2 = y1 + boxes[name].height / 2, y2 + boxes[target].height / 2
        path = f"M{right1:.0f} {y1:.0f}C{out:.0f} {y1:.0f} {out:.0f} {y2:.0f} {right2:.0f} {y2:.0f}"
    else:
        x1, y1, x2 = x1 + boxes[name].width / 2, y1 + boxes[name].height, x2 + boxes[target].width / 2
        middle = (y1 + y2) / 2
        path = f"M{x1:.0f} {y1:.0f}C{x1:.0f} {middle:.0f} {x2:.0f} {middle:.0f} {x2:.0f} {y2:.0f}"
    return f'<path class="edge" d="{path}" marker-end="url(#arrow)"/>'


def _box(name: str, state: dict[str, Any], nodes: Mapping[str, Node], anchors: Mapping[str, str]) -> Drawing:
    inner = [_machine(machine, nodes, anchors) for machine in _inner(state)]
    width = max(BOX_WIDTH, sum(each.width for each in inner))
    height = BOX_HEIGHT if not inner else TITLE + max(each.height for each in inner)
    node = nodes.get(name, Node("NOT_REACHED", ""))
    title = f"{SIGNS.get(node.status, '')} {_clipped(name, NAME_CHARACTERS)}"
    line = _clipped(f"{state['Type']} {node.line}", SUB_CHARACTERS)
    text = (
        f'<text class="name" x="12" y="20">{escape(title)}</text><text class="sub" x="12" y="37">{escape(line)}</text>'
    )
    body = (
        f'<a href="#{anchors[name]}" class="state {node.status}"><title>{escape(name)}: '
        f'{escape(node.status)}</title><rect width="{width:.0f}" height="{height:.0f}" rx="8"/>{text}</a>'
    )
    x = 0.0
    for each in inner:
        body += f'<g transform="translate({x:.0f} {TITLE - PADDING})">{each.body}</g>'
        x += each.width
    return Drawing(body, width, height)


def _clipped(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
