"""How busy replicas may be so that no more requests are late than were promised: learned from latencies of users. Pure.

The step line tells what happens on average. A request waits when one with a long prompt came just before it, and few
tokens are slow when such a prompt is read beside them; how many of these there are no mean tells. What is measured: the
share of requests that were late, at the load rho at which they were. It grows as a power of rho (below the loads at
which the mean itself is late, which teach nothing here); factor and power are learned, and with them the load for a
given share. That share is what was promised, kept over a day.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import exp, inf, log
from typing import NamedTuple

from inferfleet.scaling.arrivals import SPAN
from inferfleet.scaling.signal import Buckets, PodSample, Window
from inferfleet.scaling.step import Step

MEMORY = 10_000.0
"""Requests after which an observation counts a third: a hundred late ones are known to a tenth."""
MEMORY_SECONDS = 900.0
"""And not before these have passed: what comes together is late together."""
POWERS = (1.0, 2.0, 4.0, 8.0)
"""Of the load with which the share of late requests may grow: 1 where few very long prompts block a replica each, 2
where they meet, 8 and more where all are alike and wait for a free replica. What was seen tells which it is.
"""
CLUSTER = 10.0
"""Late requests that come together tell as much as one of them by itself."""
BELIEVED = 300.0
"""Requests that count before any was seen, the promised share of them late."""
FIRST = 0.6
"""The load at which these were, in parts of what the mean allows."""
BUDGET_MEMORY = 86_400.0
"""Seconds over which the promised share is kept: what was saved may be spent, and what was overdrawn is saved."""
BURST = 5.0
"""Late requests of one span count at most as so many times the promised share: one queue is no rate."""
SPELL = 20_000.0
"""Requests in which what was saved or overdrawn changes the share by a factor of e, where it is all of the promise."""
SPENDING = (1 / 3, 3.0)
"""Factors on the promised share, at most."""
DEBT = 4.0
"""What is overdrawn is remembered up to so many times what makes the least factor: a lost day is not paid for later."""
UNEVEN = (0.4, 3.0)
"""Factors on the share, at most, where a request takes fewer or more replicas than usual."""


@dataclass(frozen=True)
class Late:
    """Decayed sums over requests."""

    at: float = -inf
    late: float = 0.0
    logs: float = 0.0
    """Of the logarithms of the loads at which those were served that were late."""
    powers: tuple[float, ...] = (0.0,) * len(POWERS)
    """Of the powers of the loads at which all were served."""
    requests: float = 0.0
    saved: float = 0.0
    """Requests that might have been late and were not, over a day and whatever the load; below 0: overdrawn."""
    all: float = 0.0
    """Requests, over a day and whatever the load."""
    seconds: float = 0.0
    """Of replicas, for these."""


@dataclass(frozen=True)
class Promise:
    """What makes a request late. Seconds."""

    itl: float
    """Mean between its tokens."""
    wait: float
    """For a place in the batch: what the target for the first token leaves beyond the reading of its prompt."""
    share: float
    """Of requests that may be late."""


def observe(known: Late, windows: Iterable[Window], now: float, promise: Promise, step: Step) -> Late:
    """Once a span, what ended in it."""
    if now - known.at < SPAN:
        return known
    seen = [found for window in windows if (found := _pod(window, now, promise, step))]
    calm = [s for s in seen if s.load < mean_load(step, promise.itl)] if _calm(seen) else []
    requests = sum(s.requests for s in calm)
    late = min(sum(s.late for s in calm), BURST * promise.share * requests)
    # of all pods together: the power of a noisy load is more than that of its mean, which is what is decided
    load = sum(s.load for s in calm) / max(1, len(calm))
    seconds = min(now - known.at, BUDGET_MEMORY)
    short = exp(-min(requests / MEMORY, seconds / MEMORY_SECONDS))
    long = exp(-seconds / BUDGET_MEMORY)
    return Late(
        at=now,
        late=known.late * short + late,
        logs=known.logs * short + (late * log(load) if load > 0 else 0.0),
        powers=tuple(was * short + requests * load**p for was, p in zip(known.powers, POWERS, strict=True)),
        requests=known.requests * short + requests,
        saved=_saved(known.saved * long, seen, promise.share),
        all=known.all * long + sum(s.requests for s in seen),
        seconds=known.seconds * long + SPAN * len(seen),  # of the span alone, as the requests: before it may be a day
    )


def mean_load(step: Step, itl: float) -> float:
    """Share of a replica's time that work may take for the mean step to last `itl`."""
    return max(0.0, 1 - step.base / itl)


