"""What each pool has for the workloads that the placement program decides about. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping

from inferfleet.catalog.loader import Catalog
from inferfleet.fleet.pools import accelerator_of, room, size_of
from inferfleet.fleet.types import Key, Node, PoolView
from inferfleet.planning.options.build import Room


def rooms(
    pools: Iterable[PoolView], nodes: Iterable[Node], standing: Mapping[Key, Mapping[str, int]], catalog: Catalog
) -> dict[str, Room]:
    """Accelerators (for CPUs, cores) of replicas that fit on each pool's nodes, by pool, and how many of them each
    namespace with a quota may use.

    Beside replicas that the program does not decide about (`standing`: of each Model by pool).
    """
    nodes, held, found = list(nodes), _held(standing), {}
    for view in pools:
        accelerator = accelerator_of(view.spec, catalog)[1]
        count = size_of(view.spec, accelerator)[0]
        here = held.get(view.name, Counter[str]())
        free = room(view.spec, accelerator, nodes).replicas - here.total()
        quotas = {q.namespace: max(0.0, float(q.accelerators - here[q.namespace] * count)) for q in view.spec.quotas}
        found[view.name] = Room(max(0, free) * float(count), quotas=quotas)
    return found


def _held(standing: Mapping[Key, Mapping[str, int]]) -> dict[str, Counter[str]]:
    """Replicas by pool and namespace."""
    found: dict[str, Counter[str]] = {}
    for (namespace, _), pools in standing.items():
        for pool, replicas in pools.items():
            found.setdefault(pool, Counter())[namespace] += replicas
    return found
