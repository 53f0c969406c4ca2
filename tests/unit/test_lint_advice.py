"""What the operator would say of files that the API server accepts."""

from collections.abc import Sequence
from typing import Any

import make
import pytest
from linting import Linter, document

from inferfleet.catalog import loader
from inferfleet.lint.advice import Advice, Known, advise
from inferfleet.lint.sort import Ours, sort
from inferfleet.names import Reason

CATALOG = loader.load()
BUNDLED = Known(CATALOG, {name: preset.spec for name, preset in CATALOG.workloads.items()})


@pytest.fixture(scope="module")
def linter() -> Linter:
    return Linter()


def advice(linter: Linter, objects: Sequence[Any], namespaces: Sequence[Any] = ()) -> list[Advice]:
    """Of objects that are right by themselves."""
    found = []
    for obj in objects:
        assert linter.lines_of(obj) == ()
        one = sort(document(obj), linter.definitions)
        assert isinstance(one, Ours)
        found.append(one)
    return list(advise(found, namespaces, BUNDLED))


def reasons(found: Sequence[Advice]) -> list[str]:
    return [one.reason for one in found]


def world(**model: Any) -> list[Any]:
    return [make.model(**model), make.workload_class(), make.pool()]


def test_files_that_fit_together_need_no_advice(linter: Linter) -> None:
    assert advice(linter, world()) == []


def test_a_class_that_is_not_in_the_files_is_named(linter: Linter) -> None:
    (found,) = advice(linter, [make.model(workloads=[{"class": "chatt"}])])
    assert found.reason == Reason.CLASS_NOT_FOUND
    assert (
        found.message == "WorkloadClass chatt is neither in the files nor one of the chart's: it must be in the cluster"
    )
    assert found.path == ("spec", "workloads", 0, "class")


def test_the_classes_of_the_chart_are_known(linter: Linter) -> None:
    name = sorted(BUNDLED.classes)[0]
    assert Reason.CLASS_NOT_FOUND not in reasons(advice(linter, [make.model(workloads=[{"class": name}])]))


def test_an_unknown_architecture_is_told_at_its_field(linter: Linter) -> None:
    (found,) = advice(linter, world(architecture={"preset": "llama-99"}))
    assert (found.reason, found.path) == (Reason.ARCHITECTURE_UNKNOWN, ("spec", "architecture", "preset"))
    assert "the catalog has no llama-99" in found.message


def test_an_unknown_accelerator_is_told_of_the_pool(linter: Linter) -> None:
    (found,) = advice(linter, [make.pool(accelerator="nvidia-h1000")])
    assert (found.reason, found.path) == (Reason.ACCELERATOR_UNKNOWN, ("spec", "accelerator"))


def test_an_unknown_engine_is_told_of_the_pool(linter: Linter) -> None:
    (found,) = advice(linter, [make.pool(engines=["vvlm"])])
    assert (found.reason, found.path) == (Reason.ENGINE_UNKNOWN, ("spec", "engines", 0))


def test_a_pool_without_a_price_is_told(linter: Linter) -> None:
    assert reasons(advice(linter, [make.pool(price=None)])) == [Reason.NO_PRICE]


def test_a_quantization_that_no_pool_serves_leaves_no_candidate(linter: Linter) -> None:
    source = {"uri": "oci://inferfleet.local/models/demo:1"}
    variants = [{"name": "fp8", "quantization": "FP8", "source": source}]
    (found,) = advice(linter, world(variants=variants))
    assert found.reason == Reason.NO_CANDIDATE
    assert "QuantizationUnsupported" in found.message


def test_a_model_that_fits_nowhere_leaves_no_candidate(linter: Linter) -> None:
    found = advice(linter, world(architecture={**make.ARCHITECTURE, "hidden": 100_000}))
    assert "MemoryDoesNotFit" in found[0].message


def test_without_pools_in_the_files_nothing_is_said_of_candidates(linter: Linter) -> None:
    assert advice(linter, [make.model(), make.workload_class()]) == []


def told(found: Sequence[Advice]) -> list[tuple[str, str]]:
    return [(one.reason, ".".join(map(str, one.path))) for one in found]


def test_every_unknown_name_of_a_model_is_told_at_once(linter: Linter) -> None:
    source = {"uri": "oci://inferfleet.local/models/demo:1"}
    variants = [{"name": f"v{i}", "quantization": name, "source": source} for i, name in enumerate(("Q8", "F16", "Q4"))]
    workloads = [
        {"class": "chatt", "placement": {"mode": "Pinned", "pool": "cpu", "variant": "v1", "engine": "vvlm"}},
        {"class": "codee"},
    ]
    model = make.model(architecture={"preset": "llama-99"}, variants=variants, workloads=workloads)
    found = advice(linter, [model, make.pool()])
    assert told(found) == [
        (Reason.ARCHITECTURE_UNKNOWN, "spec.architecture.preset"),
        (Reason.QUANTIZATION_UNKNOWN, "spec.variants.0.quantization"),
        (Reason.QUANTIZATION_UNKNOWN, "spec.variants.2.quantization"),
        (Reason.CLASS_NOT_FOUND, "spec.workloads.0.class"),
        (Reason.ENGINE_UNKNOWN, "spec.workloads.0.placement.engine"),
        (Reason.CLASS_NOT_FOUND, "spec.workloads.1.class"),
    ]
    assert "spec.variants[0].quantization: the catalog has no Q8; did you mean Q8_0?" in found[1].message


