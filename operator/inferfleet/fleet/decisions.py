"""The last decisions about replicas, as the status of a Model keeps them. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from inferfleet.api.base import timestamp
from inferfleet.api.figures import figures, two_figures
from inferfleet.api.model_status import ModelStatus, ScalingDecision, ScalingStatus
from inferfleet.names import Reason, classes_of
from inferfleet.scaling.record import Record

KEPT = 5
_HELD = (Reason.SIGNAL_STALE, Reason.MAX_REPLICAS, Reason.POOL_EXHAUSTED)
"""Why replicas are not what the demand asks for: worth knowing though nothing changed."""

Recent = Mapping[str, tuple[ScalingDecision, ...]]
"""By class label, oldest first."""


def stamped(recent: Mapping[str, tuple[Record, ...]], now: datetime, clock: float) -> Recent:
    """Records of the monotonic clock, which says `clock` at `now`, with the time of day."""
    return {
        label: tuple(_decision(r, now + timedelta(seconds=round(r.at - clock))) for r in records if _tells(r))
        for label, records in recent.items()
    }


def _tells(r: Record) -> bool:
    return r.replicas != r.before or r.reason in _HELD


def _decision(r: Record, at: datetime) -> ScalingDecision:
    return ScalingDecision(
        at=timestamp(at.replace(microsecond=0)),
        before=r.before,
        replicas=r.replicas,
        wanted=r.wanted,
        reason=r.reason,
        bound=r.bound,
        requests_per_second=two_figures(r.arrivals),
        forecast=two_figures(r.forecast),
        horizon=f"{r.horizon:.0f}s",
        capacity=figures(r.capacity),
        message=r.message[:1024],
    )


def with_decisions(status: ModelStatus, previous: ModelStatus, recent: Recent) -> ModelStatus:
    """What was written stays: a restart forgets none. What says no time, which somebody else wrote, goes."""
    known = {s.class_: [d for d in s.decisions if _dated(d)] for s in previous.scaling}
    new = {class_: found for label, found in recent.items() for class_ in classes_of(label)}
    scaling = [_with(s, known.get(s.class_, []), new.get(s.class_, ())) for s in status.scaling]
    return status.model_copy(update={"scaling": scaling})


def _with(s: ScalingStatus, known: list[ScalingDecision], new: tuple[ScalingDecision, ...]) -> ScalingStatus:
    found = list(known)
    for decision in new:
        if not found or (decision.at > found[-1].at and _said(decision) != _said(found[-1])):
            found.append(decision)
    return s.model_copy(update={"decisions": found[-KEPT:]})


def _dated(decision: ScalingDecision) -> bool:
    try:
        return datetime.fromisoformat(decision.at).tzinfo is not None
    except ValueError:
        return False


def _said(decision: ScalingDecision) -> tuple[int, str]:
    return decision.replicas, decision.reason
