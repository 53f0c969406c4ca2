"""What is taken for granted where nothing observed says it, each with a sentence that the output shows. Pure.

An assumption is written as the field of the API that would say the same, so that a user can say otherwise in the file.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING
from typing import Any

from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.catalog.loader import Accelerator, Catalog
from inferfleet.fleet.observe import Stores, read_classes, read_nodes, read_pools
from inferfleet.fleet.pools import accelerator_of, matching, room, selector_of, size_of
from inferfleet.fleet.types import Key, Obj, PoolView
from inferfleet.planning.unit import counted

AS_NEEDED = 10_000
"""Nodes: the most that `maxNodes` can say."""
NODE_OF_GPUS = 8
"""Accelerators of a node of which nobody says it: the usual server."""


@dataclass(frozen=True)
class Nodes:
    """What was assumed of one pool's nodes."""

    pool: str
    as_needed: bool
    per_node: str
    """`8 accelerators`; empty where the file says it."""


def with_nodes(pools: Mapping[Key, Obj], catalog: Catalog) -> tuple[dict[Key, Obj], tuple[Nodes, ...]]:
    """Pools as if their nodes were still to come: as many as the file allows, else as many as needed."""
    views = read_pools(Stores(pools=pools))
    found, assumed = dict(pools), []
    for key, raw in sorted(pools.items()):
        view = views[key[1]]
        if isinstance(view, PoolView) and view.spec.nodes:
            accelerator = accelerator_of(view.spec, catalog)[1]
            given = view.spec.nodes.accelerators_per_node
            per_node = given or _per_node(view, accelerator)
            nodes = {"maxNodes": AS_NEEDED, "acceleratorsPerNode": per_node} | raw["spec"]["nodes"]
            found[key] = {**raw, "spec": {**raw["spec"], "nodes": nodes}}
            cores = accelerator is not None and accelerator.kind == "CPU"
            words = "" if given else _counted(per_node, "core" if cores else "accelerator")
            assumed.append(Nodes(key[1], view.spec.nodes.max_nodes is None, words))
    return found, tuple(assumed)


def _per_node(view: PoolView, accelerator: Accelerator | None) -> int:
    """Of CPUs the cores that hold one replica; else as many as a replica may span, within one server."""
    if accelerator is None or accelerator.kind == "CPU":
        return max(1, int(size_of(view.spec, accelerator)[0].to_integral_value(ROUND_CEILING)))
    return max((n for n in accelerator.counts if n <= NODE_OF_GPUS), default=NODE_OF_GPUS)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def about_nodes(assumed: Iterable[Nodes]) -> list[str]:
    """Sentences."""
    assumed = tuple(assumed)
    sentences = []
    if needed := [a.pool for a in assumed if a.as_needed]:
        sentences.append(f"as many nodes as needed of {', '.join(needed)}: spec.nodes.maxNodes is absent")
    if bounded := [a.pool for a in assumed if not a.as_needed]:
        sentences.append(f"all nodes of {', '.join(bounded)} up to spec.nodes.maxNodes can be had")
    if sized := [f"{a.per_node} of {a.pool}" for a in assumed if a.per_node]:
        sentences.append(f"a node has {', '.join(sized)}: spec.nodes.acceleratorsPerNode is absent")
    return sentences


def about_nodes_to_come(stores: Stores, catalog: Catalog) -> list[str]:
    """Beside a snapshot's nodes those that the operator counts on, since an autoscaler may add them."""
    nodes = read_nodes(stores)
    coming = []
    for name, view in sorted(read_pools(stores).items()):
        if isinstance(view, PoolView) and view.spec.nodes:
            accelerator = accelerator_of(view.spec, catalog)[1]
            there = sum(n.usable for n in matching(nodes, selector_of(view.spec, accelerator)))
            if (more := room(view.spec, accelerator, nodes).nodes - there) > 0:
                coming.append(f"{_counted(more, 'node')} of {name}")
    return [f"up to spec.nodes.maxNodes there can be {', '.join(coming)} more"] if coming else []


def open_to_all(objects: Mapping[Key, Obj]) -> dict[Key, Obj]:
    """Pools or classes as if they allowed every namespace."""
    return {
        key: {**raw, "spec": {k: v for k, v in raw.get("spec", {}).items() if k != "allowedNamespaces"}}
        for key, raw in objects.items()
    }


def on_shared_nodes(pools: Mapping[Key, Obj], catalog: Catalog) -> list[str]:
    """Pools whose selectors are the same count the same nodes, each in full, as the operator does."""
    by_selector: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for name, view in sorted(read_pools(Stores(pools=pools)).items()):
        if isinstance(view, PoolView) and view.spec.nodes:
            selector = selector_of(view.spec, accelerator_of(view.spec, catalog)[1])
            by_selector.setdefault(tuple(sorted(selector.items())), []).append(name)
    return [
        f"{', '.join(names)} select the same nodes, and each counts all of them: give each pool labels of its own"
        for names in by_selector.values()
        if len(names) > 1
    ]


def with_demand(
    models: Mapping[Key, Obj], stores: Stores, seen: Mapping[tuple[str, str, str], float]
) -> dict[Key, Obj]:
    """Models whose demand is what was observed; a guaranteed one is a floor. `seen`: tokens per second."""
    classes = read_classes(stores)

    def one(key: Key, workload: Any) -> Any:
        class_ = classes.get(workload.get("class", ""))
        speed = seen.get((*key, workload.get("class", "")))
        if speed is None or not isinstance(class_, WorkloadClassSpec):
            return workload
        return workload | {"demand": _demand(workload.get("demand") or {}, speed / counted(class_).p50)}

    return {key: _with_workloads(raw, [one(key, w) for w in raw["spec"]["workloads"]]) for key, raw in models.items()}


def _demand(declared: Mapping[str, Any], per_second: float) -> dict[str, Any]:
    hourly = round(per_second * 3600)
    floor = declared.get("requestsPerHour") or 3600 * declared.get("requestsPerSecond", 0)
    if declared.get("guaranteed"):
        return {"requestsPerHour": max(hourly, floor), "guaranteed": True}
    return {"requestsPerHour": hourly}


def _with_workloads(raw: Obj, workloads: list[Any]) -> Obj:
    return {**raw, "spec": {**raw["spec"], "workloads": workloads}}
