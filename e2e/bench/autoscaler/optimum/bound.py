"""The least replica-hours that could meet an SLO, if all arrivals were known: a lower bound. Pure.

What is bounded is a relaxation of the simulator's fleet, each step of which can only make things cheaper:

- A request is work: replica-seconds for its prompt and output tokens, at the prices of `prices`: the dual of the linear
  program that packs an engine's steps as well as its step line, its KV cache and the mean inter-token target allow.
- Replicas are one pool of work (no routing, no queue, no order), in bins of 30 s; each bin may borrow the seconds by
  which a first token may be late. Output is made over the time that the target allows, which is where it costs least.
- A request that is not served in time counts as missed by the share of its work that is left out; the dearest go first.
- Every new replica pays its boot. Counts are whole. Losses of replicas are not seen; limits of pools are.

The minimum over all schedules subject to the share that must be met is bounded from below by its Lagrangian dual; for
each multiplier the dynamic program over bins and counts is exact.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from e2e.bench.autoscaler.traffic.recorded import fresh
from e2e.bench.autoscaler.traffic.traces import Scenario
from inferfleet.sim.types import Engine, Floats, Ints, Limit, Pool, Slo, Trace

Put = Callable[[Floats, Floats], None]
BIN = 30.0
CLASSES = 16
"""Requests of a bin are told apart by their work in so many classes."""
ROUNDS = 18
"""Of the search for the multiplier."""


def prices(engine: Engine, slo: Slo, prompt: float, output: float) -> tuple[float, float]:
    """Replica-seconds of a prompt token and of an output token at best, for requests of this mean mix.

    Steps with n sequences and p prompt tokens take T = base + n x per_sequence + p / prefill_rate. The cheapest mix of
    steps that makes all tokens while the mean over sequences of T stays within the target is a linear program; its dual
    prices hold for any other mix as a lower bound.
    """
    most = int(min(engine.slots, engine.kv_tokens / max(prompt + output / 2, 1.0), engine.chunk))
    n = np.repeat(np.arange(most + 1), 2)
    p = np.where(np.arange(len(n)) % 2, engine.chunk - n, 0)
    seconds = engine.base + engine.per_sequence * n + p / engine.prefill_rate
    dual = linprog(
        c=[-prompt, -output, 0.0],
        A_ub=np.column_stack((p, n, -n * (seconds - slo.itl))),
        b_ub=seconds,
        bounds=[(0, None)] * 3,
    )
    return float(dual.x[0]), float(dual.x[1])


@dataclass(frozen=True)
class Load:
    """Work by bin and class, the heaviest requests first."""

    seconds: Floats
    """Replica-seconds: bins x classes."""
    requests: Floats
    """Shares of requests in it: bins x classes."""
    total: int

    def scaled(self, factor: Floats) -> "Load":
        """With more work in some bins, for as many requests."""
        return Load(self.seconds * factor[:, None], self.requests, self.total)


def load(scenario: Scenario) -> Load:
    """Of the first pool's engine."""
    trace, engine, slo = scenario.trace, scenario.pools[0].engine, scenario.slo
    prompt = fresh(trace)
    a, b = prices(engine, slo, float(prompt.mean()), float(trace.output.mean()))
    work = a * prompt + b * trace.output
    bins = int(np.ceil(scenario.seconds / BIN))
    edges = np.quantile(work, np.linspace(0, 1, CLASSES + 1)[1:-1])
    class_ = CLASSES - 1 - np.searchsorted(edges, work)
    cells = np.zeros((2, bins * CLASSES))

    def put(at: Floats, seconds: Floats) -> None:
        which = np.minimum((at // BIN).astype(int), bins - 1) * CLASSES + class_
        cells[0] += np.bincount(which, seconds, bins * CLASSES)
        cells[1] += np.bincount(which, seconds / work, bins * CLASSES)

    made: Floats = b * trace.output.astype(np.float64)
    put(trace.at, a * prompt.astype(np.float64))
    _spread(put, trace, made, made * (slo.itl / b))
    return Load(cells[0].reshape(bins, CLASSES), cells[1].reshape(bins, CLASSES), len(trace))


def _spread(put: Put, trace: Trace, work: Floats, span: Floats) -> None:
    """Evenly from the arrival over `span` seconds, bin by bin."""
    end = trace.at + np.maximum(span, 1e-9)
    begin = trace.at.copy()
    while True:
        stop = np.minimum(end, (begin // BIN + 1) * BIN)
        put(begin, work * np.maximum(stop - begin, 0.0) / (end - trace.at))
        if np.all(stop >= end):
            return
        begin = stop


@dataclass(frozen=True)
class Supply:
    """By bin and count of replicas, from none on: what they can do and what they cost."""

    work: Floats
    """Replica-seconds of the first pool a second."""
    cost: Floats
    """Replicas, or USD per hour."""


def supply(scenario: Scenario, most: int, *, dollars: bool) -> Supply:
    """The first pool as far as its limit of the time goes, then the next."""
    bins = int(np.ceil(scenario.seconds / BIN))
    work, cost = np.zeros((bins, most + 1)), np.zeros((bins, most + 1))
    counts = np.arange(most + 1)
    before = np.zeros(bins)[:, None]
    for pool in scenario.pools:
        room = limits(scenario, pool, bins)[:, None]
        mine = np.clip(counts - before, 0, room)
        work += mine * speed(scenario, pool)
        cost += mine * (pool.price if dollars else 1.0)
        before = before + room
    return Supply(work, np.where(counts <= before, cost, np.inf))


def speed(scenario: Scenario, pool: Pool) -> float:
    """Of a replica, in replicas of the first pool, at the trace's mean mix."""
    prompt, output = float(scenario.trace.input.mean()), float(scenario.trace.output.mean())
    one, other = (prices(p.engine, scenario.slo, prompt, output) for p in (scenario.pools[0], pool))
    return (one[0] * prompt + one[1] * output) / (other[0] * prompt + other[1] * output)


def limits(scenario: Scenario, pool: Pool, bins: int) -> Floats:
    """Most replicas of a pool in each bin."""
    found = np.full(bins, float(min(pool.limit, scenario.maximum)))
    for event in scenario.events:
        if isinstance(event, Limit) and event.pool == pool.name:
            found[int(event.at // BIN) :] = min(event.count, scenario.maximum)
    return found


def misses(demand: Load, supplied: Supply, slack: float) -> Floats:
    """Requests missed by bin and count of replicas."""
    room = supplied.work * (BIN + slack)
    excess = np.maximum(0.0, demand.seconds.sum(axis=1)[:, None] - room)
    found: Floats = np.zeros_like(excess)
    for class_ in range(demand.seconds.shape[1]):
        seconds, requests = demand.seconds[:, class_, None], demand.requests[:, class_, None]
        taken = np.minimum(excess, seconds)
        found += np.where(seconds > 0, taken / np.maximum(seconds, 1e-12) * requests, 0.0)
        excess = excess - taken
    return found


def cheapest(cost: Floats, boot: float, start: int, least: int) -> tuple[Ints, float]:
    """Counts by bin that minimize cost[bin, count] and `boot` for each replica that is added, and that minimum.

    Exact: the way up from a lower count costs the difference of a potential, so that prefix minima suffice.
    """
    bins, width = cost.shape
    paid = np.concatenate(([0.0], np.cumsum(np.full(width - 1, boot))))
    value = np.where(np.arange(width) <= start, 0.0, paid - paid[min(start, width - 1)])
    came = np.empty((bins, width), dtype=np.int32)
    for t in range(bins):
        value, came[t] = _arrived(value, paid)
        value = value + cost[t]
        value[:least] = np.inf
    best = int(np.argmin(value))
    counts = np.empty(bins, dtype=np.int64)
    where = best
    for t in range(bins - 1, -1, -1):
        counts[t] = where
        where = came[t, where]
    return counts, float(value[best])


def _arrived(value: Floats, paid: Floats) -> tuple[Floats, Ints]:
    """Cheapest way to each count: from a lower one with boots, or from a higher one for nothing."""
    index = np.arange(len(value))
    shifted = value - paid
    lower = np.minimum.accumulate(shifted)
    from_lower = np.maximum.accumulate(np.where(shifted <= lower, index, 0))
    upper = np.minimum.accumulate(value[::-1])[::-1]
    from_upper = np.minimum.accumulate(np.where(value <= upper, index, len(value) - 1)[::-1])[::-1]
    up = lower + paid
    return np.minimum(up, upper), np.where(up <= upper, from_lower, from_upper)


@dataclass(frozen=True)
class Bound:
    """What came of the dual."""

    hours: float
    """No schedule of the relaxation is cheaper: replica-hours, or USD."""
    counts: Ints
    """By bin: the schedule of the multiplier that bounds best. It need not be feasible."""


def bound(scenario: Scenario, demand: Load, attainment: float, *, dollars: bool = False) -> Bound:
    """The Lagrangian dual: the best over multipliers of (cheapest cost + multiplier x (misses - allowed))."""
    most = peak(scenario, demand)
    supplied = supply(scenario, most, dollars=dollars)
    lost = misses(demand, supplied, scenario.slo.ttft)
    allowed = (1 - attainment) * demand.total
    paid = scenario.pools[0].boot * (scenario.pools[0].price if dollars else 1.0)
    best = Bound(0.0, np.zeros(len(lost), dtype=np.int64))
    low, high = 0.0, 1e6
    for _ in range(ROUNDS):
        multiplier = np.sqrt(max(low, 1e-3) * high)
        counts, value = cheapest(supplied.cost * BIN + multiplier * lost, paid, scenario.start, scenario.minimum)
        dual = (value - multiplier * allowed) / 3600.0
        best = max(best, Bound(dual, counts), key=lambda found: found.hours)
        if lost[np.arange(len(lost)), counts].sum() > allowed:
            low = multiplier
        else:
            high = multiplier
    return best


def peak(scenario: Scenario, demand: Load) -> int:
    """Counts above it are never of use."""
    most = sum(int(limits(scenario, pool, 1)[0]) for pool in scenario.pools)
    return int(min(most, scenario.maximum * len(scenario.pools), np.ceil(demand.seconds.sum(axis=1).max() / BIN) + 2))
