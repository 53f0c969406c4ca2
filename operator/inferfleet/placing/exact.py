"""The whole fleet as one mixed-integer program. Pure.

After Melange (arXiv 2404.14527: shares of work on whole numbers of accelerators), with pools that end, several
demands on one placement, batch work inside the headroom of interactive replicas, providers priced by token, and
costs of switching.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite

from inferfleet.placing.choice import Choice, levels, nominal, tidy
from inferfleet.placing.index import Index
from inferfleet.placing.program import Program, Solution, solve
from inferfleet.placing.types import Settings

FINE = 1000.0
"""Parts of a share in which it is counted what a level left waiting: the solver's tolerance is one of them at most."""
SLACK, ROUGH = 1e-9, 1e-6
"""Of a share that a level may lose to the next: a millionth of a large demand may be all of a small one, which would be
served from it. With so little the solver takes all but its start for infeasible now and then, and is asked again."""


@dataclass(frozen=True)
class Aim:
    """What to make least."""

    waiting: tuple[float, ...] = ()
    """Sum of the shares that wait, of each level already decided, most important first; empty: nothing may wait."""
    short: bool = False
    """Whether demands may wait. With fewer levels decided than there are, the next level's waiting is made least."""
    penalties: tuple[float, ...] = ()
    """USD per hour for each demand that waits, instead of levels: what the decomposition weighs waiting with."""
    slack: float = SLACK
    """Of a share, that a level already decided may lose."""


@dataclass(frozen=True)
class Columns:
    """Where the variables of a fleet stand in its program."""

    replicas: tuple[int, ...]
    shares: tuple[int, ...]
    opened: dict[int, int]
    """Of options and providers that need to know whether they are used."""
    waiting: tuple[int, ...]
    """Of each demand."""


@dataclass(frozen=True)
class Found:
    """A choice with its proof."""

    choice: Choice
    objective: float
    bound: float
    proven: bool


def minimize(ix: Index, settings: Settings, aim: Aim, seconds: float, start: Choice | None = None) -> Found | None:
    """The best choice for the aim; None if there is none, or none was found in time."""
    found = _minimize(ix, settings, aim, seconds, start)
    if found is None or isfinite(found.bound) or not any(aim.waiting):
        return found
    return _minimize(ix, settings, replace(aim, slack=ROUGH), seconds, start) or found


def _minimize(ix: Index, settings: Settings, aim: Aim, seconds: float, start: Choice | None) -> Found | None:
    program, columns = build(ix, settings, aim)
    known = None if start is None else _values(ix, program, columns, start)
    solution = solve(program, seconds, settings.gap, known)
    if solution is None:
        return None
    return Found(_choice(ix, columns, solution), solution.objective, solution.bound, solution.proven)


def build(ix: Index, settings: Settings, aim: Aim) -> tuple[Program, Columns]:
    """The program, and where its variables stand."""
    program, ranks = Program(), levels(ix)
    deciding = aim.short and not aim.penalties and len(aim.waiting) < len(ranks)
    columns = _columns(ix, program, settings, 0.0 if deciding else 1.0, aim)
    if deciding:
        for demand in ranks[len(aim.waiting)]:
            program.cost[columns.waiting[demand]] = 1.0
    for demand, penalty in enumerate(aim.penalties):
        program.cost[columns.waiting[demand]] = penalty
    for rank, most in zip(ranks, aim.waiting, strict=False):
        _hold(program, [columns.waiting[demand] for demand in rank], most, aim.slack)
    _serve(ix, program, columns, settings)
    for way, option in enumerate(ix.options):
        if ix.of_way[way]:
            _carry(ix, program, columns, way)
            _start(program, columns.replicas[way], option.starting if not deciding else 0.0, option.incumbent)
    _providers(ix, program, columns)
    _pools(ix, program, columns, grow=not deciding)
    _moves(ix, program, columns, settings)
    return program, columns


def _hold(program: Program, waiting: Sequence[int], most: float, slack: float) -> None:
    """What a more important level was served stays its own."""
    if most > 0:
        program.row(dict.fromkeys(waiting, FINE), most=FINE * (most + slack))
    else:
        for column in waiting:
            program.upper[column] = 0.0


def _columns(ix: Index, program: Program, settings: Settings, price: float, aim: Aim) -> Columns:
    replicas = tuple(
        program.column(price * option.cost, most if ix.of_way[way] else 0, integer=True)
        for way, (option, most) in enumerate(zip(ix.options, ix.most, strict=True))
    )
    shares = tuple(
        program.column(price * (arc.price + nominal(ix, position)), 1.0, integer=ix.demands[arc.demand].whole)
        for position, arc in enumerate(ix.arcs)
    )
    opened = {way: program.column(price * cost, 1.0, integer=True) for way, cost in _fixed(ix, settings).items()}
    waiting = tuple(program.column(0.0, 1.0 if aim.short else 0.0) for _ in ix.demands)
    return Columns(replicas, shares, opened, waiting)


def _fixed(ix: Index, settings: Settings) -> dict[int, float]:
    """Options and providers for which it matters whether they are used, with the cost of opening them."""
    fixed = {}
    for way in range(len(ix.options) + len(ix.providers)):
        option = ix.options[way] if way < len(ix.options) else None
        opening = (option or ix.providers[way - len(ix.options)]).opening
        cost = 0.0 if ix.incumbent(way) else opening
        counted = settings.max_moves is not None and ix.moves(way)
        if ix.of_way[way] and (cost > 0 or counted or (option and option.min_replicas > 1)):
            fixed[way] = cost
    return fixed


