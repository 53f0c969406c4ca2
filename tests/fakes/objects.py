"""Objects that tests need often. Pure."""

from typing import Any

from inferfleet.kube.kinds import Obj


def config_map(namespace: str, name: str = "c", **data: str) -> Obj:
    meta: Obj = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def deployment(namespace: str, *, env: dict[str, str] | None = None, **spec: Any) -> Obj:
    container: Obj = {"name": "serve", "image": "registry.k8s.io/pause:3.10"}
    if env:
        container["env"] = [{"name": k, "value": v} for k, v in env.items()]
    template = {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "d"}}, "template": template} | spec
    meta = {"namespace": namespace, "name": "d"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
