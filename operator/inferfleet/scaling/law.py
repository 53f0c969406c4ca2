"""The control law: tokens demanded over measured tokens per second. Pure."""

from dataclasses import dataclass

from inferfleet.api.figures import figures
from inferfleet.names import Reason
from inferfleet.planning.performance import replicas_for
from inferfleet.scaling.demand import Demand

History = tuple[tuple[float, int], ...]
"""(time, replicas that the demand asked for), oldest first."""


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

    @property
    def delay_in_force(self) -> float:
        """At least a boot time: a replica that goes must not be needed before another could be back."""
        return max(self.delay, self.boot)

    @property
    def most(self) -> int:
        """The maximum, as far as there is room; what runs is never taken away for lack of it."""
        return min(self.maximum, max(self.room, self.replicas))


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
    if not x.ready_pods or x.capacity <= 0:
        return _hold(
            x, Reason.NO_SIGNAL_YET, f"no pod was scraped twice yet; replicas stay at {x.replicas}", fresh=True
        )
    wanted = replicas_for(x.demand.tokens_per_second, x.capacity, x.utilization)
    history = (*_recent(x.history, x.now - x.delay_in_force), (x.now, wanted))
    replicas, reason = _bounded(x, wanted, history)
    return Decision(replicas, wanted, reason, _sentence(x, wanted), True, history)


def _bounded(x: ScaleInput, wanted: int, history: History) -> tuple[int, str]:
    if max(wanted, x.minimum) > x.most:
        return x.most, Reason.MAX_REPLICAS if x.maximum <= x.room else Reason.POOL_EXHAUSTED
    if wanted > x.replicas:
        return wanted, Reason.DEMAND
    peak = max(x.minimum, *(count for _, count in history))
    if x.replicas <= x.minimum or wanted >= x.replicas:
        return max(x.minimum, min(x.replicas, x.maximum)), Reason.STEADY
    if history[0][0] > x.now - x.delay_in_force or peak >= x.replicas:
        return min(x.replicas, x.maximum), Reason.SCALE_IN_DELAY
    return peak, Reason.DEMAND


def _recent(history: History, since: float) -> History:
    """Entries after `since`, and the last one before it, which shows that the delay is covered."""
    older = tuple(entry for entry in history if entry[0] <= since)
    return (*older[-1:], *(entry for entry in history if entry[0] > since))


def _hold(x: ScaleInput, reason: str, message: str, *, fresh: bool) -> Decision:
    """No change, and no history: time without a signal is no evidence that replicas are idle."""
    return Decision(x.replicas, x.replicas, reason, message, fresh, ())


def _sentence(x: ScaleInput, wanted: int) -> str:
    return (
        f"{figures(x.demand.tokens_per_second)} tokens/s demanded ({figures(x.demand.arrivals, 2)} requests/s of "
        f"{figures(x.demand.request_tokens)} tokens, {x.demand.waiting:.0f} waiting), "
        f"{figures(x.capacity)} tokens/s a replica at {x.utilization:.0%}: "
        f"{wanted} wanted, between {min(x.minimum, x.most)} and {x.most}"
    )
