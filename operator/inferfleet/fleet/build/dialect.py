"""What the runtime image of a placement understands of its configuration. Pure.

An image that is kept through an upgrade of the operator (engineUpdate: Manual, a fixed tag, a placement that retires)
ends at a field that it does not know, and its healthy pods would at their next restart. So it is told what it was told.
"""

from dataclasses import replace

from inferfleet.api.artifacts import Variant
from inferfleet.api.workload_class import Serving, WorkloadClassSpec
from inferfleet.fleet.types import ModelView, Placement, Plan, Valid
from inferfleet.settings import Settings

FIRST, CURRENT = 1, 2
"""First: the fields of releases up to 0.2. Current: all of `RuntimeConfig`."""
_FIELDS = "modality, slo.deadline, serving, speculators, adapters, credentials, and the setting trustedHeaders"


def dialect(placement: Placement, settings: Settings) -> int:
    """Of what runs, as long as its image stays; of this release for a new image."""
    image = placement.image or settings.runtime_image
    return placement.runs[1] if placement.runs and placement.runs[0] == image else CURRENT


def in_first(model: ModelView, valid: Valid) -> tuple[ModelView, Valid]:
    """Without what the first dialect has no words for."""
    nothing = {"speculators": [], "adapters": [], "variants": [_plain(v) for v in model.spec.variants]}
    default = Serving()
    new = ("speculation", "prefix_cache", "chunked_prefill", "kv_cache")
    serving = valid.spec.serving.model_copy(update={name: getattr(default, name) for name in new})
    slo = valid.spec.slo.model_copy(update={"deadline": None})
    spec = valid.spec.model_copy(update={"serving": serving, "slo": slo, "modality": "Text"})
    plain = replace(valid, spec=spec, question=replace(valid.question, trusted_headers=False))
    return replace(model, spec=model.spec.model_copy(update=nothing)), plain


def alone(placement: Placement) -> Placement:
    """With its own engine as the pool's only one: the first dialect has no word for a choice."""
    assert placement.evaluated
    candidate = placement.evaluated.candidate
    pool = replace(candidate.pool, engines=(candidate.engine,))
    return replace(placement, evaluated=replace(placement.evaluated, candidate=replace(candidate, pool=pool)))


def _plain(variant: Variant) -> Variant:
    if variant.source is None:
        return variant
    source = variant.source.model_copy(update={"revision": None, "credentials": None})
    return variant.model_copy(update={"source": source})


def _asked(valid: Valid) -> tuple[WorkloadClassSpec, bool]:
    return valid.spec, valid.question.trusted_headers


def unspoken(model: ModelView, plan: Plan, settings: Settings) -> list[tuple[str, str]]:
    """(fields, what is done instead) of placements whose image has no words for what is asked."""
    found = []
    for workload in plan.workloads:
        for placement in workload.placements:
            if not (workload.valid and placement.evaluated) or dialect(placement, settings) != FIRST:
                continue
            plain, valid = in_first(model, workload.valid)
            if (plain.spec, _asked(valid)) != (model.spec, _asked(workload.valid)):
                words = f"placement {placement.name} keeps the image {placement.image or settings.runtime_image}"
                found.append((_FIELDS, f"{words} of an earlier release"))
    return found
