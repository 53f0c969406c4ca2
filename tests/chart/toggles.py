"""One set of values for each value of the chart: every test of rendered objects goes through all of them."""

from typing import Any

DIGEST = "sha256:" + "a" * 64

TOGGLES: dict[str, dict[str, Any]] = {
    "global.imageRegistry": {"global": {"imageRegistry": "registry.example.com:5000/mirror/"}},
    "image.repository": {"image": {"repository": "registry.example.com/operator"}},
    "image.tag": {"image": {"tag": "1.2.3"}},
    "image.digest": {"image": {"digest": DIGEST}},
    "image.pullPolicy": {"image": {"pullPolicy": "Always"}},
    "imagePullSecrets": {"imagePullSecrets": [{"name": "registry"}]},
    "runtime.image.repository": {"runtime": {"image": {"repository": "registry.example.com/runtime"}}},
    "runtime.image.tag": {"runtime": {"image": {"tag": "1.2.3"}}},
    "runtime.image.digest": {"runtime": {"image": {"digest": DIGEST}}},
    "runtime.image.pullPolicy": {"runtime": {"image": {"pullPolicy": "Always"}}},
    "runtime.imagePullSecrets": {"runtime": {"imagePullSecrets": [{"name": "a"}, {"name": "b"}]}},
    "runtime.trustedHeaders": {"runtime": {"trustedHeaders": True}},
    "weights.env": {"weights": {"env": {"HF_ENDPOINT": "https://hub.example.com", "NO_PROXY": "a,b"}}},
    "weights.pullImages": {"weights": {"pullImages": True}},
    "weights.cache.hostPath": {"weights": {"cache": {"hostPath": "/var/lib/models"}}},
    "weights.cache.claim": {"weights": {"cache": {"claim": "models"}}},
    "weights.cache.size": {"weights": {"cache": {"size": "200Gi"}}},
    "watchNamespaces": {"watchNamespaces": ["team-a", "team-b"]},
    "logLevel": {"logLevel": "debug"},
    "pauseMoves": {"pauseMoves": True},
    "moveSaving": {"moveSaving": 0.25},
    "workloadClasses.install": {"workloadClasses": {"install": False}},
    "workloadClasses.exclude": {"workloadClasses": {"exclude": ["batch"]}},
    "priorityClasses": {
        "priorityClasses": [{"name": "gold", "value": 5}, {"name": "own", "value": -7, "create": False}]
    },
    "catalog.hardware": {"catalog": {"hardware": [{"name": "nvidia-l4", "tdpWatts": 65}]}},
    "catalog.engines": {"catalog": {"engines": [{"name": "vllm", "tier": 1}]}},
    "catalog.quantizations": {"catalog": {"quantizations": [{"name": "FP8", "title": "x"}]}},
    "catalog.models": {"catalog": {"models": [{"name": "llama-3.1-8b", "layers": 32}]}},
    "catalog.workloads": {"catalog": {"workloads": [{"name": "batch", "title": "x"}]}},
    "replicas": {"replicas": 3},
    "resources.requests.cpu": {"resources": {"requests": {"cpu": "2"}}},
    "resources.requests.memory": {"resources": {"requests": {"memory": "256Mi"}}},
    "resources.limits.memory": {"resources": {"limits": {"memory": "2Gi"}}},
    "nodeSelector": {"nodeSelector": {"disk": "ssd"}},
    "tolerations": {"tolerations": [{"key": "control", "operator": "Exists"}]},
    "affinity": {
        "affinity": {
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"a": "b"}}}
                ]
            }
        }
    },
    "topologySpreadConstraints": {
        "topologySpreadConstraints": [{"topologyKey": "rack", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}]
    },
    "priorityClassName": {"priorityClassName": "system-cluster-critical"},
    "podAnnotations": {"podAnnotations": {"a": "b"}},
    "podLabels": {"podLabels": {"team": "platform"}},
    "extraEnv": {"extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com"}]},
    "serviceAccount.create": {"serviceAccount": {"create": False, "name": "existing"}},
    "serviceAccount.name": {"serviceAccount": {"name": "other"}},
    "serviceAccount.annotations": {"serviceAccount": {"annotations": {"a": "b"}}},
    "rbac.create": {"rbac": {"create": False}},
    "rbac.aggregate": {"rbac": {"aggregate": False}},
    "podDisruptionBudget.enabled": {"podDisruptionBudget": {"enabled": False}},
    "networkPolicy.enabled": {"networkPolicy": {"enabled": False}},
    "networkPolicy.metricsFrom": {"networkPolicy": {"metricsFrom": [{"namespaceSelector": {}}]}},
    "networkPolicy.egress": {"networkPolicy": {"egress": [{"ports": [{"port": 6443}]}]}},
    "service.annotations": {"service": {"annotations": {"a": "b"}}},
    "monitoring.enabled": {"monitoring": {"enabled": True}},
    "monitoring.labels": {"monitoring": {"enabled": True, "labels": {"release": "prometheus"}}},
    "monitoring.interval": {"monitoring": {"enabled": True, "interval": "1m"}},
    "monitoring.alerts.enabled": {"monitoring": {"enabled": True, "alerts": {"enabled": False}}},
    "monitoring.alerts.exclude": {"monitoring": {"enabled": True, "alerts": {"exclude": ["InferfleetNoLeader"]}}},
    "monitoring.dashboards.enabled": {"monitoring": {"dashboards": {"enabled": False}}},
    "monitoring.dashboards.labels.grafana_dashboard": {
        "monitoring": {"dashboards": {"labels": {"grafana_dashboard": "2"}}}
    },
    "monitoring.dashboards.annotations": {"monitoring": {"dashboards": {"annotations": {"grafana_folder": "AI"}}}},
    "tests.enabled": {"tests": {"enabled": False}},
}
"""By the value's path."""


def paths(values: dict[str, Any], prefix: str = "") -> set[str]:
    """Every leaf of a values.yaml; lists and empty maps are leaves. Pure."""
    found = set()
    for key, value in values.items():
        inside = isinstance(value, dict) and value
        found |= paths(value, f"{prefix}{key}.") if inside else {f"{prefix}{key}"}
    return found
