"""Inference engines: what runs which format where, and how their servers are spoken to. Pure.

What this release can start itself is in `inferfleet_runtime.engines`; here is what is known of all of them.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from inferfleet.catalog.entry import Absent, Entry, Part
from inferfleet.catalog.quantization_entries import Quantization

Status = Literal["Documented", "Experimental", "PluginNeeded", "Unsupported", "NotVerified"]
"""Experimental: with a fallback, young, or documentation disagrees. NotVerified: nobody looked."""
Canonical = Literal[
    "running",
    "waiting",
    "promptTokens",
    "generatedTokens",
    "ttft",
    "interTokenLatency",
    "endToEnd",
    "queueTime",
    "kvCacheUsage",
    "prefixCacheHits",
    "prefixCacheQueries",
    "prefixCacheHitRate",
    "draftTokens",
    "acceptedTokens",
    "acceptedRate",
]
"""Names by which all engines are compared."""
Modality = Literal["Text", "Embedding", "Image", "Video", "Audio"]
Port = Annotated[int, Field(ge=1, le=65535)]
Text = str
"""Words; one of `Absent` where nothing is known."""
GGUF = "GGUF"


class Platform(Part):
    """One kind of device that an engine has a build for."""

    name: str
    kind: Literal["CPU", "GPU", "NPU", "TPU", "LPU"]
    tier: Literal["Full", "Experimental", "Legacy"] = "Full"
    version_seen: Text = "NotVerified"
    """Version that the facts below were read of."""
    quantizations: Mapping[str, Mapping[str, Status]] = {}
    """By architecture of the accelerator, then by quantization; `GGUF` stands for every block type of it."""
    kv_cache_types: tuple[str, ...] = ()
    speculation: tuple[str, ...] | None = None
    """Where it differs from the engine's."""
    notes: tuple[str, ...] = ()


class Api(Part):
    """The HTTP server."""

    base_path: Text
    """Before `/chat/completions`."""
    port: Port | Absent
    """The default, which deployments should set themselves."""
    health: Text
    modality_paths: tuple[str, ...] = ()
    """Endpoints beside text, such as `/images/generations`, below the base path."""


class Metrics(Part):
    """Prometheus series under the names that all engines are compared by."""

    path: Text
    port: Port | None = None
    """Where it is not the API's."""
    needs: str | None = None
    """Flag or setting without which there are none."""
    series: Mapping[Canonical, str] = {}
    """Canonical name to series; alternatives of older versions after `|`."""
    lacks: tuple[Canonical, ...] = ()
    """Canonical names that must be measured in front of it."""


class Quirk(Part):
    """Something that surprises."""

    id: str
    text: str


class EngineEntry(Entry):
    """One engine. Tier `Full`: described completely; `Second`: the facts needed to choose it."""

    title: str
    tier: Literal["Full", "Second"]
    bundled: bool = False
    """Whether this release starts it itself."""
    image: str | None = None
    """Of an engine that runs in an image of its own: instead of the one that this release names."""
    maintained: Literal["Active", "Maintenance", "NotVerified"] = "NotVerified"
    version_seen: Text = "NotVerified"
    modalities: tuple[Modality, ...] = ()
    platforms: tuple[Platform, ...] = ()
    parallelism: tuple[Literal["Tensor", "Pipeline", "Data", "Expert", "Sequence"], ...] = ()
    speculation: tuple[str, ...] = ()
    """Methods, in the engine's own names."""
    weight_formats: tuple[str, ...] = ()
    api: Api
    metrics: Metrics
    flags: Mapping[str, str] = {}
    """What a deployment sets, to the flag that does it."""
    quirks: tuple[Quirk, ...] = ()

    @property
    def architectures(self) -> frozenset[str]:
        """Of accelerators that anything is known about."""
        return frozenset(a for platform in self.platforms for a in platform.quantizations)

    def status(self, architecture: str, quantization: Quantization) -> Status:
        """Whether it runs a format on hardware; NotVerified where the tables say nothing."""
        for platform in self.platforms:
            known = platform.quantizations.get(architecture)
            if known is not None:
                group = known.get(GGUF, "NotVerified") if quantization.containers == (GGUF,) else "NotVerified"
                return known.get(quantization.name, group)
        return "NotVerified"
