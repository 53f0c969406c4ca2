"""HardwarePool: what hardware there is and what it costs. Pure."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator

from inferfleet.api.base import Api, Column, Resource, cel, list_map
from inferfleet.api.common import AcceptedStatus, LabelSelector
from inferfleet.api.external import External
from inferfleet.api.nodes import Nodes
from inferfleet.api.quantities import Bytes, Money, Speed
from inferfleet.api.strings import AcceleratorName, Date, EngineName, Name, ResourceName


class Price(Api):
    """What the hardware costs."""

    per_accelerator_hour: Annotated[
        Money,
        Field(description='USD for one accelerator for one hour, for example "6.88"; for CPUs, for one core.'),
    ]
    as_of: Annotated[Date | None, Field(description="Date of the price, for example 2026-07-20.")] = None
    source: Annotated[str | None, Field(max_length=256, description="Where the price is from.")] = None


class Power(Api):
    """For limits and objectives of energy."""

    max_watts: Annotated[
        int,
        Field(ge=1, le=100_000, description="Power of one accelerator at full load, in watts; for CPUs, of one core."),
    ]


class Quota(Api):
    """How much of the pool one namespace may use."""

    namespace: Annotated[Name, Field(description="The namespace.")]
    accelerators: Annotated[
        int, Field(ge=0, le=1_000_000, description="Accelerators at most, over all its Models; for CPUs, cores.")
    ]


class CustomAccelerator(Api):
    """Hardware that the catalog does not know; the same facts as a preset's. Speeds per accelerator and second."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "(self.kind == 'CPU') != has(self.memory)",
                "memory is that of one accelerator: needed for all kinds but CPU, whose replicas state theirs",
            ),
            (
                "!has(self.memory) || (type(self.memory) == int ? self.memory > 0 : "
                "type(self.memory) == string && (!isQuantity(self.memory) || "
                "quantity(self.memory).compareTo(quantity('0')) > 0))",
                "memory must be above 0",
            ),
        )
    )
    vendor: Annotated[str | None, Field(max_length=63, description="Who makes it.")] = None
    kind: Annotated[
        Literal["GPU", "CPU", "NPU", "TPU", "LPU"],
        Field(description="What it is; for CPU, one accelerator is one core."),
    ]
    resource_name: Annotated[
        ResourceName | None, Field(description="Extended resource that pods request; none for CPU.")
    ] = None
    memory: Annotated[
        Bytes | None,
        Field(description="Memory of one accelerator that can be allocated, for example 79Gi; none for CPU."),
    ] = None
    memory_bandwidth: Annotated[Speed, Field(description='Bytes per second, for example "3.35e12".')]
    operations: Annotated[
        dict[Annotated[str, Field(max_length=16)], Speed],
        Field(
            min_length=1,
            max_length=16,
            description="Operations per second (a multiply-add counts as two), dense, by number format such as BF16 or "
            "INT8, or by quantization of the weights where that was measured.",
        ),
    ]
    watts: Annotated[int | None, Field(ge=1, le=100_000, description="Power of one accelerator in watts.")] = None
    engines: Annotated[list[EngineName], Field(min_length=1, max_length=16, description="Engines that run on it.")]

    @field_validator("memory")
    @classmethod
    def _some_memory(cls, value: int | None) -> int | None:
        """What an API server without the rule above has stored is refused here, in the same words."""
        if value is not None and value < 0:
            raise ValueError("memory must be above 0")
        return value


class HardwarePoolSpec(Api):
    """Hardware that placements may use."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            ("has(self.nodes) != has(self.external)", "give exactly one of nodes and external"),
            (
                "!has(self.nodes) || has(self.accelerator) != has(self.custom)",
                "with nodes, give exactly one of accelerator (a preset of the catalog) and custom (its numbers)",
            ),
            (
                "!has(self.external) || !(has(self.accelerator) || has(self.custom) || has(self.engines) || "
                "has(self.price) || has(self.power) || has(self.podTemplatePatch))",
                "with external there are no pods, and prices are per model: leave out accelerator, custom, engines, "
                "price, power and podTemplatePatch",
            ),
            (
                "has(self.external) == has(oldSelf.external)",
                "a pool cannot turn from nodes into an external provider or back: create another one",
            ),
        )
    )
    accelerator: Annotated[
        AcceleratorName | None,
        Field(description="A hardware preset of the catalog, for example nvidia-l40s or cpu-x86-avx2."),
    ] = None
    custom: Annotated[
        CustomAccelerator | None,
        Field(description="Instead of accelerator: the facts themselves, for hardware that the catalog lacks."),
    ] = None
    nodes: Annotated[Nodes | None, Field(description="The nodes of the pool.")] = None
    external: Annotated[External | None, Field(description="Instead of nodes: a provider outside the cluster.")] = None
    engines: Annotated[
        list[EngineName] | None,
        # not a bound of the type: the release before stored empty lists, and reading them must not fail
        Field(
            max_length=16,
            json_schema_extra={"minItems": 1},
            description="Engines that may run here; absent: those of the preset.",
        ),
    ] = None
    price: Annotated[Price | None, Field(description="Without a price nothing is placed here (reason NoPrice).")] = None
    power: Annotated[Power | None, Field(description="Absent: what the preset says.")] = None
    allowed_namespaces: Annotated[
        LabelSelector | None,
        Field(description="Labels of the namespaces whose Models may be placed here; absent: all."),
    ] = None
    quotas: Annotated[
        list[Quota],
        Field(
            max_length=256,
            json_schema_extra=list_map("namespace"),
            description="How much single namespaces may use; a namespace without an entry is not limited.",
        ),
    ] = []
    pod_template_patch: Annotated[
        dict[str, Any] | None,
        Field(
            json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
            description="The admins' way out: merged into the pod template of every placement here, lists of "
            "containers, "
            "volumes and env by name.",
        ),
    ] = None


class HardwarePoolStatus(AcceptedStatus):
    """What the operator makes of a pool."""

    nodes: Annotated[int, Field(description="Nodes that match and may be used.")] = 0
    replicas: Annotated[int, Field(description="Replicas that they hold, whatever runs there now.")] = 0


HARDWARE_POOL = Resource(
    kind="HardwarePool",
    plural="hardwarepools",
    short="hwp",
    namespaced=False,
    spec=HardwarePoolSpec,
    status=HardwarePoolStatus,
    description="A HardwarePool declares hardware that models may be placed on, and its price.",
    columns=(
        Column("Accelerator", ".spec.accelerator"),
        Column("Nodes", ".status.nodes", "integer"),
        Column("Replicas", ".status.replicas", "integer"),
        Column("USD/Accel-h", ".spec.price.perAcceleratorHour"),
        Column("Accepted", '.status.conditions[?(@.type=="Accepted")].status'),
        Column("CPU", ".spec.nodes.replica.cpu", "string", 1),
        Column("Memory", ".spec.nodes.replica.memory", "string", 1),
        Column("Endpoint", ".spec.external.endpoint", "string", 1),
        Column("As-Of", ".spec.price.asOf", "string", 1),
        Column("Source", ".spec.price.source", "string", 1),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
)
