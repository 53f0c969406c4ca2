"""Logarithmic axes of a picture. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, log10

STEPS = (((1,), 3), ((1, 2, 5), 2), ((1, 1.5, 2, 3, 4, 5, 6, 8), 2), ((1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9), 0))
"""Ticks of a decade, and how many there must be: with fewer the next, finer ones are drawn."""
ROOM = 1.25
"""Factor around the outermost points."""


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` on pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Pixel."""
        share = (log10(value) - log10(self.low)) / (log10(self.high) - log10(self.low))
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values: of decades, or where these are few, also some of each."""
        decades = range(floor(log10(self.low)) - 1, ceil(log10(self.high)) + 1)
        for steps, enough in STEPS:
            found = [float(f"{step}e{decade}") for decade in decades for step in steps]
            inside = [value for value in found if self.low <= value <= self.high]
            if len(inside) >= enough:
                break
        return inside


def axis(values: Iterable[float], start: float, end: float) -> Axis:
    """With room around all values; those that are not above 0 have no place."""
    positive = [v for v in values if v > 0] or [1.0]
    return Axis(min(positive) / ROOM, max(positive) * ROOM, start, end)
