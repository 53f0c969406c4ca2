"""What a pod did between two scrapes: tokens, and how much of it was used. Pure."""

from inferfleet.costing.types import Tokens
from inferfleet.planning.unit import Unit
from inferfleet.scaling.signal import COUNTERS, PodSample


def made(before: PodSample | None, after: PodSample) -> Tokens:
    """Tokens between two samples of a pod.

    None of one that is seen for the first time: another leader may have booked them. A counter that fell was set back
    by a restart of the container, and what it says was made since.
    """
    if before is None or after.at <= before.at:
        return Tokens()
    return Tokens(_grown(before.prompted, after.prompted), _grown(before.generated, after.generated))


def _grown(before: float, after: float) -> float:
    return after - before if after >= before else after


def utilization(before: PodSample | None, after: PodSample | None, unit: Unit) -> float:
    """The larger of tokens over capacity and of running requests over slots, 0 to 1.

    Running requests say it before there are tokens: while long prompts are read, or pictures made. 0 while a pod boots
    or does not answer.
    """
    if after is None:
        return 0.0
    slots = after.running / after.slots if after.slots > 0 else 0.0
    if before is None or after.at <= before.at or after.capacity <= 0:
        return min(1.0, slots)
    done = COUNTERS[unit].done
    rate = _grown(getattr(before, done), getattr(after, done)) / (after.at - before.at)
    return min(1.0, max(slots, rate / after.capacity))
