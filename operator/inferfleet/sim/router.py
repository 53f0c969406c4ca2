"""Which replica a request goes to. Pure memory."""

from collections.abc import Iterable

import numpy as np

from inferfleet.sim.replica import Replica
from inferfleet.sim.types import Policy, Router


class Dispatcher:
    """Knows the ready replicas that do not drain, by class of request."""

    def __init__(self, router: Router, classes: tuple[str, ...], seed: int) -> None:
        self._router, self._classes = router, classes
        self._members: tuple[list[Replica], ...] = tuple([] for _ in classes)
        self._known: dict[int, int] = {}
        """Requests in flight by replica, as of the last look."""
        self._looked = float("-inf")
        self._turn = 0
        # drawn ahead: a call of numpy for each request would cost more than all else here
        self._draws = np.random.default_rng((seed, 1)).random(4096).tolist()

    def join(self, replicas: Iterable[Replica]) -> None:
        """All that may be chosen from now on."""
        found = list(replicas)
        self._members = tuple(
            [r for r in found if not r.pool.classes or class_ in r.pool.classes] for class_ in self._classes
        )
        self._known = {r.number: self._known.get(r.number, 0) for r in found}

    def pick(self, number: int, class_: int, now: float) -> Replica | None:
        """None: none is ready."""
        members = self._members[class_]
        if not members:
            return None
        if self._router.staleness and now - self._looked >= self._router.staleness:
            self._look(now)
        self._turn += 1
        chosen = members[0] if len(members) == 1 else self._choose(members, number)
        if self._router.counts_own and self._router.staleness:
            self._known[chosen.number] += 1
        return chosen

    def free(self, class_: int) -> bool:
        """Whether some replica has a slot that nobody uses."""
        return any(r.outstanding < r.pool.engine.slots for r in self._members[class_])

    def _look(self, now: float) -> None:
        self._looked = now
        self._known = {r.number: r.outstanding for members in self._members for r in members}

    def _choose(self, members: list[Replica], number: int) -> Replica:
        policy, n = self._router.policy, len(members)
        if policy == Policy.ROBIN:
            return members[self._turn % n]
        if policy == Policy.RANDOM:
            return members[int(self._draw() * n)]
        if policy == Policy.TWO:
            first = int(self._draw() * n)
            second = (first + 1 + int(self._draw() * (n - 1))) % n
            return min(members[first], members[second], key=self._load)
        if policy == Policy.TOKENS:
            return min(members, key=lambda r: (r.unread + r.to_read(number), r.outstanding))
        least = self._least(members)
        return self._with_prefix(members, least, number) if policy == Policy.PREFIX else least

    def _least(self, members: list[Replica]) -> Replica:
        """Equals take turns."""
        start = self._turn % len(members)
        order = members[start:] + members[:start]
        if self._router.staleness:
            return min(order, key=self._load)
        best, count = order[0], order[0].outstanding
        for replica in order:
            if replica.outstanding < count:
                best, count = replica, replica.outstanding
        return best

    def _with_prefix(self, members: list[Replica], least: Replica, number: int) -> Replica:
        most = self._load(least) + self._router.imbalance
        free = [r for r in members if self._load(r) <= most]
        return max(free, key=lambda r: (r.memory.cached_blocks(number), -self._load(r), -r.number))

    def _load(self, replica: Replica) -> int:
        return self._known.get(replica.number, 0) if self._router.staleness else replica.outstanding

    def _draw(self) -> float:
        self._turn += 1
        found: float = self._draws[self._turn % len(self._draws)]
        return found
