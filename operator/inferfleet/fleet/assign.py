"""One placement program for all workloads: what it is asked, and what each of them is told. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inferfleet.fleet.share import shareable
from inferfleet.fleet.types import Key, Plan, Told, Valid, WorkloadPlan
from inferfleet.names import classes_of, shared
from inferfleet.placing import types as placing
from inferfleet.planning.objectives import OBJECTIVES
from inferfleet.planning.options.build import Fleet
from inferfleet.planning.options.merge import Sharing, Workload
from inferfleet.planning.types import Question
from inferfleet.planning.unit import counted

Identity = tuple[str, str, str]
"""Pool, variant and engine: what a placement is known by."""
Owner = tuple[Key, str]
"""A Model and one of its classes, or a class label of it."""


@dataclass(frozen=True)
class Asked:
    """A workload as its last reconcile saw it."""

    question: Question
    chosen: Identity | None
    """What serves it, or shall; None: nothing could."""
    expected: float
    """Tokens per second to plan for until the scaling loop has looked at it."""
    parts: bool = False
    """Whether one pool cannot hold it, or not as cheaply, so that several may."""
    label: str = ""
    """Class label of what serves it, or shall: its own, or that of several classes together."""
    replicas: int = 0
    """Of that."""
    alone: bool = False
    """Whether it shares with nobody."""
    weight: float = 0.0
    """Its part in the requests of a mix."""


def asked(plan: Plan) -> dict[str, Asked]:
    """What the program may decide, by class. What is frozen or only advised on keeps its place without being asked."""
    found = {}
    for workload in plan.workloads:
        if workload.asked is not None:
            for each in workload.asked.members or (workload.asked,):
                found[each.workload.class_] = _asked(workload, workload.asked, each)
    return found


def _asked(workload: WorkloadPlan, whole: Valid, each: Valid) -> Asked:
    first = next(iter(workload.placements), None)
    return Asked(
        question=each.question,
        chosen=first.identity if first else None,
        expected=_expected(workload, whole) * _part(each, whole.members or (each,)),
        parts=_in_parts(workload) and not whole.members,
        label=workload.class_,
        replicas=first.replicas if first else 0,
        alone=not shareable(each),
        weight=each.weight,
    )


def _part(each: Valid, members: Sequence[Valid]) -> float:
    """Of the tokens that several classes ask for together nothing tells the parts: by the requests that they declare,
    or as many of each.
    """
    declared = any(m.weight for m in members)
    tokens = {m.workload.class_: (m.weight if declared else 1.0) * counted(m.spec).p50 for m in members}
    return tokens[each.workload.class_] / sum(tokens.values())


def _expected(workload: WorkloadPlan, asked: Valid) -> float:
    """What is declared, or what it has replicas for: right after a restart nothing else is known of the traffic."""
    first = workload.placements[0].evaluated if workload.placements and asked.question.running else None
    if first is None or workload.spread is None:
        return asked.declared_demand
    carried = workload.spread.served * first.tokens_per_second * float(asked.spec.scaling.target_utilization)
    return max(asked.declared_demand, carried)


def _in_parts(workload: WorkloadPlan) -> bool:
    first = next(iter(workload.placements), None)
    spilled = workload.spread is not None and workload.spread.spilled > 0
    return workload.several or spilled or (first is not None and first.wanted > first.replicas)


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
    """With the observed demand where there is one (tokens per second of the class's unit, by class label), else the
    expected.
    """
    return [_workload(owner, a, known, demand) for owner, a in known.items()]


def _workload(owner: Owner, a: Asked, known: Mapping[Owner, Asked], demand: Mapping[Owner, float]) -> Workload:
    key, group = owner[0], "/".join(owner[0])
    members = [(key, class_) for class_ in classes_of(a.label)]
    together = demand.get((key, a.label))
    expected = sum(known[m].expected for m in members if m in known)
    load = a.expected if together is None else together * (a.expected / expected if expected else 1 / len(members))
    sharing = None
    if len(members) > 1 and a.chosen is not None:
        sharing = Sharing(frozenset(map(name_of, members)), a.chosen, a.replicas)
    return Workload(
        key=name_of(owner),
        group=group,
        question=a.question,
        load=load,
        whole=not a.parts,
        weight=a.weight,
        alone=a.alone,
        sharing=sharing,
    )


def assignments(known: Mapping[Owner, Asked], found: Fleet, plan: placing.Plan) -> dict[Owner, Told]:
    """The placement that carries each workload, by class label; none for one that cannot be served, which chooses
    alone.

    Of several the best for the workload alone: a reconcile fills it first, and spills over from there.
    """
    owners = {name_of(owner): owner for owner in known}
    best: dict[Owner, tuple[float, Identity, int]] = {}
    for placement in plan.placements:
        way, first = found.ways[placement.key], min(placement.shares)
        e, served = way.mix or way.each[first], [owners[name] for name in placement.shares]
        owner = (served[0][0], shared(class_ for _, class_ in served))
        score = OBJECTIVES[known[owners[first]].question.workload.objective].score(e)
        offered = (score, e.identity, placement.replicas)
        best[owner] = min(best.get(owner, offered), offered)
    return {owner: Told(identity, replicas) for owner, (_, identity, replicas) in best.items()}
