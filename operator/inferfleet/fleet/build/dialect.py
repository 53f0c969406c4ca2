"""What the runtime image of a placement understands of its configuration. Pure.

An image that is kept through an upgrade of the operator (engineUpdate: Manual, a fixed tag, a placement that retires)
ends at a field that it does not know, and its healthy pods would at their next restart. So it is told what it was told.
"""

from collections.abc import Iterable
from dataclasses import replace

from pydantic.alias_generators import to_camel

from inferfleet.api.artifacts import Variant
from inferfleet.api.workload_class import Serving
from inferfleet.fleet.build.view import ModelView
from inferfleet.fleet.types import Live, Placement, Plan, Valid
from inferfleet.planning.content import alternatives
from inferfleet.settings import Settings

FIRST, CURRENT = 1, 2
"""First: the fields of releases up to 0.2. Current: all of `RuntimeConfig`."""
_SERVING = ("speculation", "prefix_cache", "chunked_prefill", "kv_cache")


def dialect(placement: Placement, settings: Settings) -> int:
    """Of what runs, as long as its image stays; of this release for a new image."""
    return spoken(placement.runs, placement.image, settings)


def spoken(runs: tuple[str, int] | None, kept: str | None, settings: Settings) -> int:
    """The same of what runs now (an image and its dialect), if the image `kept` is to run; None: this release's."""
    image = kept or settings.runtime_image
    return runs[1] if runs and runs[0] == image else CURRENT


def untold(running: Iterable[Live], settings: Settings, *, keeps_image: bool) -> frozenset[tuple[str, str, str]]:
    """Those that go on in the first dialect where they are chosen again."""
    kept = ((p, p.image if keeps_image else None) for p in running)
    return frozenset(p.identity for p, image in kept if spoken((p.image, p.dialect), image, settings) == FIRST)


def versions(running: Iterable[Live], settings: Settings, *, keeps_image: bool) -> dict[tuple[str, str, str], str]:
    """Of the engines of those that keep their image, which another release may have brought."""
    return {p.identity: p.version for p in running if keeps_image or p.image == settings.runtime_image}


def in_first(model: ModelView, valid: Valid) -> tuple[ModelView, Valid]:
    """Without what the first dialect has no words for."""
    nothing = {"speculators": [], "adapters": [], "variants": [_plain(v) for v in model.spec.variants]}
    default = Serving()
    serving = valid.spec.serving.model_copy(update={name: getattr(default, name) for name in _SERVING})
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


def _wordless(model: ModelView, valid: Valid, placement: Placement) -> str:
    """What is asked for and the first dialect has no words for; empty where it can say all."""
    assert placement.evaluated
    plain, first = in_first(model, valid)
    candidate, asked, spec = placement.evaluated.candidate, valid.spec.serving, first.spec
    differing = {
        "modality": valid.spec.modality != spec.modality,
        "slo.deadline": valid.spec.slo.deadline != spec.slo.deadline,
        **{f"serving.{to_camel(name)}": getattr(asked, name) != getattr(spec.serving, name) for name in _SERVING},
        "speculators": bool(model.spec.speculators),
        "adapters": bool(model.spec.adapters),
        "revision and credentials of sources": model.spec.variants != plain.spec.variants,
        "the setting trustedHeaders": valid.question.trusted_headers,
        f"the choice of engines in pool {candidate.pool.name}": bool(alternatives(candidate, valid.spec.modality)),
    }
    return ", ".join(name for name, differs in differing.items() if differs)


def unspoken(model: ModelView, plan: Plan, settings: Settings) -> list[tuple[str, str]]:
    """(fields, what is done instead) of placements whose image has no words for what is asked."""
    found = []
    for workload in plan.workloads:
        for placement in workload.placements:
            if not (workload.valid and placement.evaluated) or dialect(placement, settings) != FIRST:
                continue
            if fields := _wordless(model, workload.valid, placement):
                words = f"placement {placement.name} keeps the image {placement.image or settings.runtime_image}"
                found.append((fields, f"{words} of an earlier release"))
    return found