def test_everything_that_is_wrong_with_a_pool_is_told_at_once(linter: Linter) -> None:
    nodes = {"selector": {"kubernetes.io/os": "linux"}}
    assert told(advice(linter, [make.pool(engines=["vvlm", "llama-cpp", "sglan"], price=None, nodes=nodes)])) == [
        (Reason.ENGINE_UNKNOWN, "spec.engines.0"),
        (Reason.ENGINE_UNKNOWN, "spec.engines.2"),
        (Reason.NO_PRICE, "spec"),
        (Reason.REPLICA_NOT_DECLARED, "spec.nodes.replica"),
    ]
    assert told(advice(linter, [make.pool(accelerator="h100", engines=["vvlm"], price=None)])) == [
        (Reason.ACCELERATOR_UNKNOWN, "spec.accelerator"),
        (Reason.ENGINE_UNKNOWN, "spec.engines.0"),
        (Reason.NO_PRICE, "spec"),
    ]


def test_every_unknown_quantization_of_a_class_is_told_at_once(linter: Linter) -> None:
    found = advice(linter, [make.workload_class(quantization={"allow": ["Q8", "F16", "Q4"]})])
    assert told(found) == [
        (Reason.QUANTIZATION_UNKNOWN, "spec.quantization.allow.0"),
        (Reason.QUANTIZATION_UNKNOWN, "spec.quantization.allow.2"),
    ]


def test_wrong_names_are_not_told_again_as_a_lack_of_candidates(linter: Linter) -> None:
    source = {"uri": "oci://inferfleet.local/models/demo:1"}
    variants = [{"name": "v", "quantization": "Q8", "source": source}]
    assert reasons(advice(linter, world(variants=variants))) == [Reason.QUANTIZATION_UNKNOWN]
    pools = [make.pool(accelerator="h100"), make.pool("other", engines=["vvlm"])]
    found = advice(linter, [make.model(), make.workload_class(), *pools])
    assert reasons(found) == [Reason.ACCELERATOR_UNKNOWN, Reason.ENGINE_UNKNOWN]


def test_targets_that_contradict_each_other_are_told(linter: Linter) -> None:
    (found,) = advice(linter, [make.workload_class(slo={"ttft": "1s", "tpot": "100ms", "endToEnd": "2s"})])
    assert (found.reason, found.path) == (Reason.SLO_INCONSISTENT, ("spec", "slo"))


def test_two_workloads_with_one_service_name_are_told(linter: Linter) -> None:
    classes = [make.workload_class(name) for name in ("c", "b-c")]
    models = [make.model("a-b", workloads=[{"class": "c"}]), make.model("a", workloads=[{"class": "b-c"}])]
    (found,) = advice(linter, [*classes, *models])
    assert found.reason == Reason.NAME_CONFLICT
    assert "would be called a-b-c, and so would that of Model a-b with class c" in found.message


def test_the_same_names_in_two_namespaces_do_not_collide(linter: Linter) -> None:
    models = [make.model(namespace="one"), make.model(namespace="two")]
    assert advice(linter, [make.workload_class(), *models]) == []


def test_an_object_given_twice_is_told(linter: Linter) -> None:
    (found,) = advice(linter, [make.workload_class(), make.workload_class(objective="Latency")])
    assert found.reason == "GivenTwice"
    assert "also in case.json:1" in found.message


SELECTOR = {"allowedNamespaces": {"matchLabels": {"tier": "production"}}}


@pytest.mark.parametrize(
    ("namespaces", "expected"),
    [
        ([], []),
        ([{"metadata": {"name": "default", "labels": {"tier": "production"}}}], []),
        ([{"metadata": {"name": "default"}}], [Reason.CLASS_NOT_ALLOWED]),
    ],
    ids=["unknown", "allowed", "refused"],
)
def test_a_namespace_that_is_in_the_files_must_be_allowed(
    namespaces: list[Any], expected: list[str], linter: Linter
) -> None:
    objects = [make.model(), make.workload_class(**SELECTOR), make.pool(**SELECTOR)]
    assert reasons(advice(linter, objects, namespaces)) == expected


def test_fields_without_effect_are_told_at_their_place(linter: Linter) -> None:
    scaling = {"scaleToZeroAfter": "30m"}
    (found,) = advice(linter, [make.workload_class(scaling=scaling)])
    assert (found.reason, found.path) == (Reason.FIELDS_NOT_OBEYED_YET, ("spec", "scaling", "scaleToZeroAfter"))
