"""One demand after the other, each where it costs least per share: a plan at once, whatever the size. Pure.

What more important demands left is what the next ones see, so that a full pool spills over by itself and the least
important waits. It is the start of every solver, and the answer when none comes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import ceil
from typing import NamedTuple

from inferfleet.placing.choice import Choice, levels, nominal, per_token, room, tidy
from inferfleet.placing.index import ROUND, Index
from inferfleet.placing.types import Settings

ROUNDS = 100
"""Most pieces that a demand is cut into."""


class Step(NamedTuple):
    """So much of a demand on one arc."""

    position: int
    share: float
    replicas: int
    """More than before."""
    cost: float
    """USD per hour more than before."""

    @property
    def rank(self) -> tuple[float, float, int]:
        """Cheapest per share first, then the larger, then the first by key."""
        return self.cost / self.share, -self.share, self.position


@dataclass
class Filling:
    """A choice while it is filled."""

    ix: Index
    settings: Settings
    replicas: list[int]
    shares: list[float]
    calm: list[float]
    """Replicas' worth of interactive demand, with headroom, of each option."""
    total: list[float]
    """Replicas' worth of all, without headroom; of a provider, of its rate limit."""
    used: list[float]
    """Accelerators of each pool, then of each quota."""
    opened: set[int] = field(default_factory=set)
    moved: int = 0

    def add(self, step: Step) -> None:
        """Take a step."""
        arc = self.ix.arcs[step.position]
        self.shares[step.position] += step.share
        self.total[arc.way] += step.share * arc.busy
        self.calm[arc.way] += 0.0 if self.ix.demands[arc.demand].deferrable else step.share * arc.need
        self.moved += arc.way not in self.opened and self.ix.moves(arc.way)
        self.opened.add(arc.way)
        if arc.way < len(self.ix.options):
            self.replicas[arc.way] += step.replicas
            for place in self.ix.holds[arc.way]:
                self.used[place] += step.replicas * self.ix.options[arc.way].accelerators

    @property
    def choice(self) -> Choice:
        """What it came to."""
        return tidy(self.ix, Choice(tuple(self.replicas), tuple(self.shares)))


def greedy(ix: Index, settings: Settings) -> Choice:
    """A choice that breaks no limit; demands that find no room wait."""
    ways = len(ix.options) + len(ix.providers)
    state = Filling(
        ix, settings, [0] * len(ix.options), [0.0] * len(ix.arcs), [0.0] * ways, [0.0] * ways, [0.0] * len(ix.ends)
    )
    for demand in order(ix):
        fill(state, demand)
    return state.choice


def topped_up(ix: Index, settings: Settings, choice: Choice) -> Choice:
    """With what waits put wherever there is still room."""
    ways = len(ix.options) + len(ix.providers)
    shares, none = list(choice.shares), [0.0] * ways
    state = Filling(ix, settings, list(choice.replicas), shares, list(none), list(none), [0.0] * len(ix.ends))
    for position, share in enumerate(choice.shares):
        if share > 0:
            state.shares[position] = 0.0
            state.add(Step(position, share, 0, 0.0))
    for way, replicas in enumerate(choice.replicas):
        for place in ix.holds[way]:
            state.used[place] += replicas * ix.options[way].accelerators
    for demand in order(ix):
        missing = 1 - sum(state.shares[i] for i in ix.of_demand[demand])
        if missing > 1e-5:
            fill(state, demand, missing)
    return state.choice


def order(ix: Index) -> Iterator[int]:
    """Most important first; among equals the dearest first, as the largest are the hardest to fit."""
    worth = [
        min((per_token(ix, i) * d.load for i in arcs), default=0.0)
        for d, arcs in zip(ix.demands, ix.of_demand, strict=True)
    ]
    for rank in levels(ix):
        yield from sorted(rank, key=lambda demand: (-worth[demand], demand))


def fill(state: Filling, demand: int, missing: float = 1.0) -> None:
    """Serve as much of what a demand misses as there is room for."""
    floors = sorted((_floor(state.ix, position), position) for position in state.ix.of_demand[demand])
    for _ in range(ROUNDS):
        best = _best(state, floors, missing) if missing > ROUND else None
        if best is None:
            return
        state.add(best)
        missing -= best.share


def _floor(ix: Index, position: int) -> float:
    """Least cost per share on an option that is not open yet: of a whole replica at least."""
    arc = ix.arcs[position]
    return ix.options[arc.way].cost * max(1.0, arc.need) if arc.way < len(ix.options) and arc.need > 0 else 0.0


