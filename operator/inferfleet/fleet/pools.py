"""HardwarePools with the nodes that they have: what the planner may use of each. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from inferfleet.api.common import LabelSelector
from inferfleet.api.hardware_pool import HardwarePoolSpec
from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.catalog.loader import Accelerator, Catalog
from inferfleet.fleet.custom import custom_accelerator, custom_name
from inferfleet.fleet.types import Node, Observed, PoolView
from inferfleet.names import classes_of
from inferfleet.planning.types import Pool


@dataclass(frozen=True)
class Room:
    """What a pool's nodes hold when nothing runs there."""

    nodes: int
    replicas: int


def accelerator_of(spec: HardwarePoolSpec, catalog: Catalog) -> tuple[str, Accelerator | None]:
    """The name under which measurements are kept, and the facts; None where the catalog has no such preset."""
    if spec.custom:
        name = custom_name(spec.custom)
        return name, custom_accelerator(name, spec.custom)
    return spec.accelerator or "", catalog.accelerators.get(spec.accelerator or "")


def selector_of(spec: HardwarePoolSpec, accelerator: Accelerator | None) -> Mapping[str, str]:
    """Labels of the pool's nodes: its own, else the preset's; empty selects every node."""
    if spec.nodes and spec.nodes.selector is not None:
        return spec.nodes.selector
    return accelerator.default_selector if accelerator else {}


def matching(nodes: Iterable[Node], selector: Mapping[str, str]) -> list[Node]:
    """By name."""
    return sorted((n for n in nodes if matches(n.labels, selector)), key=lambda n: n.name)


def matches(labels: Mapping[str, str], selector: Mapping[str, str]) -> bool:
    """Whether all labels of a selector are there."""
    return all(labels.get(key) == value for key, value in selector.items())


def allows(selector: LabelSelector | None, namespace: Mapping[str, str]) -> bool:
    """Whether a namespace with these labels may use a pool or class."""
    return selector is None or matches(namespace, selector.match_labels)


def size_of(spec: HardwarePoolSpec, accelerator: Accelerator | None) -> tuple[Decimal, int]:
    """Accelerators (for CPUs, cores) and bytes of memory of one replica. Decimal, since ten times 0.1 must be 1."""
    replica = spec.nodes.replica if spec.nodes else None
    if replica and (accelerator is None or accelerator.kind == "CPU"):
        return replica.cpu, replica.memory
    return Decimal(1), int(accelerator.memory or 0) if accelerator else 0


def room(spec: HardwarePoolSpec, accelerator: Accelerator | None, nodes: Iterable[Node]) -> Room:
    """Usable nodes up to maxNodes, and with acceleratorsPerNode those that an autoscaler would add."""
    if spec.nodes is None:
        return Room(0, 0)
    usable = [n for n in matching(nodes, selector_of(spec, accelerator)) if n.usable][: spec.nodes.max_nodes]
    replicas = sum(_fits(n, spec, accelerator) for n in usable)
    to_come = max(0, (spec.nodes.max_nodes or 0) - len(usable)) if spec.nodes.accelerators_per_node else 0
    count, _ = size_of(spec, accelerator)
    return Room(len(usable) + to_come, replicas + to_come * int((spec.nodes.accelerators_per_node or 0) // count))


def _fits(node: Node, spec: HardwarePoolSpec, accelerator: Accelerator | None) -> int:
    """Replicas on an empty node: an upper bound, since the scheduler knows what else runs there."""
    count, memory = size_of(spec, accelerator)
    if accelerator is None or accelerator.kind == "CPU":
        return min(int(node.cores // count), node.memory // memory) if memory else 0
    declared = spec.nodes.accelerators_per_node if spec.nodes else None
    there = node.extended.get(accelerator.resource_name or "", 0)
    return int((there or declared or 0) // count)


@dataclass(frozen=True)
class Tenant:
    """For whom a pool's room is counted."""

    workload: tuple[str, str, str]
    """Namespace, model, class: its own replicas do not fill a pool."""
    yielding: frozenset[tuple[str, str, str]] = frozenset()
    """Workloads whose pods the scheduler evicts for its pods."""


def yielding(mine: tuple[str, str, str], seen: Observed, known: Mapping[int, str]) -> frozenset[tuple[str, str, str]]:
    """Workloads of a lower PriorityClass (`known`: names by value); none where its own has no positive one."""
    own = _value(mine[2], seen, known)
    if own <= 0:
        return frozenset()
    lower = {label for label in {w[2] for w in seen.held} if _value(label, seen, known) < own}
    return frozenset(w for w in seen.held if w != mine and w[2] in lower)


def _value(label: str, seen: Observed, known: Mapping[int, str]) -> int:
    """Of the PriorityClass that pods of a class label get (`build.scheduling`); 0 without one."""
    found = [spec for class_ in classes_of(label) if isinstance(spec := seen.classes.get(class_), WorkloadClassSpec)]
    priority = max((spec.priority for spec in found), default=0)
    return max((value for value in known if value <= priority), default=0) if priority else 0


def pool(view: PoolView, seen: Observed, tenant: Tenant, catalog: Catalog) -> Pool:
    """For the planner."""
    spec = view.spec
    name, accelerator = accelerator_of(spec, catalog)
    count, memory = size_of(spec, accelerator)
    there = room(spec, accelerator, seen.nodes)
    namespace = tenant.workload[0]
    held = {owner: n for owner, n in seen.holders.get(view.name, {}).items() if owner != tenant.workload}
    free = there.replicas - sum(held.values())
    left = _left_of_quota(spec, count, namespace, sum(n for owner, n in held.items() if owner[0] == namespace))
    # what others of its own importance evict already is not there twice
    stays = sum(n for owner, n in held.items() if owner not in tenant.yielding)
    yields = max(0, there.replicas - stays - max(0, free))
    return Pool(
        name=view.name,
        accelerator_name=name,
        accelerator=accelerator,
        engines=tuple(spec.engines) if spec.engines is not None else (accelerator.engines if accelerator else ()),
        selector=selector_of(spec, accelerator),
        cores=float(count),
        memory=memory,
        price=spec.price.per_accelerator_hour if spec.price else None,
        nodes=there.nodes,
        free=free if left is None else min(free, left),
        quota=namespace if left is not None and left < free else None,
        yielding=yields if left is None else max(0, min(yields, left - max(0, free))),
        allowed=allows(spec.allowed_namespaces, seen.namespace_labels),
        watts=spec.power.max_watts if spec.power else (accelerator.watts if accelerator else None),
        external=spec.external,
        spec=spec,
        accelerators_per_node=_smallest(seen.nodes, spec, accelerator),
    )


def _smallest(nodes: Iterable[Node], spec: HardwarePoolSpec, accelerator: Accelerator | None) -> int | None:
    """Accelerators of the pool's node that has fewest: what spans several must fit on any. None where none has any."""
    name = accelerator.resource_name if accelerator else None
    there = (n.extended.get(name or "", 0) for n in matching(nodes, selector_of(spec, accelerator)) if n.usable)
    return min(filter(None, there), default=None)


def _left_of_quota(spec: HardwarePoolSpec, count: Decimal, namespace: str, held: int) -> int | None:
    """Replicas that a namespace which holds so many may add; None where it is not limited."""
    quota = next((q.accelerators for q in spec.quotas if q.namespace == namespace), None)
    return None if quota is None else int((quota - held * count) // count)
