"""The fleet as series."""

from prometheus_client import CollectorRegistry, generate_latest

from inferfleet.fleet.series import FleetSeries, note
from inferfleet.kube.kinds import Obj
from inferfleet.metrics import Metrics

PLACEMENT = {
    "classes": ["chat"],
    "pool": "cpu",
    "state": "Serving",
    "replicas": 3,
    "ready": 2,
    "costPer1MTokens": "0.4",
}


def model(name: str, *placements: Obj, **conditions: str) -> Obj:
    status = {
        "placements": list(placements),
        "conditions": [{"type": type_, "status": value} for type_, value in conditions.items()],
    }
    return {"metadata": {"namespace": "ns", "name": name}, "status": status}


def fleet_series(models: list[Obj]) -> FleetSeries:
    found = FleetSeries()
    for each in models:
        note(found, each)
    return found


def test_conditions_replicas_and_costs_are_those_of_the_status() -> None:
    found = fleet_series([model("m", PLACEMENT, Ready="True", Planned="False", SignalFresh="Unknown")])
    assert found.conditions == {("ns", "m", "Ready"): 1, ("ns", "m", "Planned"): 0, ("ns", "m", "SignalFresh"): -1}
    where = ("ns", "m", "chat", "cpu")
    assert found.replicas == {(*where, "wanted"): 3, (*where, "ready"): 2}
    assert found.costs == {where: 0.4}


def test_what_is_only_recommended_is_not_counted_and_no_status_is_no_error() -> None:
    assert not fleet_series([model("m", PLACEMENT | {"state": "Recommended"})]).replicas
    assert not fleet_series([{"metadata": {"namespace": "ns", "name": "new"}}]).conditions


def test_a_status_that_somebody_else_wrote_hides_no_other_model() -> None:
    strange = model("strange", {"classes": 5, "costPer1MTokens": "dear"}, Ready="True")
    assert ("ns", "m", "Ready") in fleet_series([strange, model("m", Ready="True")]).conditions


def test_two_placements_on_one_pool_are_summed() -> None:
    retiring = PLACEMENT | {"state": "Retiring", "replicas": 1, "ready": 1}
    found = fleet_series([model("m", PLACEMENT, retiring)])
    assert found.replicas[("ns", "m", "chat", "cpu", "wanted")] == 4


def test_series_of_models_that_are_gone_end() -> None:
    metrics = Metrics(CollectorRegistry())
    for models in ([model("a", Ready="True"), model("b", Ready="True")], [model("b", Ready="False")]):
        metrics.conditions.set_all(fleet_series(models).conditions)
    text = generate_latest(metrics.registry).decode()
    assert 'inferfleet_model_condition{model="b",namespace="ns",type="Ready"} 0.0' in text
    assert 'model="a"' not in text


def test_a_series_that_comes_back_has_its_value_again() -> None:
    metrics = Metrics(CollectorRegistry())
    for values in ({("ns", "m", "Ready"): 1.0}, {}, {("ns", "m", "Ready"): 1.0}):
        metrics.conditions.set_all(values)
    labels = {"namespace": "ns", "model": "m", "type": "Ready"}
    assert metrics.registry.get_sample_value("inferfleet_model_condition", labels) == 1.0
