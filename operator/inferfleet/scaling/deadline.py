"""Replicas for work that is due at a time: earliest deadline first, as few as finish everything in time. Pure.

All requests of a class are due equally long after their arrival, so first in, first out is earliest deadline first.
What is ahead of a request must be done by its due time: the replicas are the largest of (work up to it) / (time left).
"""

from dataclasses import dataclass, replace

PARTS = 60
"""Into which a deadline is cut: requests of one part are due together, with the first of them."""
SPARE = 1.05
"""On the time that work takes, for what is not known of it."""
LEAST_TIME = 0.05
"""Share of the deadline that is left at least: what is late already is done soon, and not at once."""


@dataclass(frozen=True)
class Queue:
    """Requests that are not done: (when the first of them came, how many), oldest first."""

    parts: tuple[tuple[float, float], ...] = ()


def update(known: Queue, now: float, deadline: float, came: float, done: float) -> Queue:
    """With what came and was done since the last time; the oldest are done first."""
    parts = list(known.parts)
    if came > 0:
        if parts and now - parts[-1][0] < deadline / PARTS:
            parts[-1] = (parts[-1][0], parts[-1][1] + came)
        else:
            parts.append((now, came))
    while parts and done > 0:
        at, count = parts[0]
        parts[0] = (at, count - min(count, done))
        done -= min(count, done)
        if parts[0][1] <= 0:
            parts.pop(0)
    return replace(known, parts=tuple(parts))


def reconciled(known: Queue, outstanding: float) -> Queue:
    """Without what is neither queued nor served: it was refused, or a pod that went took it along."""
    surplus = sum(count for _, count in known.parts) - outstanding
    return update(known, 0.0, 1.0, 0.0, surplus) if surplus > 0 else known


def needed(queue: Queue, now: float, deadline: float, each: float, boot: float) -> float:
    """Replicas in parts; `each`: seconds of a full replica for one request. One that must boot first has less time."""
    most = ahead = 0.0
    for at, count in queue.parts:
        ahead += count * each * SPARE
        left = max(at + deadline - now - boot, LEAST_TIME * deadline)
        most = max(most, ahead / left)
    return most
