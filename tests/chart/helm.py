"""The charts as Helm renders them: with values, with the kinds that a cluster knows, or refused."""

import functools
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from e2e import charts
from e2e.cluster.binaries import KUBERNETES, ensure
from e2e.cluster.shell import ClusterError, run

Obj = dict[str, Any]
Values = dict[str, Any]

OPERATOR, CRDS = "inferfleet", "inferfleet-crds"
MONITORING = charts.MONITORING


def render(values: Values | None = None, chart: str = OPERATOR, apis: Sequence[str] = ()) -> list[Obj]:
    """All objects, `helm test` included."""
    found: list[Obj] = json.loads(_render(json.dumps(values or {}), chart, tuple(apis)))
    return found


@functools.cache
def _render(values: str, chart: str, apis: tuple[str, ...]) -> str:
    """As JSON: parsing the YAML again for each test would take longer than all else."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "values.json"
        file.write_text(values)
        flags = ["--namespace", charts.NAMESPACE, "--kube-version", KUBERNETES, "--values", file]
        known = [f"--api-versions={api}" for api in apis]
        return json.dumps(charts.objects(run([helm(), "template", chart, charts.CHARTS / chart, *flags, *known])))


def helm() -> Path:
    """The program, built once."""
    return ensure(["helm"])["helm"]


def refusal(values: Values, chart: str = OPERATOR) -> str:
    """Helm's words about values that it does not take; empty when it takes them."""
    try:
        render(values, chart)
    except ClusterError as error:
        return str(error)
    return ""


def one(objects: list[Obj], kind: str, name: str = "") -> Obj:
    """The only object of a kind, or the one of that name."""
    (found,) = [o for o in objects if o["kind"] == kind and name in ("", o["metadata"]["name"])]
    return found


def kinds(objects: list[Obj]) -> set[str]:
    """Which there are."""
    return {o["kind"] for o in objects}


def named(objects: list[Obj], kind: str) -> list[str]:
    """Names of a kind, sorted."""
    return sorted(o["metadata"]["name"] for o in objects if o["kind"] == kind)


def pods(objects: list[Obj]) -> list[Obj]:
    """Every pod spec."""
    specs = [o["spec"]["template"]["spec"] for o in objects if o["kind"] == "Deployment"]
    return specs + [o["spec"] for o in objects if o["kind"] == "Pod"]


def operator(objects: list[Obj]) -> Obj:
    """The operator's container."""
    (container,) = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    return dict(container)


def variables(objects: list[Obj]) -> dict[str, str]:
    """Its environment; what a pod's fields give is empty."""
    return {env["name"]: env.get("value", "") for env in operator(objects)["env"]}
