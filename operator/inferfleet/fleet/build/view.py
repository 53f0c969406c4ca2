"""What building is given of a Model. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from inferfleet.api.artifacts import Source, Variant
from inferfleet.api.model import ModelSpec
from inferfleet.fleet.sources import source_of


@dataclass(frozen=True)
class ModelView:
    """The parts of a valid Model that building needs."""

    namespace: str
    name: str
    uid: str
    spec: ModelSpec

    @property
    def variants(self) -> Mapping[str, Variant]:
        return {v.name: v for v in self.spec.variants}

    def source(self, variant: Variant) -> Source:
        """Of the file that is fetched."""
        return source_of(variant, self.variants)
