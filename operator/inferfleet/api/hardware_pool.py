"""HardwarePool: what hardware there is and what it costs. Pure."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from inferfleet.api.base import Api, Column, Name, Resource, cel
from inferfleet.api.quantities import Bytes, Cpu, Money


class ReplicaResources(Api):
    """What one replica gets of a node: requests and limits alike, so that its speed does not depend on neighbours."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "(type(self.cpu) == int && self.cpu > 0) || (type(self.cpu) == string && isQuantity(self.cpu) && "
                "quantity(self.cpu).compareTo(quantity('50m')) >= 0)",
                "cpu must be at least 50m",
            ),
            (
                "(type(self.memory) == int && self.memory >= 1048576) || (type(self.memory) == string && "
                "isQuantity(self.memory) && quantity(self.memory).compareTo(quantity('1Mi')) >= 0)",
                "memory must be at least 1Mi",
            ),
        )
    )
    cpu: Annotated[Cpu, Field(description="CPU cores of one replica, for example 500m or 4.")]
    memory: Annotated[
        Bytes, Field(description="Memory of one replica: weights, KV cache and the runtime, for example 2Gi.")
    ]

    @model_validator(mode="after")
    def _enough(self) -> Self:
        """The same for objects that are older than the rules of the CRD."""
        if self.cpu < Decimal("0.05") or self.memory < 2**20:
            raise ValueError("cpu must be at least 50m and memory at least 1Mi")
        return self


class Nodes(Api):
    """Which nodes belong to the pool, and how they are cut into replicas."""

    selector: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]],
        Field(max_length=16, description="Node labels that all must match; empty selects every node."),
    ] = {}
    replica: Annotated[ReplicaResources, Field(description="What one replica uses of a node.")]
    max_nodes: Annotated[
        int | None,
        Field(ge=1, le=10_000, description="How many of the matching nodes may be used; absent: all of them."),
    ] = None


class Price(Api):
    """What the hardware costs."""

    per_accelerator_hour: Annotated[
        Money,
        Field(description="USD for one accelerator for one hour; for CPU accelerators, for one CPU core."),
    ]
    as_of: Annotated[
        str | None,
        Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", max_length=10, description="Date of the price."),
    ] = None
    source: Annotated[str | None, Field(max_length=256, description="Where the price is from.")] = None


class HardwarePoolSpec(Api):
    """Hardware that placements may use."""

    accelerator: Annotated[Name, Field(description="A hardware preset of the catalog, for example cpu-x86-avx2.")]
    nodes: Annotated[Nodes, Field(description="The nodes of the pool.")]
    engines: Annotated[
        list[Name] | None,
        Field(max_length=16, description="Engines that may run here; absent: those of the preset."),
    ] = None
    price: Annotated[Price | None, Field(description="Without a price nothing is placed here (reason NoPrice).")] = None


HARDWARE_POOL = Resource(
    kind="HardwarePool",
    plural="hardwarepools",
    short="hwp",
    namespaced=False,
    spec=HardwarePoolSpec,
    status=None,
    description="A HardwarePool declares hardware that models may be placed on, and its price.",
    columns=(
        Column("Accelerator", ".spec.accelerator"),
        Column("CPU", ".spec.nodes.replica.cpu"),
        Column("Memory", ".spec.nodes.replica.memory"),
        Column("USD/Accel-h", ".spec.price.perAcceleratorHour"),
        Column("As-Of", ".spec.price.asOf", "string", 1),
        Column("Source", ".spec.price.source", "string", 1),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
)
