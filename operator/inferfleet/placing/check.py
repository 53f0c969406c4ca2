"""Whether a plan keeps every limit of its problem, told apart from how it was made. Pure."""

from collections.abc import Iterator, Mapping
from math import inf

from inferfleet.placing.types import Demand, Option, Plan, Problem, Provider, Settings

TOLERANCE = 1e-5
"""Of a replica, a share or a limit."""


def violations(problem: Problem, plan: Plan, settings: Settings) -> tuple[str, ...]:
    """What the plan breaks, in sentences; empty for a plan that holds."""
    return (
        *_shares(problem, plan),
        *_replicas(problem, plan),
        *_pools(problem, plan),
        *_quotas(problem, plan),
        *_rates(problem, plan),
        *_preemptible(problem, plan, settings),
        *_moves(problem, plan, settings),
    )


def _shares(problem: Problem, plan: Plan) -> Iterator[str]:
    short = {shortfall.demand: shortfall.share for shortfall in plan.shortfalls}
    for demand in problem.demands:
        carried = [p.shares[demand.key] for p in plan.placements if demand.key in p.shares]
        if any(share < 0 for share in carried) or abs(sum(carried) + short.get(demand.key, 0.0) - 1) > TOLERANCE:
            yield f"demand {demand.key}: shares {carried} and {short.get(demand.key, 0.0)} that waits are not 1"
        if demand.whole and len(carried) > 1:
            yield f"demand {demand.key} is whole and carried by {len(carried)}"


def _replicas(problem: Problem, plan: Plan) -> Iterator[str]:
    demands, options = {d.key: d for d in problem.demands}, {o.key: o for o in problem.options}
    for placement in plan.placements:
        if (option := options.get(placement.key)) is None:
            continue
        most = inf if option.max_replicas is None else option.max_replicas
        if not option.min_replicas <= placement.replicas <= most:
            yield f"option {option.key}: {placement.replicas} replicas, allowed {option.min_replicas} to {most}"
        need = needed(option, [(demands[key], share) for key, share in placement.shares.items()])
        if need > placement.replicas + TOLERANCE * max(1, placement.replicas):
            yield f"option {option.key}: {placement.replicas} replicas, its shares need {need}"


def needed(option: Option, carried: list[tuple[Demand, float]]) -> float:
    """Replicas' worth of what an option carries."""
    work = [(d, share * d.load / (option.capacity[d.key] * (1 - option.margin))) for d, share in carried]
    calm = sum(w / d.utilization for d, w in work if not d.deferrable)
    return max(calm, sum(w / d.utilization if d.deferrable else w for d, w in work))


def _pools(problem: Problem, plan: Plan) -> Iterator[str]:
    replicas = {p.key: p.replicas for p in plan.placements}
    for pool in problem.pools:
        used = sum(replicas.get(o.key, 0) * o.accelerators for o in problem.options if o.pool == pool.key)
        if used > pool.accelerators + TOLERANCE:
            yield f"pool {pool.key}: {used} accelerators used, {pool.accelerators} there"


def _quotas(problem: Problem, plan: Plan) -> Iterator[str]:
    replicas = {p.key: p.replicas for p in plan.placements}
    for quota in problem.quotas:
        used = sum(replicas.get(o.key, 0) * o.accelerators for o in problem.options if o.quota == quota.key)
        if used > quota.accelerators + TOLERANCE:
            yield f"quota {quota.key}: {used} accelerators used, {quota.accelerators} allowed"


def _rates(problem: Problem, plan: Plan) -> Iterator[str]:
    demands, placed = {d.key: d for d in problem.demands}, {p.key: p for p in plan.placements}
    for provider in problem.providers:
        if provider.key in placed and _rate(provider, placed[provider.key].shares, demands) > 1 + TOLERANCE:
            yield f"provider {provider.key}: more than its rate limit"


def _rate(provider: Provider, shares: Mapping[str, float], demands: dict[str, Demand]) -> float:
    return sum(
        share * demands[key].load / provider.limit[key] for key, share in shares.items() if key in provider.limit
    )


def _preemptible(problem: Problem, plan: Plan, settings: Settings) -> Iterator[str]:
    flighty = {o.key for o in problem.options if o.preemptible}
    for demand in problem.demands:
        carried = sum(p.shares.get(demand.key, 0.0) for p in plan.placements if p.key in flighty)
        if not demand.deferrable and carried > settings.preemptible_share + TOLERANCE:
            yield f"demand {demand.key}: {carried} on preemptible replicas, allowed {settings.preemptible_share}"


def _moves(problem: Problem, plan: Plan, settings: Settings) -> Iterator[str]:
    """What is newly opened for demands that something serves already, and could go on serving."""
    ways: dict[str, Option | Provider] = {o.key: o for o in problem.options}
    ways |= {p.key: p for p in problem.providers}
    room = {pool.key: pool.accelerators for pool in problem.pools}
    allowed = {quota.key: quota.accelerators for quota in problem.quotas}
    served = {key for w in ways.values() if w.incumbent and _could_go_on(w, room, allowed) for key in _serves(w)}
    new = [p.key for p in plan.placements if not ways[p.key].incumbent and served & _serves(ways[p.key])]
    if settings.max_moves is not None and len(new) > settings.max_moves:
        yield f"{len(new)} moves, allowed {settings.max_moves}: {', '.join(new)}"


def _serves(way: Option | Provider) -> frozenset[str]:
    return frozenset(way.capacity if isinstance(way, Option) else way.price)


def _could_go_on(way: Option | Provider, room: Mapping[str, float], allowed: Mapping[str, float]) -> bool:
    if isinstance(way, Provider):
        return True
    least = max(1, way.min_replicas)
    most = inf if way.max_replicas is None else way.max_replicas
    there = min(room[way.pool], allowed.get(way.quota, inf))
    return least <= most and least * way.accelerators <= there + TOLERANCE
