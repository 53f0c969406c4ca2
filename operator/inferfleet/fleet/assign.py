"""One placement program for all workloads: what it is asked, and what each of them is told. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

from inferfleet.catalog.loader import Catalog
from inferfleet.fleet.pools import accelerator_of, room, size_of
from inferfleet.fleet.types import Key, Node, Plan, PoolView, WorkloadPlan
from inferfleet.placing import types as placing
from inferfleet.planning.objectives import OBJECTIVES
from inferfleet.planning.options.build import Fleet, Room
from inferfleet.planning.options.merge import Workload
from inferfleet.planning.types import Question

Identity = tuple[str, str, str]
"""Pool, variant and engine: what a placement is known by."""
Owner = tuple[Key, str]
"""A Model and one of its classes."""


@dataclass(frozen=True)
class Asked:
    """A workload as its last reconcile saw it."""

    question: Question
    chosen: Identity | None
    """What serves it, or shall; None: nothing could."""
    declared: float
    """Tokens per second to plan for until traffic is observed."""
    parts: bool = False
    """Whether one pool cannot hold it, or a cheaper one only a part, so that several may."""


def asked(plan: Plan) -> dict[str, Asked]:
    """What the program may decide, by class. What is frozen or only advised on keeps its place without being asked."""
    found = {}
    for workload in plan.workloads:
        if workload.asked is not None:
            chosen = workload.placements[0].identity if workload.placements else None
            demand, parts = workload.asked.declared_demand, _in_parts(workload)
            found[workload.class_] = Asked(workload.asked.question, chosen, demand, parts)
    return found


def _in_parts(workload: WorkloadPlan) -> bool:
    first = next(iter(workload.placements), None)
    spilled = workload.spread is not None and workload.spread.spilled > 0
    return workload.parts or spilled or (first is not None and first.wanted > first.replicas)


def standing(plan: Plan) -> Counter[str]:
    """Replicas by pool of what the program may not decide about."""
    found = Counter[str]()
    for workload in plan.workloads:
        for placement in workload.placements:
            stays = workload.asked is None and placement.state != "Recommended"
            if stays or placement.state == "Frozen":
                found[placement.identity[0]] += placement.replicas
    return found


def name_of(owner: Owner) -> str:
    """The workload's key in the program."""
    (namespace, model), class_ = owner
    return f"{namespace}/{model}/{class_}"


def workloads(known: Mapping[Owner, Asked], demand: Mapping[Owner, float]) -> list[Workload]:
    """With the observed demand where there is one (tokens per second of the class's unit), else the declared."""
    return [
        Workload(name_of(owner), "/".join(owner[0]), a.question, demand.get(owner, a.declared), whole=not a.parts)
        for owner, a in known.items()
    ]


def rooms(
    pools: Iterable[PoolView], nodes: Iterable[Node], held: Mapping[str, int], catalog: Catalog
) -> dict[str, Room]:
    """Accelerators (for CPUs, cores) of replicas that fit on each pool's nodes beside the `held`, by pool."""
    nodes, found = list(nodes), {}
    for view in pools:
        accelerator = accelerator_of(view.spec, catalog)[1]
        count = float(size_of(view.spec, accelerator)[0])
        free = room(view.spec, accelerator, nodes).replicas - held.get(view.name, 0)
        found[view.name] = Room(max(0, free) * count)
    return found


def assignments(known: Mapping[Owner, Asked], found: Fleet, plan: placing.Plan) -> dict[Owner, Identity]:
    """The placement that carries each workload; none for one that cannot be served, which chooses alone.

    Of several the best for the workload alone: a reconcile fills it first, and spills over from there.
    """
    owners = {name_of(owner): owner for owner in known}
    best: dict[Owner, tuple[float, Identity]] = {}
    for placement in plan.placements:
        for name in placement.shares:
            owner, e = owners[name], found.ways[placement.key].each[name]
            score = OBJECTIVES[known[owner].question.workload.objective].score(e)
            best[owner] = min(best.get(owner, (inf, e.identity)), (score, e.identity))
    return {owner: identity for owner, (_, identity) in best.items()}
