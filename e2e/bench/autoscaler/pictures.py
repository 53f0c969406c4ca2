"""A trace's day as SVG: what came, and the replicas of ours, the optimum and the best baseline. Pure."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from inferfleet.sim.types import Trace

WIDTH, LEFT, RIGHT, TOP, DEMAND, REPLICAS = 900, 60, 30, 40, 110, 200
SPANS = 288
"""Of the demand."""
COLORS = (("#0969da", "#4493f8"), ("#1a7f37", "#3fb950"), ("#bc4c00", "#f0883e"))
"""On light and on dark paper."""
Line = Sequence[tuple[float, int]]


def picture(title: str, trace: Trace, seconds: float, lines: Mapping[str, Line]) -> str:
    """At most as many lines as colors. Demand above, replicas (booting and draining ones included) below."""
    most = max((count for line in lines.values() for _, count in line), default=1)
    base, low = TOP + DEMAND, TOP + DEMAND + 50
    height = low + REPLICAS + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
        _style(),
        f'<rect class="paper" width="{WIDTH}" height="{height}" rx="8"/>',
        f'<text class="name" x="{LEFT}" y="24">{escape(title)}</text>',
        *_demand(trace, seconds, base),
        *_grid(seconds, most, low),
        *(_step(i, line, seconds, most, low) for i, line in enumerate(lines.values())),
        *_legend(lines, low + REPLICAS + 45),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _style() -> str:
    light = "".join(f".l{i} {{ stroke: {color} }} .k{i} {{ fill: {color} }} " for i, (color, _) in enumerate(COLORS))
    dark = "".join(f".l{i} {{ stroke: {color} }} .k{i} {{ fill: {color} }} " for i, (_, color) in enumerate(COLORS))
    return (
        '<style>text { font-family: -apple-system, "Segoe UI", "DejaVu Sans", Helvetica, Arial, sans-serif; '
        "font-size: 12px; fill: #59636e } .name { font-size: 14px; font-weight: 600; fill: #1f2328 } "
        ".end { text-anchor: end } .middle { text-anchor: middle } .paper { fill: #ffffff } "
        ".demand { fill: #afb8c1 } .grid { stroke: #d1d9e0; stroke-width: 1 } "
        f".line {{ fill: none; stroke-width: 1.6 }} {light}"
        "@media (prefers-color-scheme: dark) { text { fill: #9198a1 } .name { fill: #f0f6fc } "
        f".paper {{ fill: #0d1117 }} .demand {{ fill: #3d444d }} .grid {{ stroke: #3d444d }} {dark}}}</style>"
    )


def _x(at: float, seconds: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * at / seconds


def _demand(trace: Trace, seconds: float, base: float) -> list[str]:
    counts, edges = np.histogram(trace.at, bins=SPANS, range=(0.0, seconds))
    rates = counts / (seconds / SPANS)
    top = max(float(rates.max()), 1e-9)
    points = [f"{_x(0, seconds):.1f},{base}"]
    for rate, left, right in zip(rates, edges, edges[1:], strict=False):
        y = base - DEMAND * float(rate) / top
        points += [f"{_x(float(left), seconds):.1f},{y:.1f}", f"{_x(float(right), seconds):.1f},{y:.1f}"]
    points.append(f"{_x(seconds, seconds):.1f},{base}")
    return [
        f'<polygon class="demand" points="{" ".join(points)}"/>',
        f'<text class="end" x="{LEFT - 8}" y="{TOP + 10}">{top:.0f}</text>',
        f'<text class="end" x="{LEFT - 8}" y="{base}">0</text>',
        f'<text x="{LEFT}" y="{base + 16}">requests per second, mean of {seconds / SPANS:.0f} s</text>',
    ]


def _grid(seconds: float, most: int, low: float) -> list[str]:
    every = max(1, -(-most // 6))
    found = []
    for count in range(0, most + 1, every):
        y = low + REPLICAS * (1 - count / most)
        found.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        found.append(f'<text class="end" x="{LEFT - 8}" y="{y + 4:.1f}">{count}</text>')
    unit, name = (3600.0, "h") if seconds > 7200.0 else (60.0, "min")
    for at in range(0, int(seconds / unit) + 1, _every(seconds / unit)):
        x = _x(at * unit, seconds)
        found.append(f'<text class="middle" x="{x:.1f}" y="{low + REPLICAS + 18}">{at} {name}</text>')
    return found


def _every(length: float) -> int:
    """A round number of units that cuts the length into eight parts at most."""
    return next(step for step in (1, 2, 3, 5, 6, 10, 12, 15, 20, 24, 30, 48, 10**9) if length / step <= 8)


def _step(number: int, line: Line, seconds: float, most: int, low: float) -> str:
    points: list[str] = []
    before = None
    inside = [entry for entry in line if entry[0] <= seconds]
    for at, count in (*inside, (seconds, inside[-1][1] if inside else 0)):
        y = low + REPLICAS * (1 - count / most)
        if before is not None:
            points.append(f"{_x(at, seconds):.1f},{before:.1f}")
        points.append(f"{_x(at, seconds):.1f},{y:.1f}")
        before = y
    return f'<polyline class="line l{number}" points="{" ".join(points)}"/>'


def _legend(lines: Mapping[str, Line], y: float) -> list[str]:
    found = []
    for i, name in enumerate(lines):
        x = LEFT + i * 240
        found.append(f'<rect class="k{i}" x="{x}" y="{y - 9}" width="10" height="10"/>')
        found.append(f'<text x="{x + 16}" y="{y}">replicas, {escape(name)}</text>')
    return found
