"""Plays the deployment controller, the scheduler and the kubelet for the fake cluster.

Pods are owned by their Deployment directly (no ReplicaSet between), and a rollout is over at once.
"""

import hashlib
import json
from typing import TYPE_CHECKING, Any

from fakes import world

from inferfleet.kube.kinds import DEPLOYMENT, POD, Obj

if TYPE_CHECKING:
    from fakes.cluster import FakeCluster


def settle(cluster: "FakeCluster", *, ready: bool) -> None:
    """Make Pods and the status of every Deployment what its spec says."""
    for deployment in cluster.all(DEPLOYMENT):
        pods = _settle_pods(cluster, deployment, ready)
        _set(cluster, deployment | {"status": _status(deployment, len(pods), ready)})


def _settle_pods(cluster: "FakeCluster", deployment: Obj, ready: bool) -> list[Obj]:
    revision = _revision(deployment)
    wanted = [f"{deployment['metadata']['name']}-{revision}-{i}" for i in range(deployment["spec"]["replicas"])]
    mine = [pod for pod in cluster.all(POD) if _is_owned(pod, deployment)]
    for pod in mine:
        if pod["metadata"]["name"] not in wanted:
            cluster.remove(POD, pod["metadata"]["namespace"], pod["metadata"]["name"])
    there = {pod["metadata"]["name"]: pod for pod in mine}
    pods = [there.get(name) or cluster.put(_pod(deployment, name, revision)) for name in wanted]
    for pod in pods:
        _set(cluster, pod | {"status": _pod_status(pod, ready)})
    return pods


def _set(cluster: "FakeCluster", obj: Obj) -> None:
    cluster.put(obj)


def _revision(deployment: Obj) -> str:
    return hashlib.sha256(json.dumps(deployment["spec"]["template"], sort_keys=True).encode()).hexdigest()[:8]


def _is_owned(pod: Obj, deployment: Obj) -> bool:
    references = pod["metadata"].get("ownerReferences", ())
    return any(ref["uid"] == deployment["metadata"]["uid"] for ref in references)


def _pod(deployment: Obj, name: str, revision: str) -> Obj:
    template = deployment["spec"]["template"]
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "controller": True, "blockOwnerDeletion": True}
    owner |= {k: deployment["metadata"][k] for k in ("name", "uid")}
    meta = {
        "name": name,
        "namespace": deployment["metadata"]["namespace"],
        "labels": template["metadata"]["labels"] | {"pod-template-hash": revision},
        "annotations": template["metadata"].get("annotations", {}),
        "ownerReferences": [owner],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"] | {"nodeName": "node-1"}}


def _pod_status(pod: Obj, ready: bool) -> dict[str, Any]:
    number = int(pod["metadata"]["uid"][-12:])
    containers = [
        {"name": c["name"], "ready": ready, "restartCount": 0, "state": {"running": {"startedAt": world.A_TIME}}}
        for c in pod["spec"]["containers"]
    ]
    return {
        "phase": "Running",
        "podIP": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
        "conditions": [_condition("Ready", ready, "" if ready else "ContainersNotReady")],
        "containerStatuses": containers,
    }


def _status(deployment: Obj, replicas: int, ready: bool) -> dict[str, Any]:
    available = replicas if ready else 0
    status = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": replicas,
        "updatedReplicas": replicas,
        "readyReplicas": available,
        "availableReplicas": available,
        "unavailableReplicas": replicas - available,
        "conditions": [
            _condition("Available", ready or replicas == 0, "MinimumReplicasAvailable"),
            _condition("Progressing", True, "NewReplicaSetAvailable" if ready else "ReplicaSetUpdated"),
        ],
    }
    # As the real controller: zeros are left out.
    return {k: v for k, v in status.items() if v != 0}


def _condition(name: str, holds: bool, reason: str) -> dict[str, str]:
    condition = {"type": name, "status": str(holds), "lastTransitionTime": world.A_TIME}
    return condition | ({"reason": reason} if reason else {})
