"""Whether HardwarePools and WorkloadClasses can be used: the conditions in their own status. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any

from pydantic import ValidationError

from inferfleet.api.base import GROUP, VERSION, Condition, timestamp
from inferfleet.api.common import AcceptedStatus
from inferfleet.api.external import External
from inferfleet.api.figures import latency
from inferfleet.api.hardware_pool import HardwarePoolSpec, HardwarePoolStatus
from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.catalog.loader import Catalog
from inferfleet.catalog.near import unknown
from inferfleet.fleet.pools import accelerator_of, matching, room, selector_of
from inferfleet.fleet.types import Node, Obj, PoolView, Problem
from inferfleet.fleet.unobeyed import obeyed, unobeyed_of_pool
from inferfleet.names import Cond, Reason
from inferfleet.planning.unit import without_answers

Verdict = tuple[str, str, str]
"""Status, reason, message."""


@dataclass(frozen=True)
class _Strange:
    """A list with names that the catalog does not have."""

    message: str
    none_usable: bool


def pool_verdicts(
    pools: Mapping[str, PoolView | Problem], nodes: tuple[Node, ...], catalog: Catalog
) -> dict[str, HardwarePoolStatus]:
    """The status of every pool, without times and generations."""
    shared = _shared(pools, nodes, catalog)
    found = {}
    for name, pool in pools.items():
        if isinstance(pool, Problem):
            found[name] = HardwarePoolStatus(conditions=_conditions({Cond.ACCEPTED: _refused(pool)}))
            continue
        _, accelerator = accelerator_of(pool.spec, catalog)
        there = room(pool.spec, accelerator, nodes)
        verdicts = {
            Cond.ACCEPTED: _external(pool.spec.external, catalog)
            if pool.spec.external
            else _pool(pool.spec, catalog, there.nodes)
        }
        verdicts[Cond.FIELDS_OBEYED] = obeyed(unobeyed_of_pool(pool.spec))
        if pool.spec.nodes:
            verdicts[Cond.NODES_EXCLUSIVE] = shared[name]
        found[name] = HardwarePoolStatus(conditions=_conditions(verdicts), nodes=there.nodes, replicas=there.replicas)
    return found


def class_verdicts(classes: Mapping[str, WorkloadClassSpec | Problem], catalog: Catalog) -> dict[str, AcceptedStatus]:
    """The status of every class, without times and generations."""
    return {name: AcceptedStatus(conditions=_conditions(_class(c, catalog))) for name, c in classes.items()}


def _conditions(verdicts: Mapping[str, Verdict]) -> list[Condition]:
    return [
        Condition(type=type_, status=status, reason=reason, message=message[:8192], last_transition_time="")  # type: ignore[arg-type]
        for type_, (status, reason, message) in verdicts.items()
    ]


def _accepted(message: str) -> Verdict:
    return "True", Reason.ACCEPTED, message


def _warned(reason: str, message: str) -> Verdict:
    """It can be used, and not all that is named."""
    return "True", reason, message


def _refused(problem: Problem) -> Verdict:
    return "False", problem.reason, problem.message


def _pool(spec: HardwarePoolSpec, catalog: Catalog, nodes: int) -> Verdict:
    name, accelerator = accelerator_of(spec, catalog)
    if accelerator is None:
        return "False", Reason.ACCELERATOR_UNKNOWN, f"spec.accelerator: {unknown(name, catalog.accelerators)}"
    strange = _strange_engines(spec, catalog)
    if strange and strange.none_usable:
        return "False", Reason.ENGINE_UNKNOWN, strange.message
    if accelerator.kind == "CPU" and not (spec.nodes and spec.nodes.replica):
        message = f"{name} is a CPU, whose accelerator is a core: set spec.nodes.replica (cpu and memory)"
        return "False", Reason.REPLICA_NOT_DECLARED, message
    if spec.price is None:
        return "False", Reason.NO_PRICE, "without spec.price nothing can be placed here"
    if not nodes:
        return "True", Reason.NODES_NOT_FOUND, "no usable node matches spec.nodes.selector now"
    usable = "models can be placed here"
    return _warned(Reason.ENGINE_UNKNOWN, f"{usable}, but {strange.message}") if strange else _accepted(usable)


def _strange_engines(spec: HardwarePoolSpec, catalog: Catalog) -> _Strange | None:
    """Of the pool's own list, else of its own hardware's."""
    if spec.engines is not None:
        return _strange(spec.engines, catalog.engines, "spec.engines")
    return _strange(spec.custom.engines, catalog.engines, "spec.custom.engines") if spec.custom else None


def _strange(given: Sequence[str], known: Mapping[str, object], where: str) -> _Strange | None:
    """The first of these names that the catalog does not have, or None where it has all; an empty list has none."""
    names = [name for name in given if name not in known]
    if given and not names:
        return None
    message = f"{where}: {unknown(names[0], known)}" if names else f"{where} is empty: name one, or leave it out"
    return _Strange(message, len(names) == len(given))


def _external(external: External, catalog: Catalog) -> Verdict:
    for model in external.models:
        if model.architecture not in catalog.models:
            message = f"spec.external.models[{model.name}].architecture: {unknown(model.architecture, catalog.models)}"
            return "False", Reason.ARCHITECTURE_UNKNOWN, message
    return "True", Reason.EXTERNAL_NOT_SERVED, "this release has no gateway yet that could send requests to a provider"


def _shared(pools: Mapping[str, PoolView | Problem], nodes: tuple[Node, ...], catalog: Catalog) -> dict[str, Verdict]:
    """Nodes that two pools count are planned with twice."""
    members = {
        name: {n.name for n in matching(nodes, selector_of(pool.spec, accelerator_of(pool.spec, catalog)[1]))}
        for name, pool in pools.items()
        if isinstance(pool, PoolView) and pool.spec.nodes
    }
    partners: dict[str, list[str]] = {name: [] for name in members}
    for one, other in combinations(sorted(members), 2):
        if members[one] & members[other]:
            partners[one].append(other)
            partners[other].append(one)
    alone: Verdict = ("True", Reason.NODES_EXCLUSIVE, "no other pool has these nodes")
    return {
        name: ("False", Reason.NODES_SHARED, _sharing(members, name, others)) if others else alone
        for name, others in partners.items()
    }


def _sharing(members: Mapping[str, set[str]], name: str, others: list[str]) -> str:
    both = sorted(set().union(*(members[name] & members[other] for other in others)))
    more = f" and {len(both) - 3} more" if len(both) > 3 else ""
    return (
        f"pool {', '.join(others[:8])} has nodes {', '.join(both[:3])}{more} too: each counts their full room, so pods "
        "may stay Pending; give each pool labels of its own"
    )


def _class(class_: WorkloadClassSpec | Problem, catalog: Catalog) -> dict[str, Verdict]:
    if isinstance(class_, Problem):
        return {Cond.ACCEPTED: _refused(class_)}
    return {Cond.ACCEPTED: _allowed(class_, catalog), Cond.SLO_CONSISTENT: _slo(class_)}


def _allowed(class_: WorkloadClassSpec, catalog: Catalog) -> Verdict:
    allow = class_.quantization.allow if class_.quantization else None
    strange = None if allow is None else _strange(allow, catalog.quantizations, "spec.quantization.allow")
    if strange is None:
        return _accepted("Models can name it")
    if strange.none_usable:
        return "False", Reason.QUANTIZATION_UNKNOWN, strange.message
    return _warned(Reason.QUANTIZATION_UNKNOWN, f"Models can name it, but {strange.message}")


def _slo(class_: WorkloadClassSpec) -> Verdict:
    slo, tokens = class_.slo, without_answers(class_).traffic.output.p50
    if slo.ttft is None or slo.tpot is None or slo.end_to_end is None:
        return "True", Reason.SLO_CONSISTENT, "the targets do not contradict each other"
    sum_ = slo.ttft.total_seconds() + slo.tpot.total_seconds() * (tokens - 1)
    if sum_ <= slo.end_to_end.total_seconds():
        return "True", Reason.SLO_CONSISTENT, "the targets do not contradict each other"
    return (
        "False",
        Reason.SLO_INCONSISTENT,
        f"ttft and tpot at their targets make {latency(sum_)} for {tokens} tokens, above endToEnd of "
        f"{latency(slo.end_to_end.total_seconds())}: a placement must be faster than ttft and tpot ask",
    )


def stamped(status: AcceptedStatus, stored: Obj, now: datetime) -> dict[str, Any] | None:
    """The status to apply to `stored`, or None where it is there already."""
    old = _stored(stored)
    generation = stored["metadata"].get("generation", 0)
    known = {c.type: c for c in old.conditions}

    def since(new: Condition) -> str:
        before = known.get(new.type)
        return before.last_transition_time if before and before.status == new.status else timestamp(now)

    conditions = [
        c.model_copy(update={"observed_generation": generation, "last_transition_time": since(c)})
        for c in status.conditions
    ]
    fresh = status.model_copy(update={"conditions": conditions, "observed_generation": generation})
    body = fresh.model_dump(mode="json", by_alias=True, exclude_none=True)
    return None if body == stored.get("status") else body


def _stored(obj: Obj) -> AcceptedStatus:
    try:
        return AcceptedStatus.model_validate(obj.get("status", {}))
    except ValidationError:
        return AcceptedStatus()  # written by somebody else: it is written anew


def status_object(kind: str, name: str, body: Mapping[str, Any]) -> Obj:
    """As it is applied."""
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": {"name": name}, "status": dict(body)}
