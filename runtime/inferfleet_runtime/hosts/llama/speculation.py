"""Whether tokens should be proposed at the moment. Pure.

Measured on CPUs, proposals that are accepted nine times in ten gain up to 2.2x; accepted once in six they cost two
thirds of the speed, and where many requests run together the processor has no arithmetic to spare for guesses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

WORTH = 0.5
"""Share of the proposed tokens that must be accepted."""
CROWDED = 8
"""Requests beyond which proposals do not pay."""
_ENOUGH = 200
"""Proposed tokens of which the share is judged."""
_CALM = 5.0
"""Seconds without a crowd before it counts as gone."""
_FIRST_WAIT, _LONGEST_WAIT = 60.0, 3600.0
"""Seconds until it is tried again; doubled each time that it did not pay."""


@dataclass(frozen=True)
class Seen:
    """What is known at one moment."""

    at: float
    """Monotonic seconds."""
    running: int
    """Requests."""
    drafted: float = 0.0
    accepted: float = 0.0
    """Tokens since the engine started, of requests that have ended."""

    @staticmethod
    def of(at: float, running: int, figures: Mapping[str, float]) -> "Seen":
        """From llama.cpp's own counters."""
        drafted = figures.get("spec_decode_num_draft_tokens_total", 0.0)
        return Seen(at, running, drafted, figures.get("spec_decode_num_accepted_tokens_total", 0.0))


@dataclass(frozen=True)
class State:
    """What holds now, and since when."""

    on: bool
    why: str
    """For the log."""
    window: Seen
    """Where the judged tokens begin."""
    wait: float = _FIRST_WAIT
    retry_at: float | None = None
    """When it is tried again; None: it has paid so far."""
    crowded_at: float | None = field(default=None)
    """When too many requests ran last."""


def begin(seen: Seen) -> State:
    """On, until it is known not to pay."""
    return State(on=True, why="it has not been measured yet", window=seen)


def decide(state: State, seen: Seen) -> State:
    """What holds from now on."""
    state = _judged(state, seen)
    crowded_at = seen.at if seen.running > CROWDED else state.crowded_at
    state = replace(state, crowded_at=crowded_at)
    if crowded_at is not None and seen.at - crowded_at < _CALM:
        return _turned(state, False, f"more than {CROWDED} requests run", seen)
    if state.retry_at is not None and seen.at < state.retry_at:
        return _turned(state, False, state.why if not state.on else "too few were accepted", seen)
    return _turned(state, True, "it is tried again" if state.retry_at is not None else "it pays", seen)


def _judged(state: State, seen: Seen) -> State:
    """With a verdict on the window, if it holds enough tokens."""
    drafted, accepted = seen.drafted - state.window.drafted, seen.accepted - state.window.accepted
    if drafted < _ENOUGH or not state.on:
        return state
    if accepted >= WORTH * drafted:
        return replace(state, window=seen, retry_at=None, wait=_FIRST_WAIT)
    why = f"{accepted / drafted:.1%} of {drafted:.0f} proposed tokens were accepted, less than {WORTH:.0%}"
    wait = min(_LONGEST_WAIT, 2 * state.wait)
    return replace(state, on=False, why=why, window=seen, retry_at=seen.at + state.wait, wait=wait)


def _turned(state: State, on: bool, why: str, seen: Seen) -> State:
    if on == state.on:
        return state
    # tokens proposed before a change are counted after it: the requests end later
    return replace(state, on=on, why=why, window=seen)
