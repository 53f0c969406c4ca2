"""Demand of a workload: what reaches its pods, in requests and tokens per second. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from math import exp, inf

from inferfleet.planning.unit import Unit
from inferfleet.scaling.arrivals import SPAN, Arrivals, add, outlook
from inferfleet.scaling.signal import COUNTERS, PodSample, Window, increase, squares
from inferfleet.scaling.step import Shape

NOTHING = Shape(0.0, 1.0, 1.0)
MEMORY = 600.0
"""Seconds after which a request counts a third in the mean lengths: they change slowly, and few requests say little."""
BELIEVED = 5.0
"""Requests that count in the variation of their seconds before any was seen."""


@dataclass(frozen=True)
class Lengths:
    """Decayed sums from which mean lengths follow."""

    requests: float = 0.0
    arrived: float = 0.0
    """Prompt tokens of those."""
    prompted: float = 0.0
    """Prompt tokens that were read."""
    cached: float = 0.0
    """Of these, what a prefix cache had."""
    finished: float = 0.0
    finished_tokens: float = 0.0
    work: float = 0.0
    """Seconds of the engine that requests asked for as they came."""
    inference: float = 0.0
    """Seconds in which those that finished held a slot."""
    squares: float = 0.0
    """Of these seconds."""


SUMS = tuple(f.name for f in fields(Lengths))


@dataclass(frozen=True)
class Traffic:
    """What is remembered of a workload's arrivals."""

    since: float = -inf
    """The newest sample that was counted."""
    busy: float = -inf
    """When somebody came last."""
    held: float = 0.0
    """Requests that waited for the first replica, when that was looked at last."""
    came: float = 0.0
    """Requests since the start."""
    done: float = 0.0
    later_came: float = 0.0
    """Those that may wait."""
    later_done: float = 0.0
    arrivals: Arrivals = field(default_factory=Arrivals)
    prompts: Arrivals = field(default_factory=Arrivals)
    """Of their tokens, in prompts of usual length."""
    lengths: Lengths = field(default_factory=Lengths)
    later: Lengths = field(default_factory=Lengths)
    """Of requests that may wait."""


@dataclass(frozen=True)
class Demand:
    """What a workload asks for."""

    tokens_per_second: float
    """Forecast arrivals at the horizon, and the backlog spread over it."""
    served: float
    """Tokens per second that are done."""
    arrivals: float
    """Requests per second, refused ones included."""
    request_tokens: float
    """Mean tokens of a request."""
    waiting: float
    """Requests in queues."""
    forecast: float = 0.0
    """Requests per second at the horizon, and the backlog spread over it."""
    arriving: float = 0.0
    """The same without the backlog."""
    dispersion: float = 1.0
    """Variance over mean of the counts of arrivals."""
    error: float = 0.0
    """Relative standard deviation of the forecast."""
    shape: Shape = NOTHING
    later: Shape = NOTHING
    """Of requests that may wait."""
    seconds: float = 0.0
    """Mean time of a request in a slot."""
    variation: float = 1.0
    """Variance of these times over the square of their mean."""
    queued: float = 0.0
    """Seconds of work in queues, where one request is served at a time."""
    horizon: float = SPAN
    """Seconds over which a backlog is spread."""
    bulk: float = 2.0
    """Variance over mean of the counts of prompt tokens, in mean prompts: 2 where requests arrive independently and
    lengths vary as much as their mean.
    """


def observe(known: Traffic, windows: Iterable[Window], horizon: float, usual: float = 1.0) -> Traffic:
    """Count what came since the newest sample that was counted. `usual`: prompt tokens of a usual request.

    Only what one pod counted between two of its own samples: a pod that joins starts at its first one, so that what
    it takes over from the others is not counted twice, and one that goes takes nothing back.
    """
    for end, seconds, grown, later in _steps(windows, known.since):
        known = Traffic(
            since=end,
            busy=end if grown.requests + later.requests > 0 else known.busy,
            came=known.came + grown.requests,
            done=known.done + grown.finished,
            later_came=known.later_came + later.requests,
            later_done=known.later_done + later.finished,
            arrivals=add(known.arrivals, end, seconds, grown.requests, horizon),
            prompts=add(known.prompts, end, seconds, grown.arrived / max(usual, 1.0), horizon),
            lengths=_faded(known.lengths, seconds, grown),
            later=_faded(known.later, seconds, later),
        )
    return known


