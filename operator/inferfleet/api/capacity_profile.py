"""CapacityProfile: the ledger of measured capacity, keyed by content and not by a Model's name. Pure."""

from typing import Annotated

from pydantic import ConfigDict, Field

from inferfleet.api.base import Api, Column, Resource, StatusType, cel
from inferfleet.api.common import Labels
from inferfleet.api.quantities import MAX_LENGTH, QUANTITY_PATTERN
from inferfleet.api.strings import AcceleratorName, Date, DottedName, EngineName, Matching, QuantizationName, Sha256

AcceleratorCount = Annotated[
    str, Matching(QUANTITY_PATTERN, "must be a quantity as a string, such as 500m, 1 or 4", MAX_LENGTH, "500m")
]
_KEY = ("architecture", "quantization", "engine", "accelerator", "accelerators", "slots", "inputTokens", "outputTokens")

SETTINGS = (
    "kvCache",
    "prefixCache",
    "chunkedPrefill",
    "prefillChunk",
    "speculation",
    "speculator",
    "adapters",
    "mayUse",
    "tenants",
    "parallelism",
)
"""Names of what may be set apart from an engine's defaults: `planning.content.settings`."""


class DeclaredCapacity(Api):
    """A measurement of an administrator's own, believed until the operator has measured itself."""

    tokens_per_second: Annotated[
        int,
        Field(
            ge=1,
            le=100_000_000,
            description="Tokens per second of one replica with all slots busy: output tokens, of embeddings prompt "
            "tokens.",
        ),
    ]
    as_of: Annotated[
        Date,
        Field(
            description="When it was measured, for example 2026-07-20; it is believed for as long as any other, and "
            "not before that day. Of two profiles about the same, the newer one holds."
        ),
    ]
    source: Annotated[str, Field(min_length=1, max_length=256, description="How and where it was measured.")]


