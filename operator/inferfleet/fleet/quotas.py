"""What quotas leave of each pool to the workloads that the placement program decides about. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from inferfleet.catalog.loader import Catalog
from inferfleet.fleet.pools import accelerator_of, size_of
from inferfleet.fleet.types import Key, PoolView
from inferfleet.planning.options.build import Room

Tenant = tuple[str, str]
"""Pool and namespace."""


def held_by(standing: Mapping[Key, Mapping[str, int]]) -> dict[Tenant, int]:
    """Replicas of Models, by pool and namespace. `standing`: of each Model by pool."""
    found: dict[Tenant, int] = {}
    for (namespace, _), pools in standing.items():
        for pool, replicas in pools.items():
            found[pool, namespace] = found.get((pool, namespace), 0) + replicas
    return found


def by_pool(held: Mapping[Tenant, int]) -> dict[str, int]:
    """Replicas of all namespaces."""
    found: dict[str, int] = {}
    for (pool, _), replicas in held.items():
        found[pool] = found.get(pool, 0) + replicas
    return found


def with_quotas(
    there: Mapping[str, Room], pools: Iterable[PoolView], held: Mapping[Tenant, int], catalog: Catalog
) -> dict[str, Room]:
    """Rooms with the accelerators that each limited namespace may use beside what it holds already (`held`, replicas
    of what the program does not decide about).
    """
    found = dict(there)
    for view in pools:
        count = size_of(view.spec, accelerator_of(view.spec, catalog)[1])[0]
        quotas = {
            q.namespace: max(0.0, float(q.accelerators - held.get((view.name, q.namespace), 0) * count))
            for q in view.spec.quotas
        }
        found[view.name] = replace(found[view.name], quotas=quotas)
    return found
