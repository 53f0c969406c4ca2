"""The control law: replicas for the load that is expected when another one could be there. Pure."""

from dataclasses import dataclass, field, replace
from math import ceil, inf, isfinite, sqrt
from typing import NamedTuple

from inferfleet.api.figures import figures
from inferfleet.names import Reason
from inferfleet.scaling.demand import Demand
from inferfleet.scaling.idle import asleep
from inferfleet.scaling.queueing import for_backlog, for_wait
from inferfleet.scaling.step import Limits, Step, capacity, work

History = tuple[tuple[float, float], ...]
"""(time, replicas that the demand asked for, in parts), oldest first."""

SLACK = 0.03
"""Part of the need by which it must stay below a whole number before a replica goes: noise is no change."""

FULL = 0.97
"""Of what the step line allows a replica so much is planned at most, however few were late: beyond it queues grow."""

MOST_TRIM = 3.0
"""Late requests ask for at most so many times the replicas that the step line asks for: some are late for other reasons
than too few replicas, and no number of them would help.
"""


@dataclass(frozen=True)
class Latency:
    """What users are promised. Seconds."""

    ttft: float = inf
    itl: float = inf
    sigmas: float = 2.0
    """Standard deviations of the load for which replicas are held ready."""
    late: float = 0.05
    """Share of requests that may wait longer than `ttft` for a place."""
    whole: float = inf
    """To the whole answer, where one is made at a time."""

    def wait(self, seconds: float) -> float:
        """For a turn, where an answer takes so long; a target that it does not fit into cannot be met by replicas."""
        return max(self.whole - seconds, self.whole / 4)


@dataclass(frozen=True)
class ScaleInput:
    """All that decides about the replicas of one workload. Times in seconds on the monotonic clock."""

    now: float
    replicas: int
    """Replicas of the serving placement now."""
    ready_pods: int
    stale_pods: tuple[str, ...]
    """Ready pods whose metrics are too old."""
    minimum: int
    maximum: int
    room: int
    """Replicas that the pool has nodes for."""
    demand: Demand
    capacity: float
    """Tokens per second of one replica."""
    utilization: float
    boot: float
    delay: float
    """Before replicas go."""
    history: History
    step: Step | None = None
    """What a replica's steps take; None: only `capacity` is known."""
    latency: Latency = field(default_factory=Latency)
    limits: Limits = field(default_factory=Limits)
    """Slots and KV cache of one replica."""
    busiest: float = 1.0
    """Share of a replica's time that work may take for no more requests to be late than promised: `late`."""
    trust: float = 0.0
    """In `busiest`, from 0 to 1: the more was seen of late requests, the less counts what is to be expected of them."""
    trim: float = 1.0
    """Factor on the need, from latencies that were measured."""
    patient: bool = False
    """Whether all requests may wait for their deadline."""
    due: float = 0.0
    """Replicas that finish by its deadline all that may wait, if they do nothing else."""
    held: float | None = None
    """Requests that a gateway holds while no replica is there; None: nobody would hold them."""
    idle: float = 0.0
    """Seconds since the last request."""
    patience: float = inf
    """Seconds without a request after which the last replica goes."""
    one_by_one: bool = False
    """Whether a replica serves one request at a time: its seconds count, and not its tokens."""
    unheard: bool = False
    """Whether some pod missed a few rounds: no reason to freeze yet, and no evidence that replicas are idle."""

    @property
    def delay_in_force(self) -> float:
        """At least a boot time: a replica that goes must not be needed before another could be back."""
        return max(self.delay, self.boot)

    @property
    def most(self) -> int:
        """The maximum, as far as there is room; what runs is never taken away for lack of it."""
        return min(self.maximum, max(self.room, self.replicas))


class Need(NamedTuple):
    """Replicas that a demand asks for, in parts, and what decides it."""

    replicas: float
    load: float
    """Replicas that it would keep exactly busy; the rest is headroom."""
    capacity: float
    """Tokens per second of one replica within its limits."""
    bound: str


