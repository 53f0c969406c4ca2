"""Bring the cluster to a plan: apply what differs, delete what nothing serves any more. Writes."""

from collections.abc import Callable

from inferfleet import names
from inferfleet.api.base import GROUP
from inferfleet.errors import Rejected
from inferfleet.fleet.drift import needs_apply
from inferfleet.fleet.types import Applied, Obj, Observed, Plan, Problem
from inferfleet.kube import kinds
from inferfleet.kube.cluster import Cluster
from inferfleet.names import Reason

Written = Callable[[Obj], None]
"""Told of every object as the server returned it, so that the next look does not see an older one."""


async def apply(desired: list[Obj], plan: Plan, seen: Observed, cluster: Cluster, written: Written) -> Applied:
    """Objects first, removals last. A write that is refused becomes a condition and stops no other.

    Raises the passing errors (`Conflict`, `Transient`): the queue tries again.
    """
    writes, problems = 0, []
    for obj in desired:
        try:
            if await _apply_one(obj, seen, cluster, written):
                writes += 1
        except Rejected as error:
            problems.append(Problem(Reason.APPLY_REJECTED, f"the API server refused {_named(obj)}: {error}"))
        except _ForeignObjectError as error:
            problems.append(Problem(Reason.NAME_CONFLICT, str(error)))
    for kind, name, uid in leftovers(desired, plan, seen):
        await cluster.delete(kind, seen.namespace, name, uid)
        writes += 1
    return Applied(writes, problems[0] if problems else None)


def _named(obj: Obj) -> str:
    return f"{obj['kind']} {obj['metadata']['name']}"


class _ForeignObjectError(Exception):
    pass


async def _apply_one(desired: Obj, seen: Observed, cluster: Cluster, written: Written) -> bool:
    kind, name = desired["kind"], desired["metadata"]["name"]
    live = seen.children.get((kind, name))
    if live is None:
        # the informer sees only labelled objects: an object of somebody else must not be taken over
        live = await cluster.get(kinds.KINDS[(desired["apiVersion"], kind)], seen.namespace, name)
    if live is not None and not (_owned(live, seen.uid) or _adoptable(live, seen)):
        raise _ForeignObjectError(
            f"{kind} {name} exists in namespace {seen.namespace} and is not of this Model; rename one"
        )
    if not needs_apply(desired, live):
        return False
    written(await cluster.apply(desired, names.MANAGER))
    return True


def _owned(obj: Obj, uid: str) -> bool:
    return any(owner.get("uid") == uid for owner in obj["metadata"].get("ownerReferences", ()))


def _adoptable(obj: Obj, seen: Observed) -> bool:
    """Labelled for a Model of this name, and controlled by nobody or by one of this name that is gone.

    So is what goes on serving when a Model was deleted with `--cascade=orphan`, or restored with another uid.
    """
    labels = obj["metadata"].get("labels", {})
    if (labels.get(names.LABEL_MANAGED), labels.get(names.LABEL_MODEL)) != ("true", seen.name):
        return False
    controllers = [owner for owner in obj["metadata"].get("ownerReferences", ()) if owner.get("controller")]
    return all(
        (owner["apiVersion"].partition("/")[0], owner["kind"], owner["name"]) == (GROUP, "Model", seen.name)
        for owner in controllers
    )


def _removable(obj: Obj, seen: Observed) -> bool:
    """Of this Model, or left by one of its name; labels alone, which anybody may set, are not enough to remove."""
    written_by_us = names.ANNOTATION_HASH in obj["metadata"].get("annotations", {})
    return _owned(obj, seen.uid) or (written_by_us and _adoptable(obj, seen))


def leftovers(desired: list[Obj], plan: Plan, seen: Observed) -> list[tuple[kinds.Kind, str, str]]:
    """Children that the plan has no use for, Deployments first; nothing of a plan that could not read the Model."""
    if plan.keep_all:
        return []
    wanted = {(obj["kind"], obj["metadata"]["name"]) for obj in desired}
    for workload in plan.workloads:
        wanted |= {("Service", names.service_name(seen.name, class_)) for class_ in workload.classes}
        for placement in workload.placements:
            wanted.add(("ConfigMap", names.config_name(placement.name)))
            wanted |= {(kind, placement.name) for kind in ("Deployment", "PodDisruptionBudget", "NetworkPolicy")}
    unused = [
        (obj, name)
        for (kind, name), obj in sorted(seen.children.items(), key=lambda item: item[0][0] != "Deployment")
        if (kind, name) not in wanted and "deletionTimestamp" not in obj["metadata"] and _removable(obj, seen)
    ]
    return [(kinds.KINDS[(obj["apiVersion"], obj["kind"])], name, obj["metadata"]["uid"]) for obj, name in unused]
