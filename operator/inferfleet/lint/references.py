"""Names that nothing has: of presets, engines, quantizations and classes. Pure.

The operator's conditions name the first that stops it. A user who reads files wants all of them at once, each at its
own field.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

from inferfleet.api.hardware_pool import HardwarePoolSpec
from inferfleet.api.model import ModelSpec
from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.catalog.loader import Catalog
from inferfleet.catalog.near import unknown
from inferfleet.lint.types import Path
from inferfleet.names import Reason

Given = tuple[Path, str]
"""Where a name is, and the name."""


@dataclass(frozen=True)
class Unknown:
    """A name that means nothing."""

    path: Path
    reason: str
    message: str


def of_pool(spec: HardwarePoolSpec, catalog: Catalog) -> Iterator[Unknown]:
    """Accelerators, engines, and architectures that a provider serves."""
    if spec.accelerator is not None:
        yield from _missing([(("accelerator",), spec.accelerator)], catalog.accelerators, Reason.ACCELERATOR_UNKNOWN)
    engines = [*_listed(("engines",), spec.engines)]
    engines += _listed(("custom", "engines"), spec.custom.engines) if spec.custom else []
    yield from _missing(engines, catalog.engines, Reason.ENGINE_UNKNOWN)
    served = spec.external.models if spec.external else ()
    provided = [(("external", "models", i, "architecture"), model.architecture) for i, model in enumerate(served)]
    yield from _missing(provided, catalog.models, Reason.ARCHITECTURE_UNKNOWN)


def of_class(spec: WorkloadClassSpec, catalog: Catalog) -> Iterator[Unknown]:
    """Quantizations that it allows."""
    allow = spec.quantization.allow if spec.quantization else None
    given = _listed(("quantization", "allow"), allow)
    yield from _missing(given, catalog.quantizations, Reason.QUANTIZATION_UNKNOWN)


def of_model(spec: ModelSpec, catalog: Catalog, classes: Container[str]) -> Iterator[Unknown]:
    """Its architecture, the quantizations of its variants, its classes, and engines that it pins."""
    if spec.architecture.preset is not None:
        preset = [(("architecture", "preset"), spec.architecture.preset)]
        yield from _missing(preset, catalog.models, Reason.ARCHITECTURE_UNKNOWN)
    variants = [(("variants", i, "quantization"), v.quantization) for i, v in enumerate(spec.variants)]
    yield from _missing(variants, catalog.quantizations, Reason.QUANTIZATION_UNKNOWN)
    for i, workload in enumerate(spec.workloads):
        if workload.class_ not in classes:
            yield Unknown(("spec", "workloads", i, "class"), Reason.CLASS_NOT_FOUND, _no_class(workload.class_))
        if workload.placement.engine is not None:
            pinned = [(("workloads", i, "placement", "engine"), workload.placement.engine)]
            yield from _missing(pinned, catalog.engines, Reason.ENGINE_UNKNOWN)


def _no_class(name: str) -> str:
    return f"WorkloadClass {name} is neither in the files nor one of the chart's: it must be in the cluster"


def _listed(path: Path, names: Iterable[str] | None) -> list[Given]:
    return [((*path, i), name) for i, name in enumerate(names or ())]


def _missing(given: Iterable[Given], known: Mapping[str, object], reason: str) -> Iterator[Unknown]:
    for path, name in given:
        if name not in known:
            yield Unknown(("spec", *path), reason, f"{_written(path)}: {unknown(name, known)}")


def _written(path: Path) -> str:
    return "spec" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