@dataclass(frozen=True)
class Decision:
    """Replicas from now on, and why."""

    replicas: int
    wanted: int
    """What the demand asks for, without bounds."""
    reason: str
    message: str
    fresh: bool
    history: History
    need: Need | None = None
    """None: nothing was computed."""

    @property
    def asked(self) -> int | None:
        """What a plan aims at: without room it is the demand, since another pool may have it; None: nothing new."""
        if self.reason in (Reason.NO_SIGNAL_YET, Reason.SIGNAL_STALE):
            return None
        return max(self.replicas, self.wanted) if self.reason == Reason.POOL_EXHAUSTED else self.replicas


def decide(x: ScaleInput) -> Decision:
    """Out at once, in after a delay, and nowhere on a signal that cannot be trusted."""
    if x.stale_pods:
        names = ", ".join(x.stale_pods[:3])
        return _hold(
            x,
            Reason.SIGNAL_STALE,
            f"no fresh metrics from {names}; replicas stay at {x.replicas}",
            fresh=False,
        )
    if (not x.ready_pods and x.held is None) or x.capacity <= 0:
        return _hold(
            x, Reason.NO_SIGNAL_YET, f"no pod was scraped twice yet; replicas stay at {x.replicas}", fresh=True
        )
    if x.minimum == 0 and asleep(inf if x.replicas == 0 else x.idle, x.patience, x.held):
        message = f"no request for {x.idle:.0f} s, and a start is worth {x.patience:.0f} s: none runs"
        return Decision(0, 0, Reason.DEMAND if x.replicas else Reason.STEADY, message, True, ((x.now, 0.0),))
    need = needed(x)
    wanted = whole(need.replicas)
    history = _with(x.history, x.now, need.replicas, x.delay_in_force)
    replicas, reason = _bounded(x, wanted, history)
    return Decision(replicas, wanted, reason, _sentence(x, need, wanted), True, history, need)


def needed(x: ScaleInput) -> Need:
    """Replicas for the forecast, and for what is due."""
    if x.patient:
        return Need(x.due, x.due, x.capacity, "deadline")
    need = _for_arrivals(x)
    if x.due <= 0:
        return need
    # what is due fills what the others leave, up to the point where every replica is full
    full = x.demand.forecast / one_full(x)
    return max(need, Need(full + x.due, full, x.capacity, "deadline"))


def one_full(x: ScaleInput) -> float:
    """Requests per second of one replica that is never idle."""
    if x.one_by_one and x.demand.seconds:
        return 1 / x.demand.seconds
    if x.step is None:
        return x.capacity / max(x.demand.request_tokens, 1.0)
    return capacity(x.step, x.demand.shape, replace(x.limits, itl=inf, utilization=1.0)).requests


def _for_arrivals(x: ScaleInput) -> Need:
    """By the class's utilization where only a throughput is known, else by its latency.

    Square-root staffing: the load, and `sigmas` standard deviations of it. Requests in service vary as their arrivals
    do (a replica takes `batch` of them). The forecast itself is off by `error`, once: it is corrected within a boot.
    Prompts wait for each other. Both count less, the more is known of how many users really waited. Slots and cache are
    not planned beyond the class's utilization.
    """
    d = x.demand
    if x.one_by_one:
        return _for_seconds(x)
    if x.step is None:
        load = d.tokens_per_second / x.capacity
        return Need(x.trim * load / x.utilization, load, x.capacity, f"utilization of {x.utilization:.0%}")
    room = capacity(x.step, d.shape, replace(x.limits, itl=inf, chunk=inf))
    full = capacity(x.step, d.shape, replace(x.limits, utilization=1.0))
    load = d.forecast / full.requests
    spread = sqrt(x.latency.sigmas**2 * load * d.dispersion / full.batch + (load * d.error) ** 2)
    one = room if room.requests < full.requests else full
    by_queue = _for_prompts(x, x.step, full.batch)
    by_share = d.arriving * work(x.step, d.shape) / _busiest(x, work(x.step, d.shape) / d.shape.output)
    unsure = 1 - x.trust
    needed, bound = max(
        (d.forecast / room.requests, room.bound),
        (load / FULL, full.bound),
        (load + spread * unsure, full.bound),
        (load + (by_queue - load) * unsure, "time to first token"),
        (min(by_share, MOST_TRIM * max(load + spread, by_queue)), "late requests"),
    )
    return Need(x.trim * needed, load, one.requests * d.shape.output, bound)


