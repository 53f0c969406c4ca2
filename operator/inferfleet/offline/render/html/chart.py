"""The cost-latency frontier of one workload as SVG, colours left to the page's style. Pure."""

from collections.abc import Iterable
from decimal import Decimal
from html import escape
from math import inf

from inferfleet.api.figures import figures, latency
from inferfleet.offline.frontier import pareto
from inferfleet.offline.render.html.scale import Axis, axis
from inferfleet.offline.render.words import NAMES
from inferfleet.offline.types import Frontier, Point

WIDTH, HEIGHT = 520.0, 320.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 28.0, 18.0, 46.0
CELLS = {"Rejected": 7.0, "Possible": 4.0, "Chosen": 4.0}
"""Pixels: of points of one kind that hide each other the cheapest is drawn. What comes last is on top."""


def axes(found: Frontier) -> list[str]:
    """Latencies to draw: those with a target, else that of a whole request."""
    given = [name for name in found.allowed if any(name in p.latency for p in found.points)]
    return given or ["endToEnd"]


def chart(found: Frontier, name: str) -> str:
    """USD per million tokens over one latency, both logarithmic. Empty where there is nothing to draw."""
    points = [p for p in found.points if 0 < p.latency.get(name, 0) < inf and p.cost > 0]
    if not points:
        return ""
    allowed, limit = found.allowed.get(name), found.cost_limit
    x = axis([*(p.latency[name] for p in points), *([allowed] if allowed else [])], LEFT, WIDTH - RIGHT)
    y = axis([*(float(p.cost) for p in points), *([float(limit)] if limit else [])], HEIGHT - BOTTOM, TOP)
    title = f"USD per 1M tokens over {NAMES[name]}"
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{title}">',
        *_grid(x, y, NAMES[name]),
        *_bounds(x, y, allowed, limit),
        _line(pareto(points, name), name, x, y),
        *_marks(points, name, x, y),
        "</svg>",
    ]
    return "\n".join(parts)


def _grid(x: Axis, y: Axis, name: str) -> Iterable[str]:
    for value in x.ticks():
        across = f"{x.at(value):.1f}"
        yield f'<line class="grid" x1="{across}" x2="{across}" y1="{y.end:g}" y2="{y.start:g}"/>'
        yield f'<text class="tick" x="{across}" y="{y.start + 16:g}" text-anchor="middle">{latency(value)}</text>'
    for value in y.ticks():
        down = y.at(value)
        yield f'<line class="grid" x1="{x.start:g}" x2="{x.end:g}" y1="{down:.1f}" y2="{down:.1f}"/>'
        yield f'<text class="tick" x="{x.start - 6:g}" y="{down + 4:.1f}" text-anchor="end">{figures(value)}</text>'
    middle = f"{(y.start + y.end) / 2:g}"
    yield f'<text class="axis" x="{(x.start + x.end) / 2:g}" y="{HEIGHT - 8:g}" text-anchor="middle">{name}</text>'
    turned = f'transform="rotate(-90 14 {middle})"'
    yield f'<text class="axis" x="14" y="{middle}" text-anchor="middle" {turned}>USD per 1M tokens</text>'


def _bounds(x: Axis, y: Axis, allowed: float | None, limit: Decimal | None) -> Iterable[str]:
    """What the class allows: left of the line, and below it."""
    if allowed:
        at = x.at(allowed)
        yield f'<rect class="out" x="{at:.1f}" y="{y.end:g}" width="{x.end - at:.1f}" height="{y.start - y.end:g}"/>'
        yield f'<line class="target" x1="{at:.1f}" x2="{at:.1f}" y1="{y.end:g}" y2="{y.start:g}"/>'
        words = f"target {latency(allowed)}"
        yield f'<text class="bound" x="{at - 5:.1f}" y="{y.end + 11:g}" text-anchor="end">{words}</text>'
    if limit:
        at = y.at(float(limit))
        yield f'<line class="target" x1="{x.start:g}" x2="{x.end:g}" y1="{at:.1f}" y2="{at:.1f}"/>'
        words = f"limit {limit} USD"
        yield f'<text class="bound" x="{x.start + 5:g}" y="{at - 5:.1f}">{words}</text>'


def _line(best: list[Point], name: str, x: Axis, y: Axis) -> str:
    """Steps: a little more latency buys nothing until the next point."""
    path = ""
    for i, point in enumerate(best):
        across, down = x.at(point.latency[name]), y.at(float(point.cost))
        path += f"M{across:.1f} {down:.1f}" if i == 0 else f"H{across:.1f}V{down:.1f}"
    return f'<path class="frontier" d="{path}"/>'


def _marks(points: list[Point], name: str, x: Axis, y: Axis) -> Iterable[str]:
    for status, size in CELLS.items():
        seen: set[tuple[int, int]] = set()
        for point in (p for p in points if p.status == status):
            across, down = x.at(point.latency[name]), y.at(float(point.cost))
            if (cell := (int(across / size), int(down / size))) not in seen:
                seen.add(cell)
                yield _mark(point, across, down)


def _mark(point: Point, x: float, y: float) -> str:
    """A shape for each status, so that colours are not all that tells them apart; pointing at it tells the rest."""
    told = f"<title>{escape(_told(point))}</title>"
    if point.status == "Rejected":
        return f'<path class="rejected" d="M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6">{told}</path>'
    if point.status == "Possible":
        return f'<circle class="possible" cx="{x:.1f}" cy="{y:.1f}" r="4">{told}</circle>'
    return f'<path class="chosen" d="M{x:.1f} {y - 8:.1f}l8 8l-8 8l-8 -8z">{told}</path>'


def _told(p: Point) -> str:
    times = ", ".join(f"{NAMES[name]} {latency(value)}" for name, value in p.latency.items())
    why = f"; {p.why}" if p.why else ""
    return f"{p.status}: {p.words}, {p.slots} slots: {p.cost:f} USD per 1M tokens, {times}{why}"