class CapacityProfileSpec(Api):
    """What was measured. Two Models with the same content share a profile."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                " && ".join(f"self.{name} == oldSelf.{name}" for name in _KEY),
                f"what was measured cannot change ({', '.join(_KEY)}): create another CapacityProfile",
            ),
            (
                "has(self.settings) == has(oldSelf.settings) && "
                "(!has(self.settings) || self.settings == oldSelf.settings)",
                "what was measured cannot change (settings): create another CapacityProfile",
            ),
            (
                f"!has(self.settings) || self.settings.all(name, name in [{', '.join(repr(n) for n in SETTINGS)}])",
                f"settings must be of {', '.join(SETTINGS)}: a measurement of anything else is of no workload",
            ),
        )
    )
    architecture: Annotated[
        DottedName, Field(description="Catalog preset such as llama-3.1-8b, or custom- and a digest of the numbers.")
    ]
    quantization: Annotated[QuantizationName, Field(description="Format of the weights, such as INT4-AWQ.")]
    engine: Annotated[EngineName, Field(description="Engine, such as llama-cpp.")]
    accelerator: Annotated[
        AcceleratorName,
        Field(description="Hardware preset, such as nvidia-l40s, or custom- and a digest of a pool's numbers."),
    ]
    accelerators: Annotated[
        AcceleratorCount,
        Field(description="Accelerators of one replica, for example 1; for CPUs, cores such as 500m."),
    ]
    slots: Annotated[int, Field(ge=1, le=65_536, description="Requests that decode at once.")]
    input_tokens: Annotated[int, Field(ge=1, le=2_000_000, description="Median prompt length that was measured.")]
    output_tokens: Annotated[
        int, Field(ge=1, le=2_000_000, description="Median completion length that was measured; 1 of embeddings.")
    ]
    settings: Annotated[
        Labels,
        Field(
            description="What else was set apart from the engine's defaults and changes its speed: kvCache, "
            'prefixCache, chunkedPrefill, prefillChunk ("512" of text without slo.tpot), speculation, speculator (a '
            "digest of where its weights come from), adapters, mayUse, tenants. Only workloads that set the same use "
            "the measurement. Absent: nothing.",
        ),
    ] = {}
    weights_digest: Annotated[Sha256 | None, Field(description="SHA-256 of the weights; for information.")] = None
    engine_version: Annotated[
        str | None,
        Field(
            max_length=63,
            description="Version of the engine, and of those in settings.mayUse. What the operator measured holds for "
            "it alone; beside a declaration it is for information.",
        ),
    ] = None
    declared: Annotated[DeclaredCapacity | None, Field(description="What an administrator measured elsewhere.")] = None


_TIME = {"format": "date-time"}
EVIDENCE = 9
"""Numbers that learning goes on from."""


class LearnedStep(StatusType):
    """What a step of the engine takes under load, learned from warm pods. A time is in milliseconds, such as 8.12ms."""

    base: Annotated[str, Field(max_length=24, description="Of a step alone, such as 8.12ms.")] = ""
    per_token: Annotated[str, Field(max_length=24, description="More for each request that decodes in it.")] = ""
    per_prompt_token: Annotated[str, Field(max_length=24, description="More for each prompt token that it reads.")] = ""
    observations: Annotated[
        int, Field(description="Spans of pods that it rests on; older ones count less, as after half an hour a third.")
    ] = 0
    error_percent: Annotated[
        int, Field(description="Relative standard error of the throughput with all slots busy that follows from it.")
    ] = 0
    evidence: Annotated[
        list[Annotated[str, Field(max_length=24)]],
        Field(
            max_length=EVIDENCE,
            description="Means of the observed rates and of their products, from which learning goes on after a "
            "restart.",
        ),
    ] = []


class CapacityProfileStatus(StatusType):
    """The operator's measurement."""

    tokens_per_second: Annotated[
        int,
        Field(
            description="Tokens per second of one replica, rounded to two significant digits: output tokens, of "
            "embeddings prompt tokens."
        ),
    ] = 0
    source: Annotated[str, Field(max_length=32, description="Benchmarked (at start) or Observed (under load).")] = ""
    measured_at: Annotated[
        str,
        Field(
            max_length=40,
            json_schema_extra=_TIME,
            description="When it was written: on a change beyond noise, and once a day while pods go on showing it.",
        ),
    ] = ""
    expires_at: Annotated[
        str,
        Field(
            max_length=40,
            json_schema_extra=_TIME,
            description="From when on it is not believed any more: 30 days after measuredAt.",
        ),
    ] = ""
    confidence: Annotated[
        str, Field(max_length=8, description="High: errorPercent is at most 5. Medium: at most 15. Low: more.")
    ] = ""
    error_percent: Annotated[
        int,
        Field(
            description="Relative standard error of the throughput: of tokensPerSecond or of step, whichever is the "
            "better known. One benchmark has 10."
        ),
    ] = 0
    observations: Annotated[
        int, Field(description="Independent measurements that tokensPerSecond is worth, up to 9.")
    ] = 0
    step: Annotated[
        LearnedStep | None,
        Field(description="Of text with slo.tpot, once pods were busy: what replicas and the expected latency follow."),
    ] = None


CAPACITY_PROFILE = Resource(
    kind="CapacityProfile",
    plural="capacityprofiles",
    short="cap",
    namespaced=False,
    spec=CapacityProfileSpec,
    status=CapacityProfileStatus,
    description="A CapacityProfile is a measured capacity; the operator writes it, and plans and scales with it.",
    columns=(
        Column("Quantization", ".spec.quantization"),
        Column("Accelerator", ".spec.accelerator"),
        Column("Slots", ".spec.slots", "integer"),
        Column("Tok/s", ".status.tokensPerSecond", "integer"),
        Column("Source", ".status.source"),
        Column("Confidence", ".status.confidence"),
        Column("Declared", ".spec.declared.tokensPerSecond", "integer", 1),
        Column("Engine", ".spec.engine", "string", 1),
        Column("Step", ".status.step.base", "string", 1),
        Column("Error %", ".status.errorPercent", "integer", 1),
        Column("Expires", ".status.expiresAt", "string", 1),
        Column("Measured", ".status.measuredAt", "date"),
    ),
)
