"""Fields that this release accepts and keeps but does not act on yet: said, so that nobody is misled. Pure.

A field that would be harmful to ignore (a pinned engine that is not there, an external pool) rejects
candidates instead, in `planning.rules`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inferfleet.api.hardware_pool import HardwarePoolSpec
from inferfleet.api.model import ModelSpec, Workload
from inferfleet.api.nodes import Allocation
from inferfleet.api.workload_class import WorkloadClassSpec
from inferfleet.fleet.sources import HF, credentials
from inferfleet.names import Reason
from inferfleet.settings import Settings


@dataclass(frozen=True)
class Unobeyed:
    """One field and what is done instead."""

    path: str
    instead: str


_PREDICTED = "the prediction counts every prompt token"
_STEADY = "the prediction takes steady arrivals"
MODEL_FIELDS: tuple[tuple[Unobeyed, Callable[[ModelSpec], bool]], ...] = (
    (
        Unobeyed("spec.variants[].source.credentials", "files of the pod and of a claim ask for none"),
        lambda s: any(v.source and v.source.credentials and not credentials(v.source) for v in s.variants),
    ),
    (
        Unobeyed("spec.variants[].source.revision", "only hf:// sources have revisions"),
        lambda s: any(v.source and v.source.revision and not v.source.uri.startswith(HF) for v in s.variants),
    ),
)
WORKLOAD_FIELDS: tuple[tuple[Unobeyed, Callable[[Workload], bool]], ...] = (
    (
        Unobeyed("spec.workloads[].default", "without a gateway every workload has an endpoint of its own"),
        lambda w: w.default,
    ),
    (
        Unobeyed("spec.workloads[].replicas.min: 0", "one replica always runs: nothing could wake a workload yet"),
        lambda w: w.replicas.min == 0,
    ),
    (
        Unobeyed("spec.workloads[].traffic.sharedPrefixTokens", _PREDICTED),
        lambda w: w.traffic is not None and (w.traffic.shared_prefix_tokens or 0) > 0,
    ),
    (
        Unobeyed("spec.workloads[].traffic.burstiness", _STEADY),
        lambda w: w.traffic is not None and w.traffic.burstiness not in (None, 1),
    ),
)
CLASS_FIELDS: tuple[tuple[Unobeyed, Callable[[WorkloadClassSpec], bool]], ...] = (
    (Unobeyed("traffic.sharedPrefixTokens", _PREDICTED), lambda c: c.traffic.shared_prefix_tokens > 0),
    (Unobeyed("traffic.burstiness", _STEADY), lambda c: c.traffic.burstiness != 1),
    (
        Unobeyed("traffic.media", "a request of modality Text has none"),
        lambda c: c.modality == "Text" and c.traffic.media is not None,
    ),
    (
        Unobeyed("traffic.media", "a request of modality Embedding has none"),
        lambda c: c.modality == "Embedding" and c.traffic.media is not None,
    ),
    (
        Unobeyed("traffic.outputTokens", "a request of modality Embedding generates nothing"),
        lambda c: c.modality == "Embedding" and c.traffic.output_tokens is not None,
    ),
    (Unobeyed("slo.percentile", "targets are compared at the median lengths"), lambda c: c.slo.percentile != 95),
    (
        Unobeyed("scaling.scaleToZeroAfter", "the last replica stays: nothing could wake a workload yet"),
        lambda c: c.scaling.scale_to_zero_after is not None,
    ),
)
POOL_FIELDS: tuple[tuple[Unobeyed, Callable[[HardwarePoolSpec], bool]], ...] = (
    (
        Unobeyed("spec.nodes.allocation", "pods request cores and memory, and no devices"),
        lambda s: s.nodes is not None and s.nodes.allocation != Allocation(),
    ),
)
PRIORITY = Unobeyed("priority", "the operator knows no PriorityClass that is not above it")


def unobeyed(spec: ModelSpec, classes: dict[str, WorkloadClassSpec], settings: Settings) -> list[tuple[str, str]]:
    """(field, what is done instead) of a Model and of the classes that it names, in a stable order."""
    found = [(field.path, field.instead) for field, is_set in MODEL_FIELDS if is_set(spec)]
    for field, is_used in WORKLOAD_FIELDS:
        if any(is_used(w) for w in spec.workloads):
            found.append((field.path, field.instead))
    for name, class_ in classes.items():
        of_class = [field for field, is_given in CLASS_FIELDS if is_given(class_)]
        if class_.priority and not any(value <= class_.priority for value in settings.priority_classes):
            of_class.append(PRIORITY)
        found += [(f"WorkloadClass {name} spec.{field.path}", field.instead) for field in of_class]
    return found


def unobeyed_of_pool(spec: HardwarePoolSpec) -> list[tuple[str, str]]:
    """(field, what is done instead) of a pool, in a stable order."""
    return [(field.path, field.instead) for field, is_set in POOL_FIELDS if is_set(spec)]


def obeyed(found: Sequence[tuple[str, str]]) -> tuple[str, str, str]:
    """Status, reason and message of the condition FieldsObeyed."""
    if not found:
        return "True", Reason.ALL_FIELDS_OBEYED, "every field that is set is acted on"
    listed = "; ".join(f"{field}: {instead}" for field, instead in found)
    return "False", Reason.FIELDS_NOT_OBEYED_YET, f"accepted, kept, and not acted on by this release: {listed}"
