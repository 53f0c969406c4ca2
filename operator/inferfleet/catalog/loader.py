"""Load the catalog's YAML into frozen types. Reads only the files of this folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    name: str


_T = TypeVar("_T", bound=_Entry)


class Accelerator(_Entry):
    """One kind of hardware. Speeds are per accelerator and second; for CPUs per core."""

    kind: Literal["CPU", "GPU"]
    engines: tuple[str, ...]
    memory: Annotated[float | None, Field(gt=0)] = None
    """Bytes; None for CPUs, whose replicas state their memory."""
    memory_bandwidth: Annotated[float, Field(gt=0)]
    operations: Mapping[str, float] = {}
    """Operations per second by quantization of the weights."""
    source: str
    as_of: str


class ModelArchitecture(_Entry):
    """A decoder-only transformer with gated feed-forward layers and grouped-query attention."""

    layers: int
    hidden: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied_embeddings: bool = False
    source: str = ""
    as_of: str = ""

    @property
    def block_parameters(self) -> int:
        """Weights that every token passes through, the output matrix included."""
        attention = self.hidden * self.head_dim * (2 * self.heads + 2 * self.kv_heads)
        return self.layers * (attention + 3 * self.hidden * self.feed_forward) + self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """All weights: the embedding matrix counts again unless it is the output matrix."""
        return self.block_parameters + (0 if self.tied_embeddings else self.vocabulary * self.hidden)


class Quantization(_Entry):
    """A format of weights."""

    bytes_per_weight: Annotated[float, Field(gt=0)]
    layout: str


@dataclass(frozen=True)
class Catalog:
    """Every entry by name."""

    accelerators: Mapping[str, Accelerator]
    models: Mapping[str, ModelArchitecture]
    quantizations: Mapping[str, Quantization]


@cache
def load() -> Catalog:
    """The catalog that ships with the package."""
    return Catalog(
        _read("hardware.yaml", Accelerator),
        _read("models.yaml", ModelArchitecture),
        _read("quantizations.yaml", Quantization),
    )


def _read(file: str, entry: type[_T]) -> Mapping[str, _T]:
    raw: Any = yaml.safe_load(files("inferfleet.catalog").joinpath(file).read_text())
    return {item.name: item for item in (entry.model_validate(fields) for fields in raw)}