def observe_held(known: Traffic, held: float, now: float, horizon: float) -> Traffic:
    """Count what came to the gateway while no replica was there to count it."""
    came = max(0.0, held - known.held)
    if known.since == -inf:
        return replace(known, since=now, busy=now, held=held)
    arrivals, prompts = known.arrivals, known.prompts
    if now > known.since:
        arrivals = add(arrivals, now, now - known.since, came, horizon)
        prompts = add(prompts, now, now - known.since, came, horizon)  # of usual length, as far as is known
    busy = now if came else known.busy
    return replace(known, since=now, busy=busy, held=held, arrivals=arrivals, prompts=prompts, came=known.came + came)


def measure(known: Traffic, windows: Iterable[Window], horizon: float, typical: Lengths, unit: Unit) -> Demand:
    """What is to be expected at now + `horizon`.

    Arrivals count, not what is served: served tokens saturate exactly when more replicas are needed. `typical` (of
    one request of the class) stands in for lengths until some requests have finished.
    """
    pods = tuple(windows)
    seen = outlook(known.arrivals, horizon)
    prompts = outlook(known.prompts, horizon)
    coming = prompts.forecast / seen.forecast * max(typical.arrived, 1.0) if seen.forecast > 0 else 0.0
    shape = _shape(known.lengths, typical, coming)
    waiting = known.held + sum(w[-1].waiting - w[-1].later_waiting for w in pods if w)
    spread = max(horizon, SPAN)
    forecast, each = seen.forecast + waiting / spread, seconds_of(known.lengths, typical)
    tokens = _tokens(known.lengths, typical, unit)
    return Demand(
        tokens_per_second=forecast * tokens,
        served=_rate(pods, COUNTERS[unit].done, known.since),
        arrivals=seen.level,
        request_tokens=tokens,
        waiting=waiting,
        forecast=forecast,
        arriving=seen.forecast,
        dispersion=seen.dispersion,
        error=seen.error,
        bulk=prompts.dispersion * max(typical.arrived, 1.0) / coming if coming > 0 else 2.0,
        shape=shape,
        later=_shape(known.later, typical),
        seconds=each,
        variation=_variation(known.lengths),
        queued=known.held * each + sum(_queued(w[-1], each) for w in pods if w),
        horizon=spread,
    )


def seconds_of(seen: Lengths, typical: Lengths) -> float:
    """Mean time of a request in a slot: as pods estimate what comes, else as it was for what finished."""
    return _of(seen.work, seen.requests, _of(seen.inference, seen.finished, typical.inference))


def _variation(seen: Lengths) -> float:
    """As of an exponential distribution until some were seen, which count little by little."""
    mean = _of(seen.inference, seen.finished, 0.0)
    if mean <= 0:
        return 1.0
    found = max(0.0, seen.squares / seen.finished / mean**2 - 1)
    return (found * seen.finished + BELIEVED) / (seen.finished + BELIEVED)


def _queued(pod: PodSample, each: float) -> float:
    """Seconds of work that wait in it; `each` is a mean request's."""
    return pod.queued_work if pod.work else (pod.waiting - pod.later_waiting) * each


def _tokens(seen: Lengths, typical: Lengths, unit: Unit) -> float:
    """Of a mean request, in the class's unit; below one for pictures that are smaller than the usual one."""
    if unit is Unit.PROMPT:
        return _of(seen.arrived, seen.requests, typical.arrived)
    return _of(seen.finished_tokens, seen.finished, typical.finished_tokens)


