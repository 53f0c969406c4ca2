"""The same input makes the same pods in the release before and now: an upgrade restarts nothing.

The release's own sources build the children in a process of their own; no cluster is needed.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import make
import pytest
import yaml
from fakes.cluster import FakeCluster
from harness import NOW, SETTINGS, stores, world

from e2e.packages import released
from inferfleet.catalog import loader
from inferfleet.fleet.build import build
from inferfleet.fleet.observe import observe
from inferfleet.fleet.plan import make_plan
from inferfleet.fleet.reconcile import view
from inferfleet.fleet.validate import validate
from inferfleet.kube import kinds
from inferfleet.kube.kinds import Kind, Obj, key_of

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"
READ: dict[str, Kind] = {
    "models": kinds.MODEL,
    "classes": kinds.WORKLOAD_CLASS,
    "pools": kinds.HARDWARE_POOL,
    "nodes": kinds.NODE,
}
RELEASED = """
import json, sys
from datetime import datetime
import inferfleet
from inferfleet.catalog import loader
from inferfleet.fleet.build import build
from inferfleet.fleet.observe import Stores, observe
from inferfleet.fleet.plan import make_plan
from inferfleet.fleet.reconcile import view
from inferfleet.fleet.validate import validate
from inferfleet.settings import Settings

asked = json.load(sys.stdin)
assert inferfleet.__version__ == asked["version"], inferfleet.__file__
settings = Settings(runtime_image=asked["image"])
held = {kind: {tuple(key): obj for key, obj in pairs} for kind, pairs in asked["stores"].items()}
seen = observe(("default", "demo"), Stores(**held), datetime.fromisoformat(asked["now"]), 1e9)
plan = make_plan(seen, validate(seen, loader.load(), settings), {})
json.dump(build(view(seen), plan, settings), sys.stdout)
"""


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Callable[[FakeCluster], list[Obj]]:
    """Children as the release before builds them."""
    root = released.unpack(tmp_path_factory.mktemp("released"))
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(str(root / part) for part in ("operator", "runtime"))}

    def build_there(cluster: FakeCluster) -> list[Obj]:
        held = {name: [(key_of(o), o) for o in cluster.all(kind)] for name, kind in READ.items()}
        asked = {
            "stores": held,
            "now": NOW.isoformat(),
            "image": SETTINGS.runtime_image,
            "version": released.PREVIOUS,
        }
        argv = [sys.executable, "-c", RELEASED]
        done = subprocess.run(
            argv, input=json.dumps(asked), env=environ, capture_output=True, text=True, check=False, cwd=root
        )
        assert done.returncode == 0, done.stderr
        found: list[Obj] = json.loads(done.stdout)
        return found

    return build_there


def _built_now(cluster: FakeCluster) -> list[Obj]:
    seen = observe(("default", "demo"), stores(cluster), NOW, 1e9)
    assert seen
    model = view(seen)
    assert model
    return build(model, make_plan(seen, validate(seen, loader.load(), SETTINGS), {}), SETTINGS)


def _kept(objects: list[Obj]) -> dict[str, Any]:
    """What must not change: of a Deployment and a Service all that is specified, of a ConfigMap its text."""
    return {
        f"{o['kind']}/{o['metadata']['name']}": json.dumps(o.get("spec") or o.get("data"), sort_keys=True)
        for o in objects
    }


def _quickstart() -> list[Obj]:
    found = [o for path in sorted(QUICKSTART.glob("*.yaml")) for o in yaml.safe_load_all(path.read_text())]
    for obj in found:
        if obj["kind"] == "Model":
            obj["metadata"]["namespace"] = "default"
    return [*found, make.node(**{"kubernetes.io/arch": "amd64"})]


def _https() -> list[Obj]:
    source = {"uri": "https://example.com/m.gguf", "sha256": "0" * 64}
    model = make.model(variants=[{"name": "q8", "quantization": "Q8_0", "source": source}])
    return [make.node(), make.pool(), make.workload_class(slo={"tpot": "200ms"}), model]


def _two_workloads() -> list[Obj]:
    model = make.model(
        workloads=[
            {"class": "chat", "demand": {"requestsPerSecond": 3}, "replicas": {"min": 2, "max": 4}},
            {"class": "night", "pools": {"matchLabels": {"tier": "spare"}}, "replicas": {"min": 1, "max": 1}},
        ]
    )
    night = make.workload_class(
        "night",
        traffic={"inputTokens": {"p50": 300, "p95": 900}, "outputTokens": {"p50": 200, "p95": 800}},
        objective="Cost",
        scaling={"drain": "10m", "targetUtilization": "0.95"},
    )
    spare = make.pool("spare", labels={"tier": "spare"}, price="0.01")
    return [make.node(cpu="16"), make.pool(), spare, make.workload_class(), night, model]


def _preset() -> list[Obj]:
    replica = {"selector": {"disk": "fast", "kubernetes.io/os": "linux"}, "replica": {"cpu": "6500m", "memory": "24Gi"}}
    source = {"uri": "oci://registry.example.com/models/llama@sha256:" + "a" * 64 + "#llama-q4.gguf"}
    model = make.model(
        architecture={"preset": "llama-3.1-8b"},
        variants=[{"name": "q4", "quantization": "Q4_0", "source": source}],
    )
    return [make.node(cpu="32", memory="128Gi", disk="fast"), make.pool(nodes=replica), make.workload_class(), model]


def _old_forms() -> list[Obj]:
    """What the release's definitions let in, and this tree's would refuse."""
    price = {"perAcceleratorHour": "0.02150537634408602", "asOf": "2026-00-10"}
    nodes = {"selector": {"disk of": "any kind!"}, "replica": {"cpu": "500m", "memory": "1Gi"}}
    unused = make.pool("unused", nodes=nodes)
    class_ = make.workload_class(scaling={"scaleInDelay": "100000m", "drain": "999999m"})
    return [make.node(), make.pool(price=price), unused, class_, make.model()]


@pytest.mark.parametrize(
    "case", [_quickstart, _https, _two_workloads, _preset, _old_forms], ids=lambda case: case.__name__[1:]
)
def test_the_release_before_and_this_tree_build_the_same_children(
    case: Callable[[], list[Obj]], release: Callable[[FakeCluster], list[Obj]]
) -> None:
    cluster = world(*case())
    before, now = _kept(release(cluster)), _kept(_built_now(cluster))
    assert any(name.startswith("Deployment/") for name in before), "the case plans nothing and shows nothing"
    added = now.keys() - before.keys()
    assert {name.partition("/")[0] for name in added} <= {"NetworkPolicy", "PodDisruptionBudget"}
    assert {name: now.get(name) for name in before} == before