def _best(state: Filling, floors: Iterable[tuple[float, int]], missing: float) -> Step | None:
    best: Step | None = None
    for least, position in floors:
        if best and least > best.rank[0] * (1 + ROUND) and state.ix.arcs[position].way not in state.opened:
            continue
        for step in _steps(state, position, missing):
            best = step if best is None or step.rank < best.rank else best
    return best


def _steps(state: Filling, position: int, missing: float) -> Iterator[Step]:
    ix, arc = state.ix, state.ix.arcs[position]
    most = min(missing, _allowed(state, arc.demand, arc.way))
    barred = arc.way not in state.opened and _barred(state, arc.way)
    if most <= ROUND or barred:
        return
    found = _on_option(state, position, most) if arc.way < len(ix.options) else _on_provider(state, position, most)
    yield from (s for s in found if s.share > ROUND and (s.share > 1 - ROUND or not ix.demands[arc.demand].whole))


def _allowed(state: Filling, demand: int, way: int) -> float:
    """Share of the demand that the way may carry more: preemptible replicas only carry a part of interactive demand."""
    ix = state.ix
    free = state.settings.preemptible_share >= 1 or ix.demands[demand].deferrable
    if free or way >= len(ix.options) or not ix.options[way].preemptible:
        return 1.0
    mine = [i for i in ix.of_demand[demand] if ix.arcs[i].way < len(ix.options)]
    carried = sum(state.shares[i] for i in mine if ix.options[ix.arcs[i].way].preemptible)
    return state.settings.preemptible_share - carried


def _barred(state: Filling, way: int) -> bool:
    """Whether opening it would be one move too many."""
    most = state.settings.max_moves
    return most is not None and state.ix.moves(way) and state.moved >= most


def _on_option(state: Filling, position: int, most: float) -> Iterable[Step]:
    """Into what is idle; and with as many more replicas as it takes, or one fewer, all of them full."""
    ix, arc = state.ix, state.ix.arcs[position]
    way, free = arc.way, room(state.ix, arc.way, state.used, state.replicas[arc.way])
    least = max(0, max(ix.options[way].min_replicas, int(arc.need > 0)) - state.replicas[way])
    if least > free:
        return
    needed = max(least, _replicas_for(state, position, most) - state.replicas[way])
    for more in sorted({least, min(needed, free), max(least, min(needed - 1, free))}):
        share = min(most, _fits(state, position, state.replicas[way] + more))
        if share > ROUND:
            yield Step(position, share, more, _price(state, way, more) + share * nominal(ix, position))


def _replicas_for(state: Filling, position: int, share: float) -> int:
    arc = state.ix.arcs[position]
    total = state.total[arc.way] + share * arc.busy
    calm = state.calm[arc.way] + (0.0 if state.ix.demands[arc.demand].deferrable else share * arc.need)
    return ceil(max(total, calm) - ROUND)


def _fits(state: Filling, position: int, replicas: int) -> float:
    """Share of the demand that so many replicas can take beside what they carry."""
    arc, slack = state.ix.arcs[position], 1.0
    if arc.busy > 0:
        slack = min(slack, (replicas - state.total[arc.way]) / arc.busy)
    if arc.need > 0 and not state.ix.demands[arc.demand].deferrable:
        slack = min(slack, (replicas - state.calm[arc.way]) / arc.need)
    return max(0.0, slack)


def _price(state: Filling, way: int, more: int) -> float:
    option, pool = state.ix.options[way], state.ix.pools[state.ix.pool_of[way]]
    before, used = state.replicas[way], state.used[state.ix.pool_of[way]]
    opening = option.opening if way not in state.opened and not option.incumbent else 0.0
    started = max(0, before + more - option.incumbent) - max(0, before - option.incumbent)
    standing = used if pool.existing is None else pool.existing
    added = max(0.0, used + more * option.accelerators - max(standing, used)) if pool.existing is not None else 0.0
    return opening + more * option.cost + started * option.starting + added * pool.growing


def _on_provider(state: Filling, position: int, most: float) -> Iterable[Step]:
    arc = state.ix.arcs[position]
    provider = state.ix.providers[arc.way - len(state.ix.options)]
    share = min(most, (1 - state.total[arc.way]) / arc.need) if arc.need > 0 else most
    opening = 0.0 if arc.way in state.opened or provider.incumbent else provider.opening
    if share > ROUND:
        yield Step(position, share, 0, share * arc.price + opening)
