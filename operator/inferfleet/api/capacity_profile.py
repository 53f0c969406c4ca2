"""CapacityProfile: the ledger of measured capacity, keyed by content and not by a Model's name. Pure."""

from typing import Annotated

from pydantic import Field

from inferfleet.api.base import Api, Column, Resource, StatusType


class CapacityProfileSpec(Api):
    """What was measured. Two Models with the same content share a profile."""

    architecture: Annotated[str, Field(max_length=63, description="Catalog preset, or a digest of the numbers.")]
    quantization: Annotated[str, Field(max_length=32, description="Format of the weights.")]
    engine: Annotated[str, Field(max_length=63, description="Engine.")]
    accelerator: Annotated[str, Field(max_length=63, description="Hardware preset.")]
    accelerators: Annotated[str, Field(max_length=24, description="Accelerators of one replica; for CPUs, cores.")]
    slots: Annotated[int, Field(ge=1, description="Requests that decode at once.")]
    input_tokens: Annotated[int, Field(ge=1, description="Median prompt length that was measured.")]
    output_tokens: Annotated[int, Field(ge=1, description="Median completion length that was measured.")]


class CapacityProfileStatus(StatusType):
    """The measurement."""

    tokens_per_second: Annotated[int, Field(description="Output tokens per second of one replica, two digits.")] = 0
    source: Annotated[str, Field(max_length=32, description="Benchmarked (at start) or Observed (under load).")] = ""
    measured_at: Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})] = ""


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
        Column("Measured", ".status.measuredAt", "date"),
    ),
)
