"""Classes of a Model that the fleet's program puts on one placement, as one workload. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from inferfleet import names
from inferfleet.api.model import Demand
from inferfleet.api.model import Workload as Declared
from inferfleet.catalog.loader import Catalog
from inferfleet.fleet.build.dialect import versions
from inferfleet.fleet.pools import Tenant, pool, yielding
from inferfleet.fleet.types import Blocked, Observed, Plan, PoolView, Told, Valid
from inferfleet.fleet.validate import vanished
from inferfleet.planning.options.merge import Workload, alike, merged
from inferfleet.planning.types import Question
from inferfleet.settings import Settings

Items = tuple[Valid | Blocked, ...]
World = tuple[Catalog, Settings]


class Make(Protocol):
    """`make_plan` with what it is given beside."""

    def __call__(self, *, validated: Items, assigned: Mapping[str, Told] | None) -> Plan: ...


def planned(
    seen: Observed, items: Items, assigned: Mapping[str, Told] | None, world: World, make: Make
) -> tuple[Items, Plan]:
    """With the classes together that are to be; also those that are to part and have no room to."""
    found = together(items, assigned or {}, seen, world)
    plan = make(validated=found, assigned=assigned)
    kept = _stuck(plan, seen, assigned or {})
    if kept is None:
        return found, plan
    stays = together(items, kept, seen, world)
    again = make(validated=stays, assigned=kept)
    return (stays, again) if _stuck(again, seen, kept) is None else (found, plan)


def together(items: Items, assigned: Mapping[str, object], seen: Observed, world: World) -> Items:
    """The classes by themselves, but those in one that are assigned a placement in common (`assigned` by class label).

    Not while one of them cannot be planned, or is not like the others any more: then each is for itself. Until the
    program has spoken, after a restart, what is served together stays together.
    """
    told = {class_ for label in assigned for class_ in names.classes_of(label)}
    kept = {label for label in seen.served_by.values() if not told.intersection(names.classes_of(label))}
    found = {item.workload.class_ if isinstance(item, Valid) else item.class_: item for item in items}
    for label in sorted({*assigned, *kept}):
        members = [found.get(class_) for class_ in names.classes_of(label)]
        able = [m for m in members if isinstance(m, Valid) and shareable(m)]
        if 1 < len(able) == len(members) and alike(_asked(able)):
            found = {class_: item for class_, item in found.items() if item not in able}
            found[label] = _as_one(label, able, seen, world)
    return tuple(found.values())


def _stuck(plan: Plan, seen: Observed, assigned: Mapping[str, Told]) -> dict[str, Told] | None:
    """What to assign instead where classes are to part and one of them has no place beside what serves them together:
    that goes on serving them. None: there is no such class.
    """
    nowhere = {class_ for w in plan.workloads if not w.planned for class_ in w.classes}
    labels = {label for class_ in nowhere if len(names.classes_of(label := seen.served_by.get(class_, class_))) > 1}
    there = {p.class_: Told(p.identity, p.replicas) for p in seen.live if p.class_ in labels and not p.spill}
    if not there:
        return None
    parting = {class_ for label in there for class_ in names.classes_of(label)}
    return {label: told for label, told in assigned.items() if parting.isdisjoint(names.classes_of(label))} | there


def shareable(valid: Valid) -> bool:
    """Whether it may, and this operator alone decides about its replicas."""
    return valid.workload.placement.share and not (valid.external or valid.advised)


def _as_one(label: str, members: Sequence[Valid], seen: Observed, world: World) -> Valid | Blocked:
    if problem := vanished(seen.running(label), seen, world[0]):
        return Blocked(label, problem)
    keeps_image = any(m.keeps_image for m in members)
    kept = versions(seen.running(label), world[1], keeps_image=keeps_image)
    question = replace(_question(label, merged(_asked(members)), seen, world), versions=kept)
    return Valid(
        _declared(label, [m.workload for m in members]),
        question.workload,
        question,
        keeps_image=keeps_image,
        moves_paused=any(m.moves_paused for m in members),
        members=tuple(members),
    )


def _asked(members: Sequence[Valid]) -> list[Workload]:
    return [Workload(m.workload.class_, "", m.question, m.declared_demand, weight=m.weight) for m in members]


def _question(label: str, asked: Question, seen: Observed, world: World) -> Question:
    catalog, settings = world
    mine = (seen.namespace, seen.name, label)
    tenant = Tenant(mine, yielding(mine, seen, settings.priority_classes))
    views = [view for p in asked.pools if isinstance(view := seen.pools.get(p.name), PoolView)]
    there = [p for p in seen.running(label) if not p.spill]
    running, slots = {p.identity: p.replicas for p in there}, {p.identity: p.slots for p in there}
    pools = tuple(pool(view, seen, tenant, catalog) for view in views)
    return replace(asked, pools=pools, incumbents=frozenset(running), running=running, slots=slots)


def _declared(label: str, members: Sequence[Declared]) -> Declared:
    """At least what the most demanding needs, at most what all may have, for the sum of what they expect."""
    first, expected = members[0], [m.demand for m in members if m.demand]
    replicas = first.replicas.model_copy(
        update={"min": max(m.replicas.min for m in members), "max": sum(m.replicas.max for m in members)}
    )
    hourly = round(sum(d.per_second for d in expected) * 3600)
    guaranteed = any(d.guaranteed for d in expected)
    demand = Demand(requests_per_hour=hourly, guaranteed=guaranteed) if expected else None
    return first.model_copy(update={"class_": label, "replicas": replicas, "demand": demand})
