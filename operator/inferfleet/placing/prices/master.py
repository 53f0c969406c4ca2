"""One pattern for each component, all within the limits, at the least cost: a program over what was met. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from inferfleet.placing.prices.patterns import Pattern
from inferfleet.placing.prices.resources import Resources
from inferfleet.placing.program import Program, solve


@dataclass(frozen=True)
class Master:
    """Patterns to choose from; the first of each component are a choice that is known to hold."""

    patterns: Sequence[Sequence[Pattern]]
    res: Resources
    ranks: Mapping[int, int]
    """Level of each demand, the most important first."""

    def waiting(self, pattern: Pattern, level: int) -> float:
        """Sum of the shares of that level that wait."""
        return sum(share for demand, share in pattern.waiting if self.ranks[demand] == level)


def assemble(
    patterns: Sequence[Sequence[Pattern]], res: Resources, ranks: Mapping[int, int], seconds: float, gap: float
) -> list[Pattern]:
    """The pattern of each component; the first of each if nothing better is found.

    If something has to wait, the least of the most important level first, level by level, and then the cost.
    """
    master = Master(patterns, res, ranks)
    chosen = _choose(master, [0] * len(patterns), [], None, (seconds / 2, gap))
    if not any(mine[k].waiting for mine, k in zip(patterns, chosen, strict=True)):
        return [mine[k] for mine, k in zip(patterns, chosen, strict=True)]
    known: list[float] = []
    each = seconds / 2 / (max(ranks.values()) + 2)
    for level in range(max(ranks.values()) + 1):
        chosen = _choose(master, chosen, known, level, (each, 0.0))
        known.append(sum(master.waiting(mine[k], level) for mine, k in zip(patterns, chosen, strict=True)))
    chosen = _choose(master, chosen, known, None, (each, gap))
    return [mine[k] for mine, k in zip(patterns, chosen, strict=True)]


def _choose(
    master: Master, start: Sequence[int], known: Sequence[float], level: int | None, effort: tuple[float, float]
) -> list[int]:
    """Positions of the patterns. `level`: what waits of it is made least; None: the cost."""
    program, where, uses = Program(), [], [dict[int, float]() for _ in master.res.limit]
    waits = [dict[int, float]() for _ in known]
    for mine in master.patterns:
        places = []
        for pattern in mine:
            aim = pattern.cost if level is None else master.waiting(pattern, level)
            places.append(program.column(aim, 1.0, integer=True))
            for resource, amount in pattern.uses:
                uses[resource][places[-1]] = amount
            for rank, terms in enumerate(waits):
                if waiting := master.waiting(pattern, rank):
                    terms[places[-1]] = waiting
        program.row(dict.fromkeys(places, 1.0), least=1.0, most=1.0)
        where.append(places)
    for resource, terms in enumerate(uses):
        if terms and isfinite(master.res.limit[resource]):
            _limit(program, master.res, resource, terms, grow=level is None)
    for most, terms in zip(known, waits, strict=True):
        program.row(terms, most=most + 1e-6)
    return _solved(program, where, start, effort)


def _solved(
    program: Program, where: Sequence[Sequence[int]], start: Sequence[int], effort: tuple[float, float]
) -> list[int]:
    values = [0.0] * len(program.cost)
    for places, first in zip(where, start, strict=True):
        values[places[first]] = 1.0
    found = solve(program, effort[0], effort[1], values)
    if found is None:
        return list(start)
    return [max(range(len(places)), key=lambda k: (found.values[places[k]], -k)) for places in where]


def _limit(program: Program, res: Resources, resource: int, terms: dict[int, float], *, grow: bool) -> None:
    if res.extra[resource] > 0:
        added = program.column(float(res.growing[resource]) if grow else 0.0, float(res.extra[resource]))
        terms = {**terms, added: -1.0}
    program.row(terms, most=float(res.limit[resource]))
