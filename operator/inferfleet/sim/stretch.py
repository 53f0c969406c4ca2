"""Steps of one replica that are alike but for the growing context: their time is a closed form. Pure."""

from dataclasses import dataclass
from math import ceil, sqrt

_ROUNDING = 1e-9
"""Of a step: a moment that is computed to lie on a boundary does."""


@dataclass(slots=True)
class Stretch:
    """`steps` steps from `began` on; the first takes `step` seconds, each later one `growth` longer than the last."""

    began: float
    steps: int
    step: float
    growth: float = 0.0

    def seconds(self, steps: int) -> float:
        """Of the first so many."""
        return steps * self.step + self.growth * steps * (steps - 1) / 2

    @property
    def due(self) -> float:
        """Its end."""
        return self.began + self.seconds(self.steps)

    def done(self, now: float) -> int:
        """Whole steps that are over."""
        if now <= self.began:
            return 0
        return min(self.steps, int(self._count(now - self.began) + _ROUNDING))

    @property
    def last_began(self) -> float:
        """The start of its last step."""
        return self.began + self.seconds(self.steps - 1)

    def cut(self, now: float, more: int) -> bool:
        """End with the step that is in progress, or so many more. True: that is earlier."""
        steps = max(1, ceil(self._count(now - self.began) - _ROUNDING)) + more
        if steps >= self.steps:
            return False
        self.steps = steps
        return True

    def _count(self, seconds: float) -> float:
        """The inverse of `seconds`."""
        if self.growth == 0.0:
            return seconds / self.step
        linear = self.step - self.growth / 2
        return (sqrt(linear * linear + 2 * self.growth * seconds) - linear) / self.growth
