"""What both ends of the supported range of Kubernetes must do with our kinds, besides refusing what is wrong."""

import json
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import make
import pytest
import yaml
from apiserver import bad_input_table
from apiserver.server import Server

from e2e.cluster.binaries import KUBERNETES, OLDEST_KUBERNETES, ensure
from inferfleet.api.crdgen import RESOURCES, crd
from inferfleet.kube import kinds
from inferfleet.kube.kinds import Obj, kind_of

ROOT = Path(__file__).parents[2]
PUBLISHED_SECONDS = 60.0
SIMPLE = [
    make.pool("made"),
    make.pool("numbers", nodes={"replica": {"cpu": 2, "memory": "4Gi"}}),
    make.workload_class("made", slo={"ttft": "1.5s", "tpot": "80ms", "endToEnd": "1m"}),
    make.model("made"),
]
BASES = [base for bases in bad_input_table.bases().values() for base in bases.values()]
EXAMPLES = [
    obj
    for file in sorted((ROOT / "examples").rglob("*.yaml"))
    for obj in yaml.safe_load_all(file.read_text())
    if isinstance(obj, dict) and obj.get("apiVersion") == kinds.API_VERSION
]
CRDS = {resource.kind: crd(resource) for resource in RESOURCES}


def test_the_servers_are_of_the_versions_that_the_documents_name(server: Server) -> None:
    expected = {"newest": KUBERNETES, "oldest": OLDEST_KUBERNETES}[server.name]
    assert server.get("/version").body["gitVersion"] == f"v{expected}"
    assert expected in (ROOT / "docs/versions.md").read_text()
    chart = yaml.safe_load((ROOT / "charts/inferfleet/Chart.yaml").read_text())
    assert chart["kubeVersion"] == f">={OLDEST_KUBERNETES.rpartition('.')[0]}.0-0"


@pytest.mark.parametrize("kind", CRDS)
def test_a_crd_installs_without_a_warning(kind: str, server: Server) -> None:
    told = server.apply(kinds.CUSTOM_RESOURCE_DEFINITION, CRDS[kind])
    assert (told.lines, told.warnings) == ((), ())


@pytest.mark.parametrize("kind", CRDS)
def test_a_crd_is_small_enough_for_the_annotation_of_client_side_apply(kind: str) -> None:
    assert len(json.dumps(CRDS[kind], separators=(",", ":"))) < 100_000


@pytest.mark.parametrize(
    "obj", [*SIMPLE, *BASES, *EXAMPLES], ids=lambda obj: f"{obj['kind']} {obj['metadata']['name']}"
)
def test_what_is_right_is_stored_as_it_was_written(obj: Obj, server: Server) -> None:
    kind = kind_of(obj)
    namespace = "default" if kind.namespaced else ""
    obj = obj | {"metadata": obj["metadata"] | ({"namespace": namespace} if namespace else {})}
    try:
        stored = server.create(kind, obj, keep=True)
        assert (stored.lines, stored.warnings) == ((), ())
        assert server.get(kind.path(namespace, obj["metadata"]["name"])).body["spec"] == obj["spec"]
    finally:
        server.delete(kind, obj)


@pytest.mark.parametrize("kind", CRDS)
def test_kubectl_explains_every_field_of_a_kind(kind: str, server: Server) -> None:
    (version,) = CRDS[kind]["spec"]["versions"]
    for path, schema in described(version["schema"]["openAPIV3Schema"]["properties"]["spec"], "spec"):
        assert schema["description"].split()[:4], path
    text = explained(server, f"{kind.lower()}.spec")
    for name, schema in version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"].items():
        assert f"{name}\t<" in text
        assert " ".join(schema["description"].split()) in " ".join(text.split())


def described(schema: Mapping[str, Any], path: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Every field below a schema."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    for name, child in schema.get("properties", {}).items():
        found += [(f"{path}.{name}", child), *described(child, f"{path}.{name}")]
    return found + (described(schema["items"], f"{path}[]") if "items" in schema else [])


def explained(server: Server, field: str) -> str:
    """What `kubectl explain` prints; the server publishes a new kind's schema a moment after it serves the kind."""
    command = [str(ensure(("kubectl",))["kubectl"]), "--kubeconfig", str(server.plane.kubeconfig), "explain", field]
    deadline = time.monotonic() + PUBLISHED_SECONDS
    while True:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout
        assert time.monotonic() < deadline, done.stderr
        time.sleep(1)


def test_kubectl_prints_the_lines_of_the_table(server: Server) -> None:
    (case,) = [c for c in bad_input_table.cases() if c.name == "several wrong values are told at once"]
    command = [str(ensure(("kubectl",))["kubectl"]), "--kubeconfig", str(server.plane.kubeconfig)]
    done = subprocess.run(
        [*command, "create", "--dry-run=server", "--validate=strict", "-f", "-"],
        input=json.dumps(case.manifest),
        capture_output=True,
        text=True,
        check=False,
    )
    printed = done.stderr.split("\n")
    assert {line.removeprefix("* ") for line in printed} >= set(case.told(server.name)), done.stderr
