"""What a simulation found: per request, per pool, over time. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from inferfleet.sim.types import Floats, Ints, Pool, Slo, Trace

HOUR = 3600.0
WORST_SPAN = 300.0
"""Seconds of the worst moment that is reported."""


class Outcome(IntEnum):
    """How a request ended."""

    DONE = 0
    LOST = 1
    """Its replica failed while it was there."""
    UNSERVED = 2
    """No replica that takes its class was there until the end."""
    TOO_LONG = 3
    """It does not fit into the KV cache of a whole replica."""


@dataclass(frozen=True)
class Count:
    """Replicas of one pool from a moment on."""

    at: float
    pool: str
    wanted: int
    booting: int
    ready: int
    draining: int


@dataclass(frozen=True)
class Choice:
    """A decision that changed something; the first is what was there at second 0."""

    at: float
    replicas: Mapping[str, int]
    """Wanted from now on by pool, cut to its limit."""


@dataclass(frozen=True)
class Worst:
    """The five minutes with the lowest attainment."""

    start: float
    attainment: float
    requests: int


@dataclass(frozen=True)
class Result:
    """Arrays are as long as the trace and in its order; NaN where a request never came so far. Seconds."""

    trace: Trace
    pools: tuple[Pool, ...]
    ttft: Floats
    itl: Floats
    """Mean of the request; NaN also where it has one token."""
    finish: Floats
    """When it ended."""
    outcome: Ints
    """`Outcome`."""
    replica: Ints
    """Number of the replica that finished it, counted from the first; -1: none."""
    preempted: int
    """Times that a request was put back for want of KV cache, and its tokens computed again."""
    timeline: tuple[Count, ...]
    """Each change, oldest first; `ready` at second 0 is the first entry of each pool."""
    choices: tuple[Choice, ...]
    hours: Mapping[str, float]
    """Replica-hours by pool from creation until gone, up to the end."""
    end: float
    reached: Floats
    """Per pool in order: generated tokens."""

    def met(self, slo: Slo) -> NDArray[np.bool_]:
        """Whether each request met the SLO."""
        limit = np.minimum(slo.ttft + slo.ttft_per_input_token * self.trace.input, slo.wait)
        inside = (self.ttft <= limit) & ((self.itl <= slo.itl) | (self.trace.output <= 1))
        whole = self.finish - self.trace.at <= slo.end_to_end
        found: NDArray[np.bool_] = inside & whole & (self.outcome == Outcome.DONE)
        return found

    def attainment(self, slo: Slo, class_: str | None = None) -> float:
        """Share of requests that met it, 0 to 1; 1 without requests. With `class_` of that class alone."""
        met = self.met(slo)
        if class_ is not None:
            codes = np.zeros(len(self.trace), dtype=np.int64) if self.trace.class_ is None else self.trace.class_
            met = met[codes == self.trace.classes.index(class_)]
        return float(met.mean()) if len(met) else 1.0

    def worst(self, slo: Slo, span: float = WORST_SPAN) -> Worst:
        """The span of arrivals in which the smallest share met the SLO, the first of equals; in steps of a fifth of it.

        Spans with fewer than ten requests are left out unless there are no others.
        """
        at, met = self.trace.at, self.met(slo)
        if not len(at):
            return Worst(0.0, 1.0, 0)
        starts = np.arange(0.0, max(float(at[-1]) - span * 0.8, span * 0.2), span / 5)
        first, last = np.searchsorted(at, starts), np.searchsorted(at, starts + span)
        total = np.concatenate(([0], np.cumsum(met)))
        counts = last - first
        enough = counts >= min(10, counts.max())
        shares = np.where(enough & (counts > 0), (total[last] - total[first]) / np.maximum(counts, 1), np.inf)
        found = int(np.argmin(shares))
        return Worst(float(starts[found]), float(shares[found]), int(counts[found]))

    @cached_property
    def replica_hours(self) -> float:
        """Of all pools."""
        return sum(self.hours.values())

    @cached_property
    def dollars(self) -> float:
        """Of all pools, at their prices."""
        return sum(hours * pool.price for pool in self.pools for hours in (self.hours[pool.name],))

    @cached_property
    def changes(self) -> int:
        """Decisions that changed a pool's wanted replicas."""
        return sum(len(_steps(self.choices, pool.name)) for pool in self.pools)

    @cached_property
    def reversals(self) -> int:
        """Changes of a pool's wanted replicas that go the other way than the one before."""
        found = 0
        for pool in self.pools:
            steps = _steps(self.choices, pool.name)
            found += sum(1 for a, b in pairwise(steps) if a * b < 0)
        return found

    def percentile(self, values: str, percent: float) -> float:
        """Of `ttft` or `itl` over the requests that have one; NaN without any."""
        found = np.asarray(getattr(self, values), dtype=np.float64)
        found = found[~np.isnan(found)]
        return float(np.percentile(found, percent)) if len(found) else float("nan")


def _steps(choices: tuple[Choice, ...], pool: str) -> list[int]:
    counts = [c.replicas[pool] for c in choices if pool in c.replicas]
    return [b - a for a, b in pairwise(counts) if a != b]
