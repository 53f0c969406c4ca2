"""What arrives: its level, its trend and how sure both are, from counts of the last minutes. Pure.

Nothing here knows replicas or tokens. The level is the mean over the longest time that agrees with all shorter ones
(Lepski's method): minutes while the load is steady, seconds after a step, so that noise is no change and a change is
no noise.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import sqrt

SPAN = 10.0
"""Seconds that are counted together."""
KEEP = 600.0
"""Seconds that are remembered."""
SURE = 3.0
"""Standard deviations between two means that are no accident."""
TREND = 120.0
"""Seconds of steady change that make a trend: what a step leaves is none."""
MAX_GROWTH = 2.0
"""A forecast is at most this many times what arrives now: a step is not a trend."""
MEMORY = 1200.0
"""Seconds after which a forecast's error counts a third."""
FIRST_ERROR = 0.05
"""Relative error of a forecast that is assumed before any was seen to come true."""
SURPRISE = 0.25
"""Squared relative error that counts at most: one step shall not be expected again and again."""
FIRST_DISPERSION = 2.0
MINUTE = 6
"""Spans of a minute: below it arrivals vary more than a replica can follow, and less than minutes do."""
LENGTHS = frozenset((1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64))
"""Spans of which means are compared."""


@dataclass(frozen=True, slots=True)
class Count:
    """Requests of one span, and what was expected then for the time of the horizon."""

    end: float
    seconds: float
    requests: float
    expected: float = 0.0


@dataclass(frozen=True)
class Arrivals:
    """Counts, oldest first, and how far forecasts were exceeded lately."""

    counts: tuple[Count, ...] = ()
    variance: float = FIRST_ERROR**2
    """Of the relative error of forecasts, beyond what chance explains."""
    dispersion: float = FIRST_DISPERSION
    """Variance over mean of a minute's requests."""


@dataclass(frozen=True)
class Outlook:
    """Requests per second."""

    level: float
    """Now."""
    forecast: float
    """At the horizon."""
    dispersion: float
    """Variance over mean of the counts: 1 where requests arrive independently."""
    error: float
    """Relative standard deviation of the forecast beyond chance."""
    seconds: float = 0.0
    """Over which the level is the mean."""


def add(known: Arrivals, end: float, seconds: float, requests: float, horizon: float) -> Arrivals:
    """With what came in the last `seconds`; a span that is full learns what had been expected of it."""
    *older, last = known.counts or (Count(end, 0.0, 0.0),)
    if last.seconds < SPAN:
        last = Count(end, last.seconds + seconds, last.requests + requests)
        return replace(known, counts=(*older, last))
    closed = _closed(known, horizon)
    kept = tuple(c for c in closed.counts if c.end > end - KEEP)
    return replace(closed, counts=(*kept, Count(end, seconds, requests)))


def outlook(known: Arrivals, horizon: float) -> Outlook:
    """What to expect `horizon` seconds from now."""
    dispersion = known.dispersion
    means = list(_means(known.counts))
    if not means:
        return Outlook(0.0, 0.0, dispersion, sqrt(known.variance))
    if means[-1][1] < SPAN:  # nobody knows yet what two seconds are an example of
        means = [(means[-1][0] * means[-1][1] / SPAN, SPAN)]
    level, seconds = _level(means, dispersion)
    rise = _rise(known.counts, seconds, dispersion * level) if 2 * seconds >= TREND else 0.0
    forecast = min(level + max(0.0, rise) * (horizon + seconds / 2), MAX_GROWTH * level)
    return Outlook(level, forecast, dispersion, sqrt(known.variance), seconds)


def _closed(known: Arrivals, horizon: float) -> Arrivals:
    """The newest span is full: judge the forecast that was made a horizon before it, and make one."""
    *older, last = known.counts
    seen = outlook(known, horizon)
    past = [c for c in older if c.expected > 0 and c.end <= last.end - horizon]
    variance = known.variance
    if past:
        recent = [*older[-2:], last]
        seconds = sum(c.seconds for c in recent)
        rate = sum(c.requests for c in recent) / seconds
        chance = seen.dispersion / (past[-1].expected * seconds)
        # twice the square of what came too much: what came too little costs nothing and shall not hide it
        error = 2 * max(0.0, rate / past[-1].expected - 1) ** 2 - chance
        variance = max(0.0, variance + last.seconds / MEMORY * (min(error, SURPRISE) - variance))
    return Arrivals((*older, replace(last, expected=seen.forecast)), variance, _dispersion(known))


