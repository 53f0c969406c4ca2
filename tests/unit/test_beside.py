"""A vendor's engine on a pool that asks for it: the pod with the sidecar, and the rules around it."""

import json
from typing import Any

import make
import pytest
from harness import NOW, SETTINGS, built, stores, world
from questions import make_pool, question, reasons

from inferfleet.api.quantities import parse_quantity
from inferfleet.catalog import loader
from inferfleet.fleet.build import build
from inferfleet.fleet.observe import observe
from inferfleet.fleet.plan import make_plan
from inferfleet.fleet.reconcile import view
from inferfleet.fleet.scaler import Scaler
from inferfleet.fleet.types import Obj
from inferfleet.fleet.validate import validate
from inferfleet.names import LABEL_ENGINE
from inferfleet.planning.choose import choose
from inferfleet.planning.types import Variant
from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.engines import ENGINES
from inferfleet_runtime.engines.vendors.render import render

REPLICA = {"selector": {"kubernetes.io/os": "linux"}, "replica": {"cpu": "2", "memory": "6Gi"}}
BF16 = {"name": "bf16", "quantization": "BF16", "source": {"uri": "oci://inferfleet.local/models/hf:1"}}


def fleet(**pool: Any) -> list[Obj]:
    """A pool of CPUs for vLLM, and a Model whose files it can load."""
    given = {"accelerator": "cpu-x86-avx512", "engines": ["vllm"], "nodes": REPLICA} | pool
    return [make.node(), make.pool(**given), make.workload_class(), make.model(variants=[BF16])]


def one(objects: list[Obj], kind: str) -> Obj:
    (found,) = [o for o in objects if o["kind"] == kind]
    return found


def pod(objects: list[Obj]) -> Obj:
    found: Obj = one(objects, "Deployment")["spec"]["template"]["spec"]
    return found


def config(objects: list[Obj]) -> RuntimeConfig:
    return RuntimeConfig.model_validate_json(one(objects, "ConfigMap")["data"]["runtime.json"])


def test_the_vendors_image_serves_and_the_runtime_stands_beside_it() -> None:
    objects = built(*fleet())
    (engine,) = pod(objects)["containers"]
    assert engine["name"] == "engine"
    assert engine["image"] == ENGINES["vllm"].image.replace("{arch}", "x86_64")
    expected = render(config(objects))
    assert (engine["command"], engine["args"]) == (list(expected.command), list(expected.args))
    assert {e["name"]: e["value"] for e in engine["env"]} == expected.env
    fetch, sidecar = pod(objects)["initContainers"]
    assert (fetch["args"], sidecar["args"]) == (["fetch"], ["sidecar"])
    assert sidecar["restartPolicy"] == "Always"
    assert "restartPolicy" not in fetch
    assert sidecar["image"] == SETTINGS.runtime_image


