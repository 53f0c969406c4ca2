"""The plan of a large fleet by prices of what is scarce, with its proof. Pure."""

from dataclasses import dataclass, replace

import numpy as np

from inferfleet.placing.choice import Choice, Use, levels, unserved
from inferfleet.placing.greedy import topped_up
from inferfleet.placing.index import Index
from inferfleet.placing.prices.blocks import Block, blocks, components, listable, partitions
from inferfleet.placing.prices.bound import floors
from inferfleet.placing.prices.dual import Priced, priced
from inferfleet.placing.prices.master import assemble
from inferfleet.placing.prices.part import none, piece, priced_piece, relaxed_piece
from inferfleet.placing.prices.patterns import Pattern, choice_of, joined, mixes, singles, waits
from inferfleet.placing.prices.rates import Ways, arcs_at, ways_at
from inferfleet.placing.prices.resources import Floats, Resources, resources
from inferfleet.placing.prices.splits import splits
from inferfleet.placing.prices.table import select, table
from inferfleet.placing.types import Settings

ROUNDS = (40, 60)
"""Of raising prices; between them patterns are added that are best at the prices so far."""
MIXES = 4
"""Patterns of two ways that each block adds at a time."""
KEPT = 12
"""Different patterns of a component that the last program chooses from."""
FEW_PARTS = 500
"""Components up to which every pattern goes into the last program, and not only those that were selected."""
SOLVED = 2
"""Components of a small fleet that are solved exactly at the end, for a better bound and another pattern."""
STEP = 4.0
"""How many times as much waiting of one level weighs as of the next less important."""
WAIT = 10.0
"""How many times as much waiting weighs at least as the dearest demand."""


@dataclass(frozen=True)
class Fleet:
    """What does not change while prices do."""

    ix: Index
    res: Resources
    settings: Settings
    parts: tuple[tuple[int, ...], ...]
    """Components, as positions of demands."""
    blocks: tuple[Block | int, ...]
    """Of all components; of one too large to list, the component itself."""
    cuts: tuple[tuple[tuple[int, ...], ...], ...]
    """Partitions of each component, as positions of blocks."""
    penalties: Floats


@dataclass(frozen=True)
class Decided:
    """A choice with its proof."""

    choice: Choice
    bound: float
    prices: dict[str, float]


def decompose(ix: Index, settings: Settings, start: Choice) -> Decided:
    """The best choice that prices lead to; never worse than the start."""
    fleet = _fleet(ix, settings)
    pieces = [piece(ix, fleet.res, part, start, fleet.penalties) for part in fleet.parts]
    known = [_first(fleet, block, pieces) for block in fleet.blocks]
    target, prices, found, everything = sum(p.cost for p in pieces), none(fleet.res), None, table(known, fleet.cuts)
    for rounds in ROUNDS:
        at = prices, ways_at(ix, fleet.res, prices)
        known = [_more(fleet, block, patterns, at) for block, patterns in zip(fleet.blocks, known, strict=True)]
        everything = table(known, fleet.cuts)
        found = priced(everything, fleet.res, prices, target, rounds)
        prices = found.prices
        if not prices.any():
            break
    assert found is not None
    lows, exact = _floors(fleet, select(everything, prices).values, prices)
    columns = _columns(fleet, known, found, [(start, *exact.get(part, ())) for part, start in enumerate(pieces)])
    ranks = {demand: place for place, rank in enumerate(levels(ix)) for demand in rank}
    chosen = assemble(columns, fleet.res, ranks, settings.time_limit, min(max(settings.gap, 1e-5), 1e-4))
    choice = topped_up(ix, settings, choice_of(ix, chosen))
    waiting = float(np.dot(fleet.penalties, unserved(Use(ix, choice))))
    named = {pool.key: float(price) for pool, price in zip(ix.pools, prices, strict=False) if price > 1e-9}
    return Decided(choice, float(lows.sum()) - fleet.res.worth(prices) - waiting, named)


def _fleet(ix: Index, settings: Settings) -> Fleet:
    res, parts = resources(ix, settings), components(ix)
    known: list[Block | int] = []
    cuts: list[tuple[tuple[int, ...], ...]] = []
    most = listable(parts)
    for position, part in enumerate(parts):
        first = len(known)
        if len(part) > most:
            known.append(position)
            cuts.append(((first,),))
            continue
        mine = blocks(ix, part, settings)
        known += mine
        cuts.append(tuple(tuple(first + k for k in cut) for cut in partitions(part, mine)))
    return Fleet(ix, res, settings, tuple(parts), tuple(known), tuple(cuts), penalties(ix, res))