def _means(counts: tuple[Count, ...]) -> Iterator[tuple[float, float]]:
    """(requests per second, seconds) of the newest 1, 2, 3, ... spans; the newest of all may still be filling."""
    seconds = requests = 0.0
    spans = 0
    if len(counts) > 1 and counts[-2].requests == 0 and counts[-1].seconds < SPAN:
        yield counts[-1].requests / counts[-1].seconds, counts[-1].seconds  # who wakes up cannot wait for a whole span
    for c in reversed(counts):
        seconds, requests = seconds + c.seconds, requests + c.requests
        spans += c.seconds >= SPAN
        if spans in LENGTHS and c.seconds >= SPAN:
            yield requests / seconds, seconds
    if spans not in LENGTHS and seconds > 0:
        yield requests / seconds, seconds


def _level(means: list[tuple[float, float]], dispersion: float) -> tuple[float, float]:
    """The longest mean that lies within every shorter one's bounds."""
    low, high = 0.0, float("inf")
    level, seconds = means[0]
    for mean, length in means:
        if not low <= mean <= high:
            break
        level, seconds = mean, length
        spread = SURE * sqrt(dispersion * (mean + 1 / length) / length)  # one more: of no request little is known
        low, high = max(low, mean - spread), min(high, mean + spread)
    return level, seconds


def _rise(counts: tuple[Count, ...], seconds: float, scatter: float) -> float:
    """Requests per second and second over twice the last `seconds`, as far as it stands out from chance.

    The slope of the least squares, times 1 - (2 / t)^2 with t its ratio to its standard error; none below two of them.
    No more than over `seconds` alone, and over their second half: what rose at once and stays is a step.
    """
    slope, noise = _slope(counts, 2 * seconds, 4 * scatter)
    if slope <= 0 or slope**2 <= noise:
        return 0.0
    later = min(_slope(counts, seconds, 0.0)[0], _slope(counts, seconds / 2, 0.0)[0])
    return min(slope * (1 - noise / slope**2), max(0.0, later))


def _slope(counts: tuple[Count, ...], seconds: float, scatter: float) -> tuple[float, float]:
    """(of the least squares, the part of `scatter` in its variance)."""
    # one pass of sums, over times counted back from the newest: this is asked of every workload in every round
    end, spans = counts[-1].end, 0
    weight = first = second = requests = product = 0.0
    for c in reversed(counts):
        if c.end <= end - seconds:
            break
        x, spans = c.end - c.seconds / 2 - end, spans + 1
        weight, first, second = weight + c.seconds, first + x * c.seconds, second + x * x * c.seconds
        requests, product = requests + c.requests, product + x * c.requests
    if spans < 3 or weight <= 0:
        return 0.0, 0.0
    spread = second - first * first / weight
    return (product - first / weight * requests) / spread, scatter / spread


def _dispersion(known: Arrivals) -> float:
    """With one difference more, of the last minute to the one before; a step counts no more than three sigmas."""
    last, before = known.counts[-MINUTE:], known.counts[-2 * MINUTE : -MINUTE]
    if len(before) < MINUTE:
        return known.dispersion
    a, b = _total(before), _total(last)
    rate = (a.requests + b.requests) / (a.seconds + b.seconds)
    if rate <= 0:
        return known.dispersion
    square = (a.requests / a.seconds - b.requests / b.seconds) ** 2 / (rate * (1 / a.seconds + 1 / b.seconds))
    change = min(square, 9 * known.dispersion) - known.dispersion
    return max(1.0, known.dispersion + last[-1].seconds / MEMORY * change)


def _total(counts: tuple[Count, ...]) -> Count:
    return Count(counts[-1].end, sum(c.seconds for c in counts), sum(c.requests for c in counts))
