"""The placement program over all workloads of a world, as the operator's placement loop runs it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from inferfleet.fleet.assign import Asked, Owner, asked, assignments, standing, workloads
from inferfleet.fleet.observe import read_nodes, read_pools
from inferfleet.fleet.placer import SOLVER
from inferfleet.fleet.rooms import rooms
from inferfleet.fleet.types import Key, Plan, PoolView, Told
from inferfleet.offline.world import World
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.options.build import fleet


@dataclass(frozen=True)
class Chosen:
    """What was chosen for the fleet as a whole."""

    placements: Mapping[Owner, Told] = field(default_factory=dict)
    note: str = ""

    def of(self, key: Key) -> dict[str, Told]:
        """Of one Model, by class."""
        return self.by_model.get(key, {})

    @cached_property
    def by_model(self) -> Mapping[Key, dict[str, Told]]:
        """The same by Model and class."""
        found: dict[Key, dict[str, Told]] = {}
        for (key, class_), told in self.placements.items():
            found.setdefault(key, {})[class_] = told
        return found


def together(
    world: World, plans: Sequence[tuple[Key, Plan]], others: Mapping[Key, Mapping[str, int]], memo: Memo
) -> Chosen:
    """Nothing where there is only one workload, which has nobody to share with.

    `others`: replicas by pool of each Model that is not planned.
    """
    known: dict[Owner, Asked] = {(key, class_): a for key, plan in plans for class_, a in asked(plan).items()}
    if len(known) < 2:
        return Chosen()
    from inferfleet.placing.place import place  # noqa: PLC0415  needs an extra

    pools = [view for view in read_pools(world.stores).values() if isinstance(view, PoolView)]
    held = {**others, **{key: standing(plan) for key, plan in plans}}
    there = rooms(pools, read_nodes(world.stores), held, world.catalog)
    problem = fleet(workloads(known, {}), there, memo)
    plan = place(problem.problem, SOLVER)
    note = f"placed together as one fleet: at most {plan.gap:.1%} above the least cost there is ({plan.status})"
    return Chosen(assignments(known, problem, plan), note)