def highest_load(known: Late, step: Step, promise: Promise, request: float) -> float:
    """Share of a replica's time that work may take so that no more requests are late than promised, over a day.

    `request`: seconds of work of one. With late = factor x load^power, the fewest replicas are taken where one replica
    more saves as many late requests at all times. Where a request takes more replicas than usual, a larger share of
    requests is late therefore, and where it takes fewer a smaller one.
    """
    mean = mean_load(step, promise.itl)
    if mean <= 0 or not known.requests:
        return mean
    share = promise.share * spending(known, promise.share)
    found = curve(known, FIRST * mean, promise.share)
    even = _highest(mean, lambda load: share_at(found, load) <= share)
    usual = (known.seconds + SPELL * request / even) / (known.all + SPELL)

    def saves(load: float) -> bool:
        """Whether a replica less would save more elsewhere."""
        late = share_at(found, load) / share
        return late <= UNEVEN[0] or (late <= UNEVEN[1] and late * load * usual <= request)

    return _highest(mean, saves)


def spending(known: Late, share: float) -> float:
    """Factor on the promised share for now: what was saved is spent, and what was overdrawn is saved."""
    return max(SPENDING[0], exp(known.saved / (share * SPELL)))


Curve = tuple[tuple[float, float, float], ...]
"""(weight, factor, power) of share = factor x load^power."""


def curve(known: Late, first: float, share: float) -> Curve:
    """Every power with its likeliest factor, and how well it explains which loads the late ones were at.

    Of Poisson counts the logarithm of the likelihood is late x log(factor) + power x (sum of logarithms of their
    loads), but for what all powers have in common.
    """
    late, logs = known.late + BELIEVED * share, known.logs + BELIEVED * share * log(first)
    factors = [late / (sums + BELIEVED * first**p) for sums, p in zip(known.powers, POWERS, strict=True)]
    fits = [(late * log(factor) + p * logs) / CLUSTER for factor, p in zip(factors, POWERS, strict=True)]
    weights = [exp(fit - max(fits)) for fit in fits]
    return tuple((w / sum(weights), f, p) for w, f, p in zip(weights, factors, POWERS, strict=True))


def share_at(learned: Curve, load: float) -> float:
    """Of requests that are late at a load."""
    return float(sum(weight * factor * load**power for weight, factor, power in learned))


def _highest(most: float, good: Callable[[float], bool]) -> float:
    """The highest load up to `most` that is good, where all below a good one are."""
    low, high = 0.0, most
    if good(most):
        return most
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if good(middle) else (low, middle)
    return high


def _saved(before: float, seen: list["_Seen"], share: float) -> float:
    """Within bounds: nights without a late request are no reason for a morning of them."""
    most, least = (log(factor) * share * SPELL for factor in reversed(SPENDING))
    return min(most, max(DEBT * least, before + sum(share * s.requests - s.late for s in seen)))


class _Seen(NamedTuple):
    """Of one pod in one span."""

    requests: float
    late: float
    load: float
    free: bool
    """Whether its queue was empty at some time."""


def _calm(seen: list[_Seen]) -> bool:
    """Whether at least half of the pods had no queue at some time. One long prompt blocks one pod; queues that do not
    end are of too much load, also of that of some minutes ago, and tell nothing of the load now.
    """
    return 2 * sum(s.free for s in seen) >= len(seen)


def _pod(window: Window, now: float, promise: Promise, step: Step) -> _Seen | None:
    inside = [s for s in window if s.at >= now - SPAN]
    if len(inside) < 2 or not (inside[-1].tpot or inside[-1].queued):
        return None
    first, last = inside[0], inside[-1]
    late = over(first.tpot, last.tpot, promise.itl) + over(first.queued, last.queued, promise.wait)
    ended = (last.finished - last.later_finished) - (first.finished - first.later_finished)
    return _Seen(ended, late, _load(first, last, step), min(s.waiting - s.later_waiting for s in inside) <= 0)


def _load(first: PodSample, last: PodSample, step: Step) -> float:
    """Without requests that may wait: they go after the others, and fill what these leave."""
    read = last.prompted - last.cached - first.prompted + first.cached
    made = last.generated - first.generated
    if last.later_arrivals:
        read -= (last.later_finished - first.later_finished) * last.later_arrived / last.later_arrivals
        made -= last.later_finished_tokens - first.later_finished_tokens
    return (max(0.0, made) * step.per_token + max(0.0, read) * step.per_prompt) / (last.at - first.at)


def over(before: Buckets, after: Buckets, limit: float) -> float:
    """How many observations above `limit` came between two states of a histogram; linear within a bucket."""
    known = dict(before)
    lower = under = 0.0
    total = after[-1][1] - known.get(after[-1][0], 0.0) if after else 0.0
    for bound, count in after:
        grown = count - known.get(bound, 0.0)
        if limit <= bound:
            part = (limit - lower) / (bound - lower) if bound < inf else 0.0
            return total - under - (grown - under) * part
        lower, under = bound, grown
    return 0.0