def _serve(ix: Index, program: Program, columns: Columns, settings: Settings) -> None:
    for demand, positions in enumerate(ix.of_demand):
        terms = {columns.shares[i]: 1.0 for i in positions}
        program.row({**terms, columns.waiting[demand]: 1.0}, least=1.0, most=1.0)
        flighty = [i for i in positions if _preemptible(ix, ix.arcs[i].way)]
        if flighty and settings.preemptible_share < 1 and not ix.demands[demand].deferrable:
            program.row({columns.shares[i]: 1.0 for i in flighty}, most=settings.preemptible_share)


def _preemptible(ix: Index, way: int) -> bool:
    return way < len(ix.options) and ix.options[way].preemptible


def _carry(ix: Index, program: Program, columns: Columns, way: int) -> None:
    """Replicas for the shares: interactive with its headroom; all, batch work inside that headroom."""
    replicas, arcs = columns.replicas[way], ix.of_way[way]
    calm = [i for i in arcs if not ix.demands[ix.arcs[i].demand].deferrable]
    rows = [{columns.shares[i]: ix.arcs[i].need for i in calm}] if calm else []
    if len(calm) < len(arcs):
        rows.append({columns.shares[i]: ix.arcs[i].busy for i in arcs})
    for terms in rows:
        program.row({**terms, replicas: -1.0}, most=0.0)
    opened = columns.opened.get(way)
    for i in arcs:
        # A share means at least one replica. Implied where the demand needs more than one; else it is what
        # makes the relaxation tight, and what keeps a tiny load from passing as zero within the tolerance.
        if opened is not None:
            program.row({columns.shares[i]: 1.0, opened: -1.0}, most=0.0)
        elif ix.arcs[i].busy < 1 and (ix.arcs[i].need > 0 or ix.options[way].min_replicas > 0):
            program.row({columns.shares[i]: 1.0, replicas: -1.0}, most=0.0)
    if opened is not None:
        program.row({replicas: 1.0, opened: -float(ix.most[way])}, most=0.0)
        smallest = max(ix.options[way].min_replicas, 1 if all(ix.arcs[i].need > 0 for i in arcs) else 0)
        program.row({replicas: 1.0, opened: -float(smallest)}, least=0.0)


def _start(program: Program, replicas: int, starting: float, incumbent: int) -> None:
    if starting > 0:
        added = program.column(starting, inf)
        program.row({added: 1.0, replicas: -1.0}, least=-float(incumbent))


def _providers(ix: Index, program: Program, columns: Columns) -> None:
    for way in range(len(ix.options), len(ix.options) + len(ix.providers)):
        terms = {columns.shares[i]: ix.arcs[i].need for i in ix.of_way[way] if ix.arcs[i].need > 0}
        if terms:
            program.row(terms, most=1.0)
        if (opened := columns.opened.get(way)) is not None:
            for i in ix.of_way[way]:
                program.row({columns.shares[i]: 1.0, opened: -1.0}, most=0.0)


def _pools(ix: Index, program: Program, columns: Columns, *, grow: bool) -> None:
    for position, end in enumerate(ix.ends[len(ix.pools) :], len(ix.pools)):
        under = {columns.replicas[w]: ix.options[w].accelerators for w, held in enumerate(ix.holds) if position in held}
        if under and isfinite(end):
            program.row(under, most=end)
    for position, pool in enumerate(ix.pools):
        used = {
            columns.replicas[way]: ix.options[way].accelerators
            for way, place in enumerate(ix.pool_of)
            if place == position and ix.of_way[way]
        }
        if used and isfinite(pool.accelerators):
            program.row(used, most=pool.accelerators)
        if used and grow and pool.growing > 0 and pool.existing is not None:
            added = program.column(pool.growing, inf)
            program.row({**used, added: -1.0}, most=pool.existing)


def _moves(ix: Index, program: Program, columns: Columns, settings: Settings) -> None:
    if settings.max_moves is not None:
        moving = {column: 1.0 for way, column in columns.opened.items() if ix.moves(way)}
        if moving:
            program.row(moving, most=float(settings.max_moves))


def _choice(ix: Index, columns: Columns, solution: Solution) -> Choice:
    values = solution.values
    replicas = tuple(round(float(values[column])) for column in columns.replicas)
    return tidy(ix, Choice(replicas, tuple(float(values[column]) for column in columns.shares)))


def _values(ix: Index, program: Program, columns: Columns, start: Choice) -> Sequence[float]:
    """A choice as values of the variables. What was started and added is left to the solver to complete."""
    values = [0.0] * len(program.cost)
    for column, replicas in zip(columns.replicas, start.replicas, strict=True):
        values[column] = float(replicas)
    served = [0.0] * len(ix.demands)
    for i, share in enumerate(start.shares):
        values[columns.shares[i]] = share
        served[ix.arcs[i].demand] += share
        if share > 0 and ix.arcs[i].way in columns.opened:
            values[columns.opened[ix.arcs[i].way]] = 1.0
    for column, share in zip(columns.waiting, served, strict=True):
        values[column] = max(0.0, 1.0 - share)
    return values
