"""The sentence for a workload that no candidate can serve. Pure."""

from collections.abc import Collection, Mapping

from inferfleet.names import Reason
from inferfleet.planning.types import Pin, Question, Rejection

SHOWN = 8
"""Candidates in the sentence; `status.rejected` has more."""
PROBLEMS = 3
"""Unusable pools in the sentence."""


def most_telling(rejected: list[Rejection]) -> list[Rejection]:
    """Those that nobody pinned last: they say nothing that the user did not."""
    return sorted(rejected, key=lambda r: r.reason == Reason.NOT_PINNED)


def no_candidate(rejected: list[Rejection], q: Question) -> str:
    """Why each cannot, what the pin names in vain, and which pools cannot be used at all."""
    unusable = _unusable(q.unreadable)
    if not rejected:
        return _no_pool(q) + unusable
    if q.pin and all(r.reason == Reason.NOT_PINNED for r in rejected):
        return f"spec.workloads[].placement pins {q.pin.words}: {_vain(q.pin, q)}{unusable}"
    listed = "; ".join(
        f"{r.candidate.variant.name} on {r.candidate.pool.name}: {r.reason}, {r.message}"
        for r in most_telling(rejected)[:SHOWN]
    )
    more = f"; and {len(rejected) - SHOWN} more in status.rejected" if len(rejected) > SHOWN else ""
    return f"none of {len(rejected)} candidates can serve: {listed}{more}{unusable}"


def _no_pool(q: Question) -> str:
    if q.unreadable and not q.unselected:
        return "no HardwarePool can be used"
    selected = f", which selects none of {_listed(q.unselected)}" if q.unselected else ""
    return f"there is no HardwarePool to choose from; create one, or widen spec.workloads[].pools{selected}"


def _unusable(unreadable: Mapping[str, str]) -> str:
    problems = [f"{Reason.POOL_INVALID}, {unreadable[name]}" for name in sorted(unreadable)]
    more = f"; and {len(problems) - PROBLEMS} more pools" if len(problems) > PROBLEMS else ""
    return "".join(f"; {problem}" for problem in problems[:PROBLEMS]) + more


def _vain(pin: Pin, q: Question) -> str:
    """The first part of a pin that no candidate has."""
    pools, variants = {p.name: p for p in q.pools}, {v.name for v in q.variants}
    if pin.pool in q.unselected:
        return f"HardwarePool {pin.pool} is not among those that spec.workloads[].pools selects"
    if pin.pool in q.unreadable:
        return f"HardwarePool {pin.pool} cannot be used"
    if pin.pool not in pools:
        return f"there is no HardwarePool {pin.pool}; there are {_listed(pools)}"
    if pin.variant not in variants:
        return f"the Model has no variant {pin.variant}; it has {_listed(variants)}"
    return f"pool {pin.pool} has no engine {pin.engine}; it has {_listed(pools[pin.pool].engines)}"


def _listed(found: Collection[str]) -> str:
    return ", ".join(sorted(found)[:SHOWN]) + (" and others" if len(found) > SHOWN else "")
