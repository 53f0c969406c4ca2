"""What was measured of a content, and how sure that is. Pure."""

from dataclasses import dataclass, field
from math import sqrt
from typing import Literal

SCATTER = 0.1
"""Relative standard deviation of one measurement of a throughput, a benchmark at start or a span under saturation.
Chosen, as `scaling.learn.NOISE`."""
SURE, VAGUE = 0.05, 0.15
"""Relative standard errors up to which confidence is High, and Medium. The second is about what moves nobody: the
default of `moveSaving`, and the change of a profile that is worth a write."""

Confidence = Literal["High", "Medium", "Low"]


@dataclass(frozen=True)
class Learned:
    """What the steps of an engine take, as learned from warm pods under load. Seconds: `scaling.step.Step`."""

    base: float
    per_token: float
    per_prompt: float
    observations: float
    """That it rests on, older ones counted in part."""
    error: float
    """Relative standard error of the throughput with all slots busy that follows from it."""
    means: tuple[float, ...]
    """Of the observed rates, and of products of two (`scaling.learn.Fit.squares` and `right`): what learning goes on
    from after a restart.
    """

    def step(self, sequences: float) -> float:
        """Seconds of a step without prompts in which so many sequences decode."""
        return self.base + sequences * self.per_token

    def each(self, sequences: float, prompt: float, output: float) -> float:
        """Seconds between two tokens of a request where so many are there at once, prefills of `prompt` tokens
        included: `sequences` / `each` tokens are made a second.
        """
        return self.step(sequences) + sequences * prompt * self.per_prompt / output


@dataclass(frozen=True)
class Measured:
    """A capacity from the ledger."""

    tokens_per_second: float
    source: Literal["Declared", "Benchmarked", "Observed"]
    observations: float = 1.0
    """Independent measurements of the throughput that it is worth."""
    learned: Learned | None = None
    age: float = field(default=0.0, compare=False)
    """Seconds since it was written down. It grows by itself, so that it makes no difference between two of them."""

    @property
    def error(self) -> float:
        """Relative standard error of the throughput, by what tells it best."""
        own = SCATTER / sqrt(max(1.0, self.observations))
        return min(own, self.learned.error) if self.learned else own

    @property
    def confidence(self) -> Confidence:
        """In the throughput."""
        return confidence(self.error)


def confidence(error: float) -> Confidence:
    """Of a relative standard error."""
    if error <= SURE:
        return "High"
    return "Medium" if error <= VAGUE else "Low"
