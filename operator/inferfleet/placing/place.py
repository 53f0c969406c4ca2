"""The plan of a fleet: greedy at once, then the best within the gap and the time limit. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from inferfleet.placing.choice import Choice, Use, levels, unserved
from inferfleet.placing.exact import Aim, Found, minimize
from inferfleet.placing.greedy import greedy
from inferfleet.placing.index import Index, index
from inferfleet.placing.prices.blocks import components, listable
from inferfleet.placing.prices.decompose import decompose
from inferfleet.placing.prune import pruned
from inferfleet.placing.shortfall import shortfalls
from inferfleet.placing.types import Placement, Plan, Problem, Settings, Status


def place(problem: Problem, settings: Settings | None = None) -> Plan:
    """The plan. ValueError for a problem that contradicts itself; never nothing otherwise."""
    settings = settings or Settings()
    return _best(*_begun(problem, settings), settings)


def greedy_plan(problem: Problem, settings: Settings | None = None) -> Plan:
    """The plan without a solver."""
    return next(plans(problem, settings or Settings()))


def plans(problem: Problem, settings: Settings) -> Iterator[Plan]:
    """That without a solver at once, then that of `place`."""
    ix, start = _begun(problem, settings)
    yield plan_of(ix, settings, start, floor(ix, Use(ix, start)), Status.GREEDY)
    yield _best(ix, start, settings)


def _begun(problem: Problem, settings: Settings) -> tuple[Index, Choice]:
    ix = index(pruned(problem))
    return ix, greedy(ix, settings)


def _best(ix: Index, start: Choice, settings: Settings) -> Plan:
    """Prices of what is scarce come first: they are fast, and what they find lets the whole program prove more in time.

    Where they cannot list what a model may do, and the fleet is small, the program alone is faster.
    """
    small = len(ix.arcs) <= settings.exact_arcs
    parts = components(ix)
    if small and max(map(len, parts), default=0) > listable(parts):
        return exact_plan(ix, settings, start)
    plan, choice = _decomposed(ix, settings, start)
    if not small or (plan.gap <= settings.gap and not plan.shortfalls):
        return plan
    exact = exact_plan(ix, settings, choice, Status.DECOMPOSED)
    if exact.shortfalls or plan.shortfalls:
        return exact
    return replace(exact, bound=min(exact.objective, max(exact.bound, plan.bound)), prices=plan.prices)


def exact_plan(ix: Index, settings: Settings, start: Choice, status: Status = Status.GREEDY) -> Plan:
    """Serve as much as can be served, the most important first; then the cheapest way to do that.

    `status` is that of the start, which is the answer if the solver has none.
    """
    waiting, best = _waiting(ix, settings, start)
    short = any(share > 0 for share in waiting)
    seconds = settings.time_limit / 2 if short else settings.time_limit
    found = minimize(ix, settings, Aim(waiting if short else (), short), seconds, best)
    if found is None:
        return plan_of(ix, settings, best, floor(ix, Use(ix, best)), status if best is start else Status.TIME_LIMITED)
    better = _better(ix, found, best)
    return plan_of(ix, settings, better, found.bound, Status.OPTIMAL if found.proven else Status.TIME_LIMITED)


def decomposed_plan(ix: Index, settings: Settings, start: Choice) -> Plan:
    """By prices of what is scarce."""
    return _decomposed(ix, settings, start)[0]


def _decomposed(ix: Index, settings: Settings, start: Choice) -> tuple[Plan, Choice]:
    found = decompose(ix, settings, start)
    bound = max(found.bound, floor(ix, Use(ix, found.choice)))
    plan = plan_of(ix, settings, found.choice, bound, Status.DECOMPOSED)
    proven = plan.gap <= settings.gap and not plan.shortfalls
    return replace(plan, prices=found.prices, status=Status.OPTIMAL if proven else plan.status), found.choice


def _better(ix: Index, found: Found, best: Choice) -> Choice:
    """A solver stopped by its time limit may hold less than it was given."""
    mine, known = Use(ix, found.choice), Use(ix, best)
    same = sum(unserved(known)) <= sum(unserved(mine)) + 1e-6
    return best if same and known.cost < mine.cost - 1e-9 else found.choice


def _waiting(ix: Index, settings: Settings, start: Choice) -> tuple[tuple[float, ...], Choice]:
    """The least that must wait of each level, and a choice that reaches it.

    A level that the greedy start serves in full, after all before it, needs no solver.
    """
    ranks, known, waiting = levels(ix), unserved(Use(ix, start)), []
    best, short = start, False
    stages = sum(any(known[demand] > 0 for demand in rank) for rank in ranks) or 1
    for rank in ranks:
        mine = sum(unserved(Use(ix, best))[demand] for demand in rank)
        if mine <= 1e-6 and not short:
            waiting.append(0.0)
            continue
        found = minimize(ix, settings, Aim(tuple(waiting), short=True), settings.time_limit / 2 / stages, best)
        if found is not None and found.objective < mine - 1e-6:
            best, mine = found.choice, found.objective
        mine = mine if mine > 1e-6 else 0.0
        short = short or mine > 0
        waiting.append(mine)
    return tuple(waiting), best


def floor(ix: Index, use: Use) -> float:
    """No plan that serves as much costs less: every demand at its cheapest, on replicas that are always full.

    Weak where loads are small; it needs no solver.
    """
    total = 0.0
    for demand, positions in enumerate(ix.of_demand):
        arcs = [ix.arcs[i] for i in positions]
        per_share = [a.price if a.way >= len(ix.options) else a.busy * ix.options[a.way].cost for a in arcs]
        total += min(per_share, default=0.0) * use.served[demand]
    return total


def plan_of(ix: Index, settings: Settings, choice: Choice, bound: float, status: Status) -> Plan:
    """A choice in the words of keys."""
    use = Use(ix, choice)
    placements = []
    for way in sorted((way for way, on in enumerate(use.used) if on), key=ix.key):
        carried = {ix.demands[ix.arcs[i].demand].key: choice.shares[i] for i in ix.of_way[way] if choice.shares[i] > 0}
        replicas = choice.replicas[way] if way < len(ix.options) else 0
        placements.append(Placement(ix.key(way), replicas, carried))
    bound = max(0.0, min(bound, use.cost))
    return Plan(tuple(placements), shortfalls(use, settings), use.cost, bound, status)