def test_the_kubelet_asks_the_sidecar_and_drains_by_it() -> None:
    (engine,) = pod(built(*fleet()))["containers"]
    asked = {name: engine[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    asked["preStop"] = engine["lifecycle"]["preStop"]["httpGet"]
    assert {get["port"] for get in asked.values()} == {8090}
    assert {name: get["path"] for name, get in asked.items()} == {
        "startupProbe": "/health/started",
        "readinessProbe": "/health/ready",
        "livenessProbe": "/health/live",
        "preStop": "/drain",
    }
    probe = engine["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == ENGINES["vllm"].startup_budget_seconds


def test_engine_and_sidecar_together_are_as_large_as_the_replica() -> None:
    spec = pod(built(*fleet()))
    parts = [spec["containers"][0]["resources"]["requests"], spec["initContainers"][1]["resources"]["requests"]]
    assert [part["cpu"] for part in parts] == ["1950m", "50m"]
    assert sum(int(parse_quantity(part["memory"])) for part in parts) == 6 * 2**30


def test_pods_pass_the_restricted_standard() -> None:
    spec = pod(built(*fleet()))
    assert spec["securityContext"]["runAsNonRoot"]
    for container in (*spec["initContainers"], *spec["containers"]):
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert not container["securityContext"]["allowPrivilegeEscalation"]


def test_the_engine_may_write_to_its_scratch_alone() -> None:
    (engine,) = pod(built(*fleet()))["containers"]
    writable = {m["mountPath"] for m in engine["volumeMounts"] if not m.get("readOnly")}
    assert writable == {"/tmp", "/dev/shm"}
    assert {m["mountPath"] for m in engine["volumeMounts"]} >= {
        "/var/lib/inferfleet/weights",
        "/var/lib/inferfleet/image",
    }


def test_the_engine_may_use_as_many_cores_as_it_has_threads() -> None:
    (engine,) = pod(built(*fleet()))["containers"]
    threads = next(e["value"] for e in engine["env"] if e["name"] == "OMP_NUM_THREADS")
    assert engine["resources"]["limits"]["cpu"] == threads == "2"


def test_the_engine_outlives_the_longest_back_off_of_the_sidecar() -> None:
    probe = pod(built(*fleet()))["containers"][0]["livenessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 300


def test_the_service_leads_to_the_engine_and_the_policy_lets_the_scaler_in() -> None:
    objects = built(*fleet())
    (port,) = one(objects, "Service")["spec"]["ports"]
    (serving,) = pod(objects)["containers"][0]["ports"]
    assert port["targetPort"] == serving["containerPort"] == 8000
    (rule,) = one(objects, "NetworkPolicy")["spec"]["ingress"]
    assert [p["port"] for p in rule["ports"]] == [8000, 8090]


def test_monitoring_finds_the_sidecars_series_under_the_name_that_all_model_pods_have() -> None:
    spec = pod(built(*fleet()))
    ports = [p for c in (*spec["initContainers"], *spec["containers"]) for p in c.get("ports", ())]
    assert [p["containerPort"] for p in ports if p["name"] == "http"] == [8090]


def test_the_kv_cache_that_was_planned_is_the_one_that_the_engine_is_told() -> None:
    objects = built(*fleet())
    device = config(objects).device
    assert device
    assert (device.kind, device.quantization, device.kv_cache_bytes) == ("cpu", "BF16", 2**30)
    (engine,) = pod(objects)["containers"]
    assert {"name": "VLLM_CPU_KVCACHE_SPACE", "value": "1"} in engine["env"]


def test_the_pools_patch_can_name_another_image() -> None:
    mirror = {"spec": {"containers": [{"name": "engine", "image": "mirror.example.com/vllm:1"}]}}
    (engine,) = pod(built(*fleet(podTemplatePatch=mirror)))["containers"]
    assert engine["image"] == "mirror.example.com/vllm:1"
    assert engine["args"]


def test_the_administrators_catalog_can_name_another_image() -> None:
    catalog = loader.load()
    entry = catalog.engines["vllm"].model_copy(update={"image": "mirror.example.com/vllm-cpu:2-{arch}"})
    changed = loader.Catalog(**(vars(catalog) | {"engines": {**catalog.engines, "vllm": entry}}))
    seen = observe(("default", "demo"), stores(world(*fleet())), NOW, 1e9)
    assert seen
    model = view(seen)
    assert model
    objects = build(model, make_plan(seen, validate(seen, changed, SETTINGS), {}), SETTINGS)
    assert pod(objects)["containers"][0]["image"] == "mirror.example.com/vllm-cpu:2-x86_64"


def test_the_scaler_asks_the_sidecar() -> None:
    scaler = Scaler(30.0)
    scaler._targets = {("default", "demo"): {"chat": object()}}  # type: ignore[dict-item]
    labels = {"inferfleet.io/model": "demo", "inferfleet.io/class": "chat"}
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    pods = [
        {
            "metadata": {"uid": engine, "namespace": "default", "labels": labels | {LABEL_ENGINE: engine}},
            "status": {"podIP": "10.0.0.1", "conditions": [ready]},
        }
        for engine in ("vllm", "llama-cpp")
    ]
    assert scaler.urls(pods) == {
        "vllm": "http://10.0.0.1:8090/metrics",
        "llama-cpp": "http://10.0.0.1:8000/metrics",
    }


@pytest.mark.parametrize(
    ("variant", "changes", "reason"),
    [
        (Variant("bf16", "BF16", "oci"), {"accelerator": "nvidia-l4"}, "EngineUnsupported"),
        (Variant("q8", "Q8_0", "oci"), {}, "QuantizationUnsupported"),
        (Variant("bf16", "BF16", "oci", gguf=True), {}, "SourceUnsupported"),
        (Variant("bf16", "BF16", "oci"), {"memory": 2 * 2**30}, "MemoryDoesNotFit"),
    ],
)
def test_what_it_cannot_serve_is_said(variant: Variant, changes: dict[str, Any], reason: str) -> None:
    pool = make_pool(engines=("vllm",), **({"accelerator": "cpu-x86-avx512"} | changes))
    assert reasons(choose(question([pool], (variant,)))) == {("cpu", variant.name): reason}


@pytest.mark.parametrize("scheme", ["https", "oci", "hf", "s3", "gs", "file"])
def test_its_files_may_come_from_wherever_folders_are_fetched(scheme: str) -> None:
    pool = make_pool(engines=("vllm",), accelerator="cpu-x86-avx512")
    assert not reasons(choose(question([pool], (Variant("bf16", "BF16", scheme),))))


def test_a_pool_without_a_word_of_engines_stays_with_the_bundled_ones() -> None:
    objects = built(*fleet(engines=None))
    assert json.loads(one(objects, "ConfigMap")["data"]["runtime.json"])["engine"] == "llama-cpp"
