"""What a class and a Model's speculators and adapters tell the pods beyond sizes. Pure.

Whatever says nothing new is left out: the ConfigMap of a Model that uses none of it is that of earlier releases.
"""

from typing import Any

from inferfleet.api import artifacts
from inferfleet.api.model import ModelSpec
from inferfleet.api.workload_class import Serving, WorkloadClassSpec
from inferfleet.fleet.sources import told
from inferfleet.planning import content
from inferfleet.planning.types import Candidate, Question
from inferfleet_runtime import contract


def options(spec: ModelSpec, class_: WorkloadClassSpec, candidate: Candidate) -> dict[str, Any]:
    """Fields of `RuntimeConfig`."""
    engine, serving = candidate.engine, class_.serving
    given = {
        "modality": None if class_.modality == "Text" else class_.modality,
        "may_use": content.alternatives(candidate, class_.modality) or None,
        "kv_cache": _kv_cache(serving),
        "prefix_cache": "Off" if serving.prefix_cache == "Off" else None,
        "chunked_prefill": "Off" if serving.chunked_prefill == "Off" else None,
        "speculation": speculation(spec.speculators, class_, engine),
        "adapters": tuple(contract.Adapter(name=a.name, source=told(a.source)) for a in spec.adapters) or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def companions(spec: ModelSpec, class_: WorkloadClassSpec, engine: str) -> list[artifacts.Source]:
    """Sources that are fetched beside the model's own."""
    chosen = _speculator(spec.speculators, content.speculation(_methods(spec.speculators), class_, engine))
    return [*([chosen.source] if chosen and chosen.source else []), *(a.source for a in spec.adapters)]


def _kv_cache(serving: Serving) -> contract.KvCache | None:
    asked = serving.kv_cache
    if asked.dtype == "Auto" and asked.overflow == "Refuse":
        return None
    return contract.KvCache.model_validate(
        {"dtype": None if asked.dtype == "Auto" else asked.dtype, "overflow": asked.overflow}
    )


def speculation(
    declared: list[artifacts.Speculator], class_: WorkloadClassSpec, engine: str
) -> contract.Speculation | None:
    """Of the method that is used; the runtime switches off what does not pay."""
    method = content.speculation(_methods(declared), class_, engine)
    if method is None:
        return None
    chosen = _speculator(declared, method)
    source = told(chosen.source) if chosen and chosen.source else None
    return contract.Speculation.model_validate({"method": method, "source": source})


def requests(class_: WorkloadClassSpec, question: Question, engine: str) -> contract.Requests | None:
    """None where requests are all alike, and of an engine beside, which reads no headers and keeps no deadlines.

    The priority of a class is only told where requests can have others: among equals it changes nothing.
    """
    deadline, trusted = class_.slo.deadline, question.trusted_headers
    if question.engines[engine].shape != "Bundled" or (deadline is None and not trusted):
        return None
    return contract.Requests(
        trusted_headers=trusted,
        priority=class_.priority if trusted else 0,
        deadline_seconds=deadline.total_seconds() if deadline else None,
    )


def _methods(declared: list[artifacts.Speculator]) -> list[str]:
    return [s.method for s in declared]


def _speculator(declared: list[artifacts.Speculator], method: str | None) -> artifacts.Speculator | None:
    return next((s for s in declared if s.method == method), None)
