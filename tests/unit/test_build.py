"""Builders against golden YAML: spec in, objects out. `make golden` rewrites the files; read the diff."""

import os
from pathlib import Path

import make
import yaml
from harness import built

from inferfleet.fleet.types import Obj

GOLDEN = Path(__file__).parent / "golden"


def check(name: str, objects: list[Obj]) -> None:
    """Compare with the golden file, or write it where INFERFLEET_GOLDEN is set."""
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("INFERFLEET_GOLDEN"):
        path.write_text(yaml.safe_dump_all(objects, sort_keys=True))
    assert objects == list(yaml.safe_load_all(path.read_text()))


def test_a_quantized_variant_from_an_image_volume() -> None:
    check("image-quantized", built(make.node(), make.pool(), make.workload_class(), make.model()))


def test_a_file_over_https_served_as_it_is() -> None:
    source = {"uri": "https://example.com/m.gguf", "sha256": "0" * 64}
    model = make.model(variants=[{"name": "q8", "quantization": "Q8_0", "source": source}])
    class_ = make.workload_class(slo={"tpot": "200ms"})
    check("https", built(make.node(), make.pool(), class_, model))


def test_the_api_server_would_write_quantities_as_we_do() -> None:
    """Otherwise every look would see drift."""
    found = built(make.node(), make.pool(), make.workload_class(), make.model())
    (deployment,) = [o for o in found if o["kind"] == "Deployment"]
    for container in deployment["spec"]["template"]["spec"]["containers"]:
        assert container["resources"]["limits"] == {"cpu": "500m", "memory": "1Gi"}


def test_pods_pass_the_restricted_standard() -> None:
    found = built(make.node(), make.pool(), make.workload_class(), make.model())
    (deployment,) = [o for o in found if o["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    for container in (*pod["initContainers"], *pod["containers"]):
        context = container["securityContext"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert not context["allowPrivilegeEscalation"]
        assert context["readOnlyRootFilesystem"]
