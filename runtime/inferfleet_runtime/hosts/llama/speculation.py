"""How many tokens should be proposed at the moment, if any. Pure.

A proposal pays where it is accepted more often than it costs time. Both differ: a draft model that is right 56 % of
the time has 56 %, 31 %, 18 % and 10 % of four tokens accepted, since all before a token must be right; and guessing
and checking one token was measured at 0.5 to 0.9 of a step, with two processors and draft models of an eighth to a
quarter of the model. So acceptance is judged place by place, against a cost that is measured while it runs. Where many
requests run together the processor has no arithmetic to spare for guesses.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

TOLD = "drafting "
"""How lines begin in which the engine's process says, as JSON, what has changed."""
CROWDED = 8
"""Requests beyond which proposals do not pay."""
AT_FIRST = 4
"""Tokens that are proposed while nothing is known: what pays where five first ones in six are accepted."""
_ENOUGH = 8
"""Drafts before any verdict, 32 tokens at four a draft, and between two."""
_WINDOW = 256
"""Drafts after which the share is judged anew."""
_SURE = 2.5
"""Standard deviations by which a share must differ from the cost: of eight drafts none may be accepted."""
_CALM = 10.0
"""Seconds without a crowd before it counts as gone: a draft model then has to read what the slots hold."""
_FIRST_WAIT, _LONGEST_WAIT = 60.0, 3600.0
"""Seconds until it is tried again; doubled each time that it did not pay."""

Share = tuple[float, float]
"""The bounds between which it lies."""


@dataclass(frozen=True)
class Cost:
    """In steps that propose nothing; a step without proposals gives one token to each request."""

    token: float = 0.5
    """Of each proposed token; until it is measured, what CPUs often take."""
    step: float = 0.0
    """Of a step with proposals, however few they are."""


@dataclass(frozen=True)
class Seen:
    """What is known at one step of the engine."""

    at: float
    """Monotonic seconds."""
    running: int
    """Requests that get tokens in this step."""
    proposed: tuple[int, ...] = ()
    """Drafts since the engine started that had a token at the first place, at the second, and so on."""
    accepted: tuple[int, ...] = ()
    """Of those, drafts in which it was accepted."""
    cost: Cost = Cost()


@dataclass(frozen=True)
class State:
    """What holds now, and since when."""

    on: bool
    tokens: int
    """Proposed for a step while it is on."""
    most: int
    """That may be proposed: the engine's memory is laid out for them."""
    why: str
    """For the log."""
    window: Seen
    """Where the judged drafts begin."""
    judged: int = 0
    """Drafts at the last verdict, since the engine started."""
    wait: float = _FIRST_WAIT
    retry_at: float | None = None
    """When it is tried again; None: it has paid so far."""
    crowded_at: float | None = None
    """When too many requests ran last."""


def begin(seen: Seen, most: int) -> State:
    """On, until it is known not to pay."""
    return State(True, min(most, AT_FIRST), most, "it has not been measured yet", seen, _first(seen))


def decide(state: State, seen: Seen) -> State:
    """What holds from this step on."""
    if state.on and _first(seen) - state.judged >= _ENOUGH:
        state = _judged(replace(state, judged=_first(seen)), seen)
    if seen.running > CROWDED:
        state = replace(state, crowded_at=seen.at)
    if state.crowded_at is not None and seen.at - state.crowded_at < _CALM:
        return replace(state, on=False, why=f"more than {CROWDED} requests run") if state.on else state
    if state.on:
        return state
    if state.retry_at is None:
        return replace(state, on=True, why="it pays")
    if seen.at < state.retry_at:
        return state
    return replace(begin(seen, state.most), why="it is tried again", wait=state.wait, retry_at=state.retry_at)


def _judged(state: State, seen: Seen) -> State:
    """With a verdict on the window."""
    of = _since(state.window.proposed, seen.proposed, state.most)
    good = _since(state.window.accepted, seen.accepted, state.most)
    shares = [share_between(g, n) if n >= _ENOUGH else None for g, n in zip(good, of, strict=True)]
    if _most_gain(shares[: state.tokens], seen.cost) < 0:
        return _given_up(state, good[0], of[0], seen)
    if of[0] >= _WINDOW:
        state = replace(state, window=seen, retry_at=None, wait=_FIRST_WAIT)
    price = seen.cost.token
    worth = next((i for i, share in enumerate(shares) if share and share[1] < price), state.most)
    last = state.tokens - 1
    if 0 < worth < state.tokens:
        share = f"{good[worth] / of[worth]:.1%} of the tokens at place {worth + 1} were accepted"
        return replace(state, tokens=worth, why=f"{share}, and one costs {price:.0%} of a step")
    if worth > state.tokens and _next(shares[last], state.tokens) >= price:
        return replace(state, tokens=state.tokens + 1, why="most of the tokens at the last place were accepted")
    return state


def _most_gain(shares: Sequence[Share | None], cost: Cost) -> float:
    """In tokens for each step, beyond what the same time gives without: at best, as far as is known."""
    gains = accumulate(share[1] - cost.token if share else 0.0 for share in shares)
    return max(gains) - cost.step


def _given_up(state: State, good: int, of: int, seen: Seen) -> State:
    paid = f"one costs {seen.cost.token:.0%} of a step and the reading {seen.cost.step:.0%}"
    why = f"{good / of:.1%} of {of} first proposed tokens were accepted, and {paid}"
    wait = min(_LONGEST_WAIT, 2 * state.wait)
    return replace(state, on=False, why=why, retry_at=seen.at + state.wait, wait=wait)


def _first(seen: Seen) -> int:
    """Drafts that were not empty."""
    return seen.proposed[0] if seen.proposed else 0


def _since(before: Sequence[int], now: Sequence[int], places: int) -> list[int]:
    """By place."""
    padded = [*now, *[0] * places]
    return [padded[i] - (before[i] if i < len(before) else 0) for i in range(places)]


def _next(share: Share | None, place: int) -> float:
    """The least share of acceptance to expect one place further: each adds the same factor (Leviathan et al. 2023,
    arXiv:2211.17192, section 3)."""
    return float(share[0] ** ((place + 1) / place)) if share else 0.0


def share_between(good: int, of: int) -> Share:
    """Bounds of the true share where `good` of `of` were seen: Wilson's score interval (Wilson 1927)."""
    share, z = good / of, _SURE
    centre = share + z * z / (2 * of)
    spread = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    whole = 1 + z * z / of
    return (centre - spread) / whole, (centre + spread) / whole
