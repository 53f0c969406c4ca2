"""What a class's `serving` and a Model's speculators and adapters tell the pods. Pure.

Whatever says nothing new is left out: the ConfigMap of a Model that uses none of it is that of earlier releases.
"""

from typing import Any

from inferfleet.api import artifacts
from inferfleet.api.model import ModelSpec
from inferfleet.api.workload_class import Serving
from inferfleet.fleet.sources import seen_as
from inferfleet_runtime import contract
from inferfleet_runtime.engines import ENGINES

WITHOUT_WEIGHTS = ("NGram", "MTP")
"""Methods that a class may ask for without the Model declaring a speculator."""


def options(spec: ModelSpec, serving: Serving, engine: str) -> dict[str, Any]:
    """Fields of `RuntimeConfig`."""
    given = {
        "kv_cache": _kv_cache(serving),
        "prefix_cache": "Off" if serving.prefix_cache == "Off" else None,
        "chunked_prefill": "Off" if serving.chunked_prefill == "Off" else None,
        "speculation": speculation(spec.speculators, serving.speculation, engine),
        "adapters": tuple(contract.Adapter(name=a.name, source=source(a.source)) for a in spec.adapters) or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def source(given: artifacts.Source) -> contract.Source:
    """As the pod sees it."""
    return contract.Source(uri=seen_as(given.uri), sha256=given.sha256, revision=given.revision)


def _kv_cache(serving: Serving) -> contract.KvCache | None:
    asked = serving.kv_cache
    if asked.dtype == "Auto" and asked.overflow == "Refuse":
        return None
    return contract.KvCache.model_validate(
        {"dtype": None if asked.dtype == "Auto" else asked.dtype, "overflow": asked.overflow}
    )


def speculation(declared: list[artifacts.Speculator], asked: str, engine: str) -> contract.Speculation | None:
    """Auto takes the Model's first speculator that the engine has; the runtime switches off what does not pay."""
    if asked == "Off":
        return None
    able = [s for s in declared if s.method in ENGINES[engine].speculation and asked in ("Auto", s.method)]
    if able:
        return contract.Speculation(method=able[0].method, source=source(able[0].source) if able[0].source else None)
    if asked in WITHOUT_WEIGHTS:
        return contract.Speculation.model_validate({"method": asked})
    return None