def penalties(ix: Index, res: Resources) -> Floats:
    """USD per hour that a demand's waiting weighs: more than any way to serve it, and by level."""
    rates = arcs_at(ix, ways_at(ix, res, none(res))).rate
    dearest = max([float(rates.max(initial=0.0)), 1e-9, *(option.cost + option.opening for option in ix.options)])
    found = np.zeros(len(ix.demands))
    for place, rank in enumerate(reversed(levels(ix))):
        found[rank] = WAIT * dearest * STEP**place
    return found


def _first(fleet: Fleet, block: Block | int, pieces: list[Pattern]) -> tuple[Pattern, ...]:
    if isinstance(block, int):
        return (pieces[block],)
    found = singles(fleet.ix, fleet.res, block)
    return (*found, waits(block.demands, fleet.penalties))


def _more(fleet: Fleet, block: Block | int, known: tuple[Pattern, ...], at: tuple[Floats, Ways]) -> tuple[Pattern, ...]:
    """`at`: prices, and what ways cost at them."""
    if isinstance(block, int):
        found, _ = _large(fleet, block, at[0])
        added = [] if found is None else [found]
    else:
        added = [
            *mixes(fleet.ix, fleet.res, block, at[1], MIXES),
            *splits(fleet.ix, fleet.res, block, at[1], fleet.penalties, MIXES),
        ]
    return tuple(dict.fromkeys((*known, *added)))


def _large(fleet: Fleet, part: int, prices: Floats) -> tuple[Pattern | None, float]:
    many = sum(isinstance(block, int) for block in fleet.blocks) + SOLVED
    settings = replace(fleet.settings, time_limit=fleet.settings.time_limit / many)
    solved = relaxed_piece if len(fleet.parts[part]) <= listable(fleet.parts) else priced_piece
    return solved(fleet.ix, fleet.res, fleet.parts[part], (prices, fleet.penalties), settings)


def _columns(
    fleet: Fleet, known: list[tuple[Pattern, ...]], found: Priced, first: list[tuple[Pattern, ...]]
) -> list[list[Pattern]]:
    """Of each component: what is `first`, its piece of the start before all; then what it selected, latest first."""
    flat = [pattern for block in known for pattern in block]
    sets: list[dict[tuple[int, ...], None]] = [{} for _ in fleet.parts]
    for selection in reversed(found.seen):
        component, pattern = selection.patterns
        ends = np.flatnonzero(np.diff(np.append(component, -1))) + 1
        for part, (begin, end) in enumerate(zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)):
            if len(sets[part]) < KEPT:
                sets[part][tuple(pattern[begin:end].tolist())] = None
    listed = _listed(fleet, known)
    return [
        list(dict.fromkeys([*start, *(joined([flat[k] for k in keys]) for keys in mine), *extra]))
        for start, mine, extra in zip(first, sets, listed, strict=True)
    ]


def _listed(fleet: Fleet, known: list[tuple[Pattern, ...]]) -> list[tuple[Pattern, ...]]:
    """All patterns of a component that is one block: they are few."""
    whole = {cut[0][0]: part for part, cut in enumerate(fleet.cuts) if len(cut) == 1 and len(cut[0]) == 1}
    found: list[tuple[Pattern, ...]] = [() for _ in fleet.parts]
    if len(fleet.parts) <= FEW_PARTS:
        for block, part in whole.items():
            found[part] = known[block]
    return found


def _floors(fleet: Fleet, values: Floats, prices: Floats) -> tuple[Floats, dict[int, tuple[Pattern, ...]]]:
    """What each component pays at least at these prices, and exact patterns of those that had to be solved for it.

    Solved are components that cannot be listed, and in a small fleet those whose `values` are furthest above the rest.
    """
    most = listable(fleet.parts)
    listed = [k for k, part in enumerate(fleet.parts) if len(part) <= most]
    lows, exact = np.zeros(len(fleet.parts)), dict[int, tuple[Pattern, ...]]()
    if listed:
        parts = [fleet.parts[k] for k in listed]
        lows[listed] = floors(fleet.ix, fleet.res, parts, fleet.penalties, prices)
    loose = sorted((k for k in listed if len(fleet.parts[k]) > 1), key=lambda k: (lows[k] - values[k], k))
    tight = loose[:SOLVED] if len(fleet.parts) <= FEW_PARTS else []
    for k in (*tight, *(k for k, part in enumerate(fleet.parts) if len(part) > most)):
        found, bound = _large(fleet, k, prices)
        lows[k] = max(lows[k], bound)
        exact[k] = () if found is None else (found,)
    return lows, exact