def mean_shape(known: Traffic, typical: Lengths) -> Shape:
    """Of a request of the last minutes."""
    return _shape(known.lengths, typical)


def _shape(seen: Lengths, typical: Lengths, coming: float = 0.0) -> Shape:
    """Of a mean request; `coming`: prompt tokens of those that are expected, where that is known."""
    prompt = coming or _of(seen.arrived, seen.requests, typical.arrived)
    output = max(1.0, _of(seen.finished_tokens, seen.finished, typical.finished_tokens))
    unread = 1 - min(1.0, _of(seen.cached, seen.prompted, 0.0))
    return Shape(prompt * unread, output, prompt + output / 2)


def _of(total: float, count: float, otherwise: float) -> float:
    return total / count if count > 0 and total > 0 else otherwise


def _steps(windows: Iterable[Window], since: float) -> Iterator[tuple[float, float, Lengths, Lengths]]:
    """(time, seconds before it, what all pods counted in them, and of what may wait), oldest first."""
    found: dict[float, list[tuple[PodSample, PodSample]]] = {}
    for window in windows:
        if window and window[-1].at > since:
            for before, after in pairwise(_newer(window, since)):
                found.setdefault(after.at, []).append((before, after))
    for end in sorted(found):
        pairs = found[end]
        seconds = min(end - since, max(after.at - before.at for before, after in pairs))
        if seconds > 0:
            later = _later(pairs)
            yield end, seconds, _grown(pairs, later), later
        since = end


def _newer(window: Window, since: float) -> Window:
    """Samples after `since`, and the last one before."""
    first = next(i for i, s in enumerate(window) if s.at > since)
    return window[max(0, first - 1) :]


def _grown(pairs: list[tuple[PodSample, PodSample]], later: Lengths) -> Lengths:
    return Lengths(
        requests=sum(b.arrivals - a.arrivals for a, b in pairs) - later.requests,
        arrived=sum(b.arrived - a.arrived for a, b in pairs) - later.arrived,
        prompted=sum(b.prompted - a.prompted for a, b in pairs),
        cached=sum(b.cached - a.cached for a, b in pairs),
        finished=sum(b.finished - a.finished for a, b in pairs) - later.finished,
        finished_tokens=sum(b.finished_tokens - a.finished_tokens for a, b in pairs) - later.finished_tokens,
        work=sum(b.work - a.work for a, b in pairs),
        inference=sum(b.inference_seconds - a.inference_seconds for a, b in pairs),
        # only where one is served at a time it matters how much they vary
        squares=sum(squares(a.inference, b.inference) for a, b in pairs if b.slots <= 1),
    )


def _later(pairs: list[tuple[PodSample, PodSample]]) -> Lengths:
    return Lengths(
        requests=sum(b.later_arrivals - a.later_arrivals for a, b in pairs),
        arrived=sum(b.later_arrived - a.later_arrived for a, b in pairs),
        finished=sum(b.later_finished - a.later_finished for a, b in pairs),
        finished_tokens=sum(b.later_finished_tokens - a.later_finished_tokens for a, b in pairs),
    )


def _faded(known: Lengths, seconds: float, grown: Lengths) -> Lengths:
    left = exp(-seconds / MEMORY)
    return Lengths(*(getattr(known, name) * left + getattr(grown, name) for name in SUMS))


def _rate(pods: tuple[Window, ...], field: str, end: float) -> float:
    """Increase per second of all pods together over the last span, over the time that any of them was observed.

    Not the sum of their rates: a pod that has just joined was observed for a shorter time, and what it took
    over would count twice while the others' rates still remember the time before.
    """
    inside = [tuple(s for s in window if end - SPAN <= s.at <= end) for window in pods]
    times = [s.at for samples in inside for s in samples]
    seconds = max(times) - min(times) if times else 0.0
    return sum(increase(samples, field) for samples in inside) / seconds if seconds else 0.0