def _busiest(x: ScaleInput, each: float) -> float:
    """Share of a replica's time. Where the tokens of a lone request take longer than their target, others beside it are
    not to blame, and no number of replicas helps: one request at a time is as much as is given up for it.
    """
    assert x.step
    alone = x.step.base + each
    return max(x.busiest, each / alone) if x.latency.itl < alone else x.busiest


def whole(replicas: float) -> int:
    """Rounded up, but for noise of the arithmetic."""
    return ceil(replicas - 1e-9)


def _for_prompts(x: ScaleInput, step: Step, batch: float) -> float:
    """For prompts that wait for those before them. Where a step reads no more than a chunk, a prompt takes as many
    steps as it has chunks, and each of them lasts longer by `batch` sequences that decode.
    """
    d, ttft = x.demand, x.latency.ttft
    chunked = (step.base + batch * step.per_token) / x.limits.chunk
    prefill = d.shape.prompt * (step.per_prompt + chunked)
    if not isfinite(ttft):
        return 0.0
    return for_wait(d.forecast * prefill, prefill, max(ttft - prefill, ttft / 4), x.latency.late, d.bulk / 2)


def _for_seconds(x: ScaleInput) -> Need:
    """Where a replica serves one at a time, a second of it is a second of work: so much comes, so much waits.

    By what users may wait (the forecast's error on top), by the queue that there is, and by the class's utilization.
    """
    d, wait = x.demand, x.latency.wait(x.demand.seconds)
    load = d.arriving * d.seconds
    by_wait = for_wait(load * (1 + d.error), d.seconds, wait, x.latency.late, (d.dispersion + d.variation) / 2)
    by_queue = for_backlog(load, d.queued, d.horizon, wait)
    by_use = load / x.utilization
    needed, bound = max(
        (by_use, f"utilization of {x.utilization:.0%}"), (by_wait, "time in the queue"), (by_queue, "queued seconds")
    )
    return Need(x.trim * needed, load, x.capacity, bound)


def _bounded(x: ScaleInput, wanted: int, history: History) -> tuple[int, str]:
    least = max(x.minimum, 1)  # the last one goes when nobody came for long, not when few come
    if max(wanted, least) > x.most:
        return x.most, Reason.MAX_REPLICAS if x.maximum <= x.room else Reason.POOL_EXHAUSTED
    if max(wanted, least) > x.replicas:
        return max(wanted, least), Reason.DEMAND
    peak = max(least, whole(max(need for _, need in history) * (1 + SLACK)))
    if x.replicas <= least or wanted >= x.replicas:
        return min(x.replicas, x.maximum), Reason.STEADY
    if x.unheard or history[0][0] > x.now - x.delay_in_force or peak >= x.replicas:
        return min(x.replicas, x.maximum), Reason.SCALE_IN_DELAY
    return min(peak, x.maximum), Reason.DEMAND


def _with(history: History, now: float, need: float, delay: float) -> History:
    """One need more, without those that are no peak any more; the first tells only how far back it goes."""
    start = history[0][0] if history else now
    peaks = (entry for entry in history if entry[0] > now - delay and entry[1] > need)
    return ((min(start, now), 0.0), *peaks, (now, need))


def _hold(x: ScaleInput, reason: str, message: str, *, fresh: bool) -> Decision:
    """No change, and no history: time without a signal is no evidence that replicas are idle."""
    return Decision(x.replicas, x.replicas, reason, message, fresh, ())


def _sentence(x: ScaleInput, need: Need, wanted: int) -> str:
    d = x.demand
    bounds = f"{wanted} wanted, between {min(x.minimum, x.most)} and {x.most}"
    if x.one_by_one:
        return (
            f"{figures(need.load, 2)} s of work a second demanded ({figures(d.arrivals, 2)} requests/s of "
            f"{figures(d.seconds, 2)} s), {figures(d.queued, 2)} s waiting in {d.waiting:.0f} requests, "
            f"a replica by {need.bound}: {bounds}"
        )
    return (
        f"{figures(d.tokens_per_second)} tokens/s demanded ({figures(d.arrivals, 2)} requests/s of "
        f"{figures(d.request_tokens)} tokens, {d.waiting:.0f} waiting), "
        f"{figures(need.capacity)} tokens/s a replica by {need.bound}: {bounds}"
    )
