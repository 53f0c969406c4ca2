"""What a class's `serving` and a Model's speculators and adapters tell the pods. Pure.

Whatever says nothing new is left out: the ConfigMap of a Model that uses none of it is that of earlier releases.
"""

from typing import Any

from inferfleet.api import artifacts
from inferfleet.api.model import ModelSpec
from inferfleet.api.workload_class import Serving
from inferfleet.fleet.sources import told
from inferfleet.planning.types import Candidate
from inferfleet_runtime import contract
from inferfleet_runtime.engines import ENGINES
from inferfleet_runtime.engines.choice import MODULES

WITHOUT_WEIGHTS = ("NGram", "MTP")
"""Methods that a class may ask for without the Model declaring a speculator."""


def options(spec: ModelSpec, serving: Serving, candidate: Candidate) -> dict[str, Any]:
    """Fields of `RuntimeConfig`."""
    engine = candidate.engine
    given = {
        "may_use": alternatives(candidate),
        "kv_cache": _kv_cache(serving),
        "prefix_cache": "Off" if serving.prefix_cache == "Off" else None,
        "chunked_prefill": "Off" if serving.chunked_prefill == "Off" else None,
        "speculation": speculation(spec.speculators, serving.speculation, engine),
        "adapters": tuple(contract.Adapter(name=a.name, source=told(a.source)) for a in spec.adapters) or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def alternatives(candidate: Candidate) -> tuple[str, ...] | None:
    """Other engines of the pool among which the pod may choose when it starts, by its processor and its slots."""
    bundled = [e for e in candidate.pool.engines if e in MODULES and e != candidate.engine]
    able = tuple(e for e in bundled if candidate.variant.quantization in ENGINES[e].serves)
    return able if candidate.engine in MODULES and able else None


def companions(spec: ModelSpec, serving: Serving, engine: str) -> list[artifacts.Source]:
    """Sources that are fetched beside the model's own."""
    chosen = _speculator(spec.speculators, serving.speculation, engine)
    return [*([chosen.source] if chosen and chosen.source else []), *(a.source for a in spec.adapters)]


def _kv_cache(serving: Serving) -> contract.KvCache | None:
    asked = serving.kv_cache
    if asked.dtype == "Auto" and asked.overflow == "Refuse":
        return None
    return contract.KvCache.model_validate(
        {"dtype": None if asked.dtype == "Auto" else asked.dtype, "overflow": asked.overflow}
    )


def speculation(declared: list[artifacts.Speculator], asked: str, engine: str) -> contract.Speculation | None:
    """Auto takes the Model's first speculator that the engine has; the runtime switches off what does not pay."""
    if chosen := _speculator(declared, asked, engine):
        return contract.Speculation(method=chosen.method, source=told(chosen.source) if chosen.source else None)
    if asked in WITHOUT_WEIGHTS:
        return contract.Speculation.model_validate({"method": asked})
    return None


def _speculator(declared: list[artifacts.Speculator], asked: str, engine: str) -> artifacts.Speculator | None:
    able = [s for s in declared if s.method in ENGINES[engine].speculation and asked in ("Auto", s.method)]
    return able[0] if able else None
