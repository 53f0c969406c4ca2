"""The order of the rules: who may, what fits, what is known; the first that rejects wins. Pure."""

from collections.abc import Callable

from inferfleet.planning.rules.artifact import (
    accurate_enough,
    companions_supported,
    modality_supported,
    quantization_allowed,
    quantization_known,
    quantization_supported,
    source_supported,
)
from inferfleet.planning.rules.context import context_long_enough
from inferfleet.planning.rules.hardware import (
    accelerator_known,
    engine_supported,
    memory_fits,
    power_known,
    priced,
    replica_declared,
    topology_supported,
)
from inferfleet.planning.rules.reach import as_pinned, external_reachable, namespace_allowed
from inferfleet.planning.rules.serving import serving_supported
from inferfleet.planning.types import Candidate, Question, Rejection

Rule = Callable[[Candidate, Question], Rejection | None]

REACH: tuple[Rule, ...] = (namespace_allowed, as_pinned, external_reachable)
"""Whether the workload may use it."""
CAPABILITY: tuple[Rule, ...] = (
    accelerator_known,
    engine_supported,
    replica_declared,
    modality_supported,
    topology_supported,
    context_long_enough,
    quantization_known,
    quantization_allowed,
    accurate_enough,
    quantization_supported,
    source_supported,
    companions_supported,
    serving_supported,
    priced,
    power_known,
    memory_fits,
)
"""Whether it could serve on an empty pool: by content alone, so that the answer may be remembered (`evaluate.memo`)."""


def first(rules: tuple[Rule, ...], c: Candidate, q: Question) -> Rejection | None:
    """The first rejection, or None."""
    return next((found for rule in rules if (found := rule(c, q))), None)
