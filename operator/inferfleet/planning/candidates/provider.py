"""What providers outside the cluster offer for a model. Pure."""

from inferfleet.api.external import ExternalModel
from inferfleet.planning.types import Candidate, Pool, Question, Variant

ENGINE = "external"
"""Where a candidate names its engine: nobody says what a provider runs."""


def offers(pool: Pool, q: Question) -> list[Candidate]:
    """One for each model of the provider that is the same architecture, by the provider's names."""
    assert pool.external
    same = [m for m in pool.external.models if m.architecture == q.architecture_key]
    return [Candidate(pool, _variant(m), ENGINE, offer=m) for m in sorted(same, key=lambda m: m.name)]


def _variant(offer: ExternalModel) -> Variant:
    return Variant(offer.name, offer.quantization or "", scheme="https")
