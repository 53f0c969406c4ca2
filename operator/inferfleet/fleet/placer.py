"""The placement loop's memory: what every workload may choose from, and what the program chose for all.

Called by the controller. Runs the program in a process of its own; reads and writes nothing of the cluster.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from inferfleet.catalog.loader import Catalog
from inferfleet.fleet.assign import Asked, Owner, asked, assignments, standing, workloads
from inferfleet.fleet.observe import Stores, read_nodes, read_pools
from inferfleet.fleet.rooms import rooms
from inferfleet.fleet.types import Key, Plan, PoolView, Told
from inferfleet.names import classes_of
from inferfleet.placing.again import Last, again, solved
from inferfleet.placing.process import place_apart
from inferfleet.placing.types import Plan as FleetPlan
from inferfleet.placing.types import Problem, Settings, Status
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.options.build import fleet

log = logging.getLogger(__name__)

GATHER_SECONDS = 1.0
"""Changes come in bursts: an applied folder, a restart."""
INTERVAL_SECONDS = 60.0
"""Demand moves without any object changing."""
SOLVER = Settings(time_limit=10.0, gap=0.001)
Result = Literal["solved", "mended", "kept", "unanswered"]
Solve = Callable[[Problem, Settings], Awaitable[FleetPlan]]


@dataclass(frozen=True)
class Round:
    """What came of one."""

    moved: frozenset[Key]
    """Models whose placement is not what was chosen for them."""
    plan: FleetPlan
    seconds: float
    result: Result
    """Whether the whole program ran, only what changed was placed anew, or nothing had changed."""


class Placer:
    """Remembers between rounds."""

    def __init__(self, catalog: Catalog, solve: Solve = place_apart) -> None:
        self._catalog, self._solve = catalog, solve
        self._known: dict[Key, dict[str, Asked]] = {}
        self._standing: dict[Key, Counter[str]] = {}
        self._told: dict[Key, dict[str, Told]] = {}
        self._memo = Memo()
        self._last: Last | None = None
        self._changed = asyncio.Event()
        self._knows = False
        self._awaited: set[Key] = set()

    def expect(self, keys: Iterable[Key]) -> None:
        """Models that are there at the start: a round that saw a part of them would give their room to others."""
        self._awaited = set(keys)

    def note(self, key: Key, plan: Plan | None) -> None:
        """What a reconcile planned; None: the Model is gone.

        A workload that is new or gone starts a round, or one that may be split now.
        """
        self.heard(key)
        found = asked(plan) if plan else {}
        if _shape(found) != _shape(self._known.get(key, {})):
            self._changed.set()
        if plan is None:
            self._known.pop(key, None)
            self._standing.pop(key, None)
            self._told.pop(key, None)
            return
        self._known[key], self._standing[key] = found, standing(plan)
        told = self._told.get(key, {})
        self._told[key] = {label: i for label, i in told.items() if all(c in found for c in classes_of(label))}

    def heard(self, key: Key) -> None:
        """A Model was reconciled, or could not be: the first round waits for it no longer."""
        if key in self._awaited:
            self._awaited.remove(key)
            self._changed.set()

    def wake(self) -> None:
        """A pool, class or node changed."""
        self._changed.set()

    def assigned(self, key: Key) -> dict[str, Told] | None:
        """What was chosen for a Model's workloads, by class; None before the first round: what runs may be that."""
        return dict(self._told.get(key, {})) if self._knows else None

    def failed(self) -> None:
        """A round gave nothing: workloads choose alone, or keep to the last one. The next is due at once."""
        self._knows = True
        self._changed.set()

    async def wait(self) -> None:
        """Until a round is due."""
        try:
            await asyncio.wait_for(self._changed.wait(), INTERVAL_SECONDS)
        except TimeoutError:
            return
        await asyncio.sleep(GATHER_SECONDS)
        self._changed.clear()

    async def round(self, stores: Stores, demand: Mapping[Owner, float]) -> Round | None:
        """Choose for all; None where there is nothing to choose, or not all has been looked at since the start."""
        known = {(key, class_): a for key, classes in self._known.items() for class_, a in classes.items()}
        began = time.monotonic()
        if not known or self._awaited:
            return None
        pools = [p for p in read_pools(stores).values() if isinstance(p, PoolView)]
        there = rooms(pools, read_nodes(stores), self._standing, self._catalog)
        found = await asyncio.to_thread(fleet, workloads(known, demand), there, self._memo)
        plan, result = await self._planned(found.problem)
        self._knows = True
        if result == "unanswered":  # far from the best, it is no reason to move what runs
            log.warning("the placement program gave no answer; placements stay as they were chosen before")
            return Round(frozenset(), plan, time.monotonic() - began, result)
        moved = self._tell(assignments(known, found, plan))
        return Round(moved, plan, time.monotonic() - began, result)

    async def _planned(self, problem: Problem) -> tuple[FleetPlan, Result]:
        last = self._last
        found = await asyncio.to_thread(again, last, problem, SOLVER) if last else None
        if last and found:
            self._last = found
            return found.plan, "kept" if found.plan is last.plan else "mended"
        plan = await self._solve(problem, SOLVER)
        self._last = solved(problem, plan)
        return plan, "unanswered" if plan.status is Status.GREEDY else "solved"

    def _tell(self, chosen: Mapping[Owner, Told]) -> frozenset[Key]:
        """Those that are there still; the Models that are to move."""
        told: dict[Key, dict[str, Told]] = {}
        moved = set()
        for (key, label), one in chosen.items():
            known = self._known.get(key, {})
            if all(class_ in known for class_ in classes_of(label)):
                told.setdefault(key, {})[label] = one
                now = {(known[class_].label, known[class_].chosen) for class_ in classes_of(label)}
                moved |= set() if now == {(label, one.identity)} else {key}
        self._told = told
        return frozenset(moved)


def _shape(found: Mapping[str, Asked]) -> dict[str, bool]:
    """Workloads, and whether each may be split."""
    return {class_: one.parts for class_, one in found.items()}
