"""How long the engine will be busy with what comes, learned from what it has done. Pure.

Only for engines that make one thing after the other: what one request takes does not depend on the others then.
"""

from dataclasses import dataclass

MEMORY = 20.0
"""Requests after which one counts a third: a machine may slow down, and few requests make the mean."""


@dataclass(frozen=True)
class Pace:
    """Decayed sums over requests that were done."""

    seconds: float = 0.0
    work: float = 0.0
    """In the tokens of `api.work.Work.output`."""

    def after(self, seconds: float, work: float) -> "Pace":
        """With one request more."""
        left = 1 - 1 / MEMORY
        return Pace(self.seconds * left + seconds, self.work * left + work)

    def seconds_of(self, work: float, capacity: float) -> float:
        """Of the engine, for so much work; by `capacity`, in tokens per second, while nothing was done.

        0 where that is not known either.
        """
        if self.work > 0:
            return work * self.seconds / self.work
        return work / capacity if capacity > 0 else 0.0
