"""What a scraper would have read from a replica. Pure."""

from itertools import accumulate

from inferfleet.scaling.signal import Buckets, PodSample, Window
from inferfleet.sim.book import ITL_BOUNDS, QUEUE_BOUNDS, TTFT_BOUNDS
from inferfleet.sim.replica import Replica


def sample(replica: Replica, now: float) -> PodSample:
    """Its counters and gauges at this moment."""
    c, engine, memory = replica.counters, replica.pool.engine, replica.memory
    decoded = replica.decoded(now)
    return PodSample(
        at=now,
        arrivals=c.arrivals,
        generated=c.generated + decoded,
        finished=c.finished,
        finished_tokens=c.finished_tokens,
        running=replica.running,
        waiting=replica.waiting,
        slots=engine.slots,
        capacity=engine.capacity,
        prompted=c.prompted,
        arrived=c.arrived,
        kv_used=min(1.0, (memory.held + decoded) / engine.kv_tokens),
        kv_tokens=engine.kv_tokens,
        cached=c.cached,
        ttft=_buckets(TTFT_BOUNDS, c.ttft),
        itl=_buckets(ITL_BOUNDS, c.itl),
        tpot=_buckets(ITL_BOUNDS, c.tpot),
        queued=_buckets(QUEUE_BOUNDS, c.queued),
        inference=_buckets(QUEUE_BOUNDS, c.inferred),
        inference_seconds=c.inference,
        later_arrivals=c.later_arrivals,
        later_arrived=c.later_arrived,
        later_finished=c.later_finished,
        later_finished_tokens=c.later_finished_tokens,
        later_waiting=replica.later_waiting,
    )


def extend(window: Window, new: PodSample, span: float) -> Window:
    """With one sample more, and without those that are older than `span` seconds."""
    oldest = new.at - span
    first = next((i for i, s in enumerate(window) if s.at >= oldest), len(window))
    return (*window[first:], new)


def _buckets(bounds: tuple[float, ...], counts: list[int]) -> Buckets:
    return tuple(zip(bounds, accumulate(counts), strict=True))
