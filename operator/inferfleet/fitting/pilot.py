"""Recommending hardware for a language model that nobody has measured yet: the terms, and the score. Pure.

The task is LLM-Pilot's (Lazuka, Anghel, Parnell: "LLM-Pilot: Characterize and Optimize Performance of your LLM
Inference Services", SC24, arXiv 2410.02425): all measurements of one language model are hidden; from those of the
others say on which GPU profile, and in how many pods, it serves so many users within two limits at the least cost.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """A language model, as its public configuration describes it."""

    name: str
    parameters: float
    layers: int
    kv_width: int  # elements of one layer's keys of one token: KV heads x head dimension
    flash: bool  # served by kernels for variable lengths; without, batches are padded
    encoder_decoder: bool


@dataclass(frozen=True)
class Profile:
    """GPUs of one pod: `count` of one `chip`. Bytes, bytes/s, dense FLOP/s at 16 bits of one GPU; USD per pod-hour."""

    name: str
    chip: str
    count: int
    memory: float
    bandwidth: float
    flops: float
    price: float


@dataclass(frozen=True)
class Cell:
    """What one pod answered to so many users, each sending the next request once the last is answered.

    `nttft`: median time to first token per input token, ms. `itl`: median inter-token latency, ms.
    """

    language: Language
    profile: Profile
    users: int
    nttft: float
    itl: float


@dataclass(frozen=True)
class Target:
    """So many users in all, both medians within their limits (ms). The defaults are the paper's."""

    users: int = 200
    nttft: float = 100.0
    itl: float = 50.0


@dataclass(frozen=True)
class Recommendation:
    """So many pods of a profile."""

    profile: str
    pods: int


@dataclass(frozen=True)
class Verdict:
    """What came of a recommendation. `overspend`: its cost over the least possible, less one; absent if it failed."""

    language: str
    recommended: Recommendation | None
    best: Recommendation
    overspend: float | None


@dataclass(frozen=True)
class Score:
    """`success`: share of language models served within limits. `overspend`: mean over these alone."""

    success: float
    overspend: float

    @property
    def value(self) -> float:
        """LLM-Pilot's S/O: the harmonic mean of the success rate and of one less the overspend, not below 0."""
        thrift = max(0.0, 1 - self.overspend)
        return 2 * self.success * thrift / (self.success + thrift) if self.success and thrift else 0.0


def pods_needed(users: int, capacity: int) -> int | None:
    """Pods for so many users if one serves `capacity` within limits; none if it serves nobody."""
    return math.ceil(users / capacity) if capacity else None


def capacities(cells: Iterable[Cell], target: Target) -> dict[str, int]:
    """Users that one pod of each profile serves within limits: the largest load tried below the first that fails."""
    within: dict[str, int] = {}
    broken: set[str] = set()
    for cell in sorted(cells, key=lambda c: c.users):
        name = cell.profile.name
        if cell.nttft > target.nttft or cell.itl > target.itl:
            broken.add(name)
        within[name] = within.get(name, 0) if name in broken else cell.users
    return within


def cheapest(served: Mapping[str, int], prices: Mapping[str, float], users: int) -> Recommendation | None:
    """The recommendation of whoever knows what each profile serves."""
    possible = [
        (pods * prices[name], name, pods)
        for name, capacity in served.items()
        if (pods := pods_needed(users, capacity)) is not None
    ]
    if not possible:
        return None
    _, name, pods = min(possible)
    return Recommendation(name, pods)


def judge(given: Recommendation | None, cells: Sequence[Cell], target: Target) -> Verdict | None:
    """Against what was measured of this language model; nothing if no profile serves it within limits."""
    served = capacities(cells, target)
    prices = {c.profile.name: c.profile.price for c in cells}
    best = cheapest(served, prices, target.users)
    if best is None:
        return None
    name = cells[0].language.name
    if given is None or given.pods * served.get(given.profile, 0) < target.users:
        return Verdict(name, given, best, None)
    overspend = given.pods * prices[given.profile] / (best.pods * prices[best.profile]) - 1
    return Verdict(name, given, best, overspend)


def score(verdicts: Sequence[Verdict]) -> Score:
    """Over all language models alike. Nothing recommended or too little counts as a failure."""
    paid = [v.overspend for v in verdicts if v.overspend is not None]
    if not paid:
        return Score(0.0, 0.0)
    return Score(len(paid) / len(verdicts), sum(paid) / len(paid))
