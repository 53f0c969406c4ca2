"""Whatever the types read is planned, drawn and compared in every form: no exception, and the same bytes twice."""

from typing import Any

import make
import pytest
from apiserver import bad_input_table
from from_schema import grafted
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from inferfleet.api.crdgen import RESOURCES, crd
from inferfleet.catalog import loader
from inferfleet.cli.plan_world import planned
from inferfleet.lint.types import Document
from inferfleet.offline.compare import compare
from inferfleet.offline.given import Files, Given
from inferfleet.offline.render.explain import explain
from inferfleet.offline.render.forms import DIFF, PLAN
from inferfleet.offline.types import Report
from inferfleet.offline.world import Context, make_world

SPECS = {r.kind: r for r in RESOURCES}
SCHEMAS = {r.kind: crd(r)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] for r in RESOURCES}
SIMPLE = {"Model": make.model, "WorkloadClass": make.workload_class, "HardwarePool": make.pool}
ENGINES = ("auto", "deployed", "known")


def specs(kind: str) -> st.SearchStrategy[Any]:
    known = [SIMPLE[kind]()["spec"], *(base["spec"] for base in bad_input_table.bases()[kind].values())]
    return st.one_of(st.sampled_from(known), grafted(SCHEMAS[kind], known))


def readable(kind: str, spec: Any) -> bool:
    try:
        SPECS[kind].spec.model_validate(spec)
    except ValidationError:
        return False
    return True


def files(*objects: dict[str, Any]) -> Files:
    found = {}
    for obj in objects:
        metadata = obj["metadata"]
        key = (obj["kind"], metadata.get("namespace", ""), metadata["name"])
        found[key] = Given(obj, Document("fleet.yaml", obj))
    return Files(found, {})


def report(given: Files, engines: Any) -> Report:
    return planned(make_world(given, None, Context(loader.load())), engines=engines, pictures=True)


@pytest.mark.parametrize("engines", ENGINES)
@settings(
    max_examples=20,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(model=specs("Model"), class_=specs("WorkloadClass"), pool=specs("HardwarePool"))
def test_whatever_can_be_read_is_said_in_every_form(engines: str, model: Any, class_: Any, pool: Any) -> None:
    assume(readable("Model", model) and readable("WorkloadClass", class_) and readable("HardwarePool", pool))
    objects = (
        {**make.workload_class(), "spec": class_},
        {**make.pool(), "spec": pool},
        {**make.model(), "spec": model},
    )
    before = report(files(*objects), engines)
    after = report(files(*objects, make.pool("other", "0.01")), engines)
    for form in PLAN.values():
        assert form(after) == form(report(files(*reversed(objects), make.pool("other", "0.01")), engines))
    for form in DIFF.values():
        assert form(compare(before, after))
    assert explain(after, after.workloads)
    assert compare(after, after).told == ()
