"""A replay as one SVG that needs nothing else: traffic, replicas and attainment over the same time. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from inferfleet.api.figures import figures as number
from inferfleet.offline.render import words
from inferfleet.replay.report import Bins, Replayed, bins
from inferfleet.replay.text import clock
from inferfleet.sim.types import Floats

WIDTH, LEFT, RIGHT = 960.0, 64.0, 20.0
PARTS = 288
PANELS = (("requests/s", 90.0, 110.0), ("replicas", 236.0, 150.0), ("attainment", 422.0, 80.0))
"""Name, top and height in pixels."""
HEIGHT = 546.0
COLOURS = ("#0b5fc0", "#0f7b6c", "#b26a00", "#7a3fb0")
STYLE = """
svg { --page: #ffffff; --ink: #1b1f24; --soft: #57606a; --rule: #d5dae1; --bad: #b3261e; --traffic: #57606a;
  --0: #0b5fc0; --1: #0f7b6c; --2: #b26a00; --3: #7a3fb0; font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; }
@media (prefers-color-scheme: dark) { svg { --page: #12151a; --ink: #e6eaf0; --soft: #a3adb9; --rule: #343c47;
  --bad: #ff8a80; --traffic: #a3adb9; --0: #6cb2ff; --1: #4fc7b2; --2: #f0b25a; --3: #c9a2f2; } }
.page { fill: var(--page); } text { fill: var(--soft); } .title { fill: var(--ink); font-size: 15px; font-weight: 600; }
.grid { stroke: var(--rule); stroke-width: 0.7; } .traffic { fill: var(--traffic); opacity: 0.45; }
.wanted { fill: none; stroke: var(--ink); stroke-width: 1.2; stroke-dasharray: 3 2; }
.target { stroke: var(--bad); stroke-width: 1.2; stroke-dasharray: 5 4; } .met { fill: none; stroke: var(--0);
  stroke-width: 1.3; } .missed { fill: var(--bad); opacity: 0.25; } .bound { fill: var(--bad); }
.p0 { fill: var(--0); } .p1 { fill: var(--1); } .p2 { fill: var(--2); } .p3 { fill: var(--3); } .pool { opacity: 0.75; }
"""


@dataclass(frozen=True)
class _Panel:
    top: float
    height: float
    high: float
    low: float = 0.0

    def at(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.top + self.height * (1 - share)


def render(found: Replayed) -> str:
    """The document."""
    b = bins(found, PARTS)
    summary = (
        f"{found.result.attainment(found.slo):.2%} within the targets, {number(found.result.replica_hours)} "
        f"replica-hours, {found.result.dollars:,.2f} USD, {found.result.reversals} reversals"
    )
    who = "the operator's law" if found.replicas is None else words.number(found.replicas, "static replica")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" '
        f'aria-label="{escape(f"{found.name}: {summary}")}">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH:g}" height="{HEIGHT:g}"/>',
        f'<text class="title" x="{LEFT:g}" y="24">{escape(found.name)}: {escape(found.placement)}, {who}</text>',
        f'<text x="{LEFT:g}" y="43">{escape(found.traffic)}</text>',
        f'<text x="{LEFT:g}" y="60">{escape(summary)}</text>',
        *_traffic(b),
        *_replicas(b),
        *_attainment(b, found.percentile / 100),
        *_times(found.result.end),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _x(b: Bins) -> Floats:
    found: Floats = LEFT + (WIDTH - LEFT - RIGHT) * b.edges / b.edges[-1]
    return found


def _traffic(b: Bins) -> Iterable[str]:
    panel = _panel(0, float(b.requests.max()))
    yield from _frame(panel, 0)
    yield f'<path class="traffic" d="{_area(_x(b), b.requests, np.zeros(len(b.requests)), panel)}"/>'


def _replicas(b: Bins) -> Iterable[str]:
    """Pools above each other, and above them what was wanted."""
    total = sum(b.ready.values(), np.zeros(len(b.wanted)))
    panel = _panel(1, max(float(b.wanted.max()), float(total.max())))
    yield from _frame(panel, 1)
    below, legend = np.zeros(len(b.wanted)), []
    for i, (name, values) in enumerate((n, v) for n, v in b.ready.items() if v.any()):
        colour = f"p{i % len(COLOURS)}"
        yield f'<path class="pool {colour}" d="{_area(_x(b), below + values, below, panel)}"/>'
        below = below + values
        legend.append((colour, name))
    yield f'<path class="wanted" d="{_line(_x(b), b.wanted, panel)}"/>'
    across = LEFT + 70.0
    for colour, name in legend:
        yield f'<rect class="pool {colour}" x="{across:g}" y="{panel.top - 16:g}" width="10" height="10"/>'
        yield f'<text x="{across + 14:g}" y="{panel.top - 7:g}">ready on {escape(name)}</text>'
        across += 90.0 + 6.5 * len(name)
    middle = panel.top - 11
    yield f'<line class="wanted" x1="{across:g}" x2="{across + 18:g}" y1="{middle:g}" y2="{middle:g}"/>'
    yield f'<text x="{across + 23:g}" y="{panel.top - 7:g}">wanted</text>'


def _attainment(b: Bins, asked: float) -> Iterable[str]:
    """From 80 % or what is asked less as much again: where all is well the line lies at the top."""
    low = min(0.8, 2 * asked - 1)
    panel = _Panel(PANELS[2][1], PANELS[2][2], 1.0, low)
    yield from _frame(panel, 2, percent=True)
    known = np.nan_to_num(b.attainment, nan=1.0)
    x = _x(b)
    for i in np.flatnonzero(known < asked):
        width = max(float(x[i + 1] - x[i]), 1.0)
        yield f'<rect class="missed" x="{x[i]:.1f}" y="{panel.top:g}" width="{width:.1f}" height="{panel.height:g}"/>'
    yield f'<path class="met" d="{_line(x, known, panel)}"/>'
    at = f"{panel.at(asked):.1f}"
    yield f'<line class="target" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{at}" y2="{at}"/>'
    label = f"asked {asked:.0%}"
    yield f'<text class="bound" x="{WIDTH - RIGHT:g}" y="{float(at) + 13:.1f}" text-anchor="end">{label}</text>'


def _panel(index: int, high: float) -> _Panel:
    _, top, height = PANELS[index]
    return _Panel(top, height, high * 1.05 if high > 0 else 1.0)


def _frame(panel: _Panel, index: int, *, percent: bool = False) -> Iterable[str]:
    yield f'<text x="{LEFT:g}" y="{panel.top - 7:g}">{PANELS[index][0]}</text>'
    for value in _ticks(panel.low, panel.high, whole=index == 1):
        down = f"{panel.at(value):.1f}"
        label = f"{value:.0%}" if percent else number(round(value, 4))
        yield f'<line class="grid" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{down}" y2="{down}"/>'
        yield f'<text x="{LEFT - 7:g}" y="{float(down) + 4:.1f}" text-anchor="end">{label}</text>'


def _ticks(low: float, high: float, *, whole: bool) -> list[float]:
    """Round values, three to six of them."""
    step = 10.0 ** np.floor(np.log10((high - low) / 2))
    for factor in (1, 2, 5, 10):
        if (high - low) / (step * factor) <= 5:
            step *= factor
            break
    step = max(step, 1.0) if whole else step
    first = np.ceil(low / step - 1e-9)
    return [float((first + i) * step) for i in range(int((high - first * step) / step + 1e-9) + 1)]


def _times(end: float) -> Iterable[str]:
    bottom = PANELS[-1][1] + PANELS[-1][2]
    for share in np.linspace(0.0, 1.0, 7):
        across = f"{LEFT + (WIDTH - LEFT - RIGHT) * share:.1f}"
        anchor = "start" if share == 0 else "end" if share == 1 else "middle"
        yield f'<line class="grid" x1="{across}" x2="{across}" y1="{PANELS[0][1]:g}" y2="{bottom:g}"/>'
        yield f'<text x="{across}" y="{bottom + 18:g}" text-anchor="{anchor}">{clock(end * share)}</text>'


def _line(x: Floats, values: Sequence[float] | Floats, panel: _Panel) -> str:
    """A step for each part."""
    path = f"M{x[0]:.1f} {panel.at(float(values[0])):.1f}"
    return path + "".join(f"V{panel.at(float(v)):.1f}H{x[i + 1]:.1f}" for i, v in enumerate(values))


def _area(x: Floats, upper: Floats, lower: Floats, panel: _Panel) -> str:
    back = "".join(f"V{panel.at(float(lower[i])):.1f}H{x[i]:.1f}" for i in range(len(lower) - 1, -1, -1))
    return f"{_line(x, upper, panel)}{back}Z"
