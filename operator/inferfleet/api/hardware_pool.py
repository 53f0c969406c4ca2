"""HardwarePool: what hardware there is and what it costs. Pure."""

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from inferfleet.api.base import Api, Column, Resource, cel, list_map
from inferfleet.api.common import AcceptedStatus, Labels, LabelSelector
from inferfleet.api.external import External
from inferfleet.api.quantities import Bytes, Cpu, Money, Speed
from inferfleet.api.strings import (
    AcceleratorName,
    Date,
    EngineName,
    LabelKey,
    LabelValue,
    MigProfile,
    Name,
    ObjectName,
    ResourceName,
)


class ReplicaResources(Api):
    """What one replica gets of a node: requests and limits alike, so that its speed does not depend on neighbours."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "(type(self.cpu) == int && self.cpu > 0) || (type(self.cpu) == string && (!isQuantity(self.cpu) || "
                "quantity(self.cpu).compareTo(quantity('50m')) >= 0))",
                "cpu must be at least 50m",
            ),
            (
                "(type(self.memory) == int && self.memory >= 1048576) || (type(self.memory) == string && "
                "(!isQuantity(self.memory) || quantity(self.memory).compareTo(quantity('1Mi')) >= 0))",
                "memory must be at least 1Mi",
            ),
        )
    )
    cpu: Annotated[Cpu, Field(description="CPU cores of one replica, for example 500m or 4. At least 50m.")]
    memory: Annotated[
        Bytes,
        Field(description="Memory of one replica: weights, KV cache and the runtime, for example 2Gi. At least 1Mi."),
    ]

    @model_validator(mode="after")
    def _enough(self) -> Self:
        """The same for objects that are older than the rules of the CRD."""
        if self.cpu < Decimal("0.05") or self.memory < 2**20:
            raise ValueError("cpu must be at least 50m and memory at least 1Mi")
        return self


class Allocation(Api):
    """How pods ask for accelerators."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "!(has(self.migProfile) && has(self.timeSlicingShare))",
                "a MIG profile and time slicing exclude each other: give one of migProfile and timeSlicingShare",
            ),
            (
                "!has(self.deviceClassName) || has(self.method) && self.method == 'DRA'",
                "deviceClassName needs method: DRA",
            ),
        )
    )
    method: Annotated[
        Literal["ExtendedResource", "DRA"],
        Field(
            description="ExtendedResource (default) requests the device plugin's resource; DRA makes a "
            "ResourceClaimTemplate."
        ),
    ] = "ExtendedResource"
    mig_profile: Annotated[
        MigProfile | None,
        Field(description="MIG profile that one replica gets instead of a whole GPU, such as 3g.40gb."),
    ] = None
    time_slicing_share: Annotated[
        int | None, Field(ge=2, le=64, description="Into how many shares the device plugin cuts each GPU.")
    ] = None
    device_class_name: Annotated[
        ObjectName | None, Field(description="DRA DeviceClass; absent: the preset's, such as gpu.nvidia.com.")
    ] = None


class Toleration(Api):
    """Of a node's taint, as in a Pod; the preset's own are always there."""

    key: Annotated[
        LabelKey | None, Field(description="Key of the taint; absent with operator Exists: every taint.")
    ] = None
    operator: Annotated[Literal["Equal", "Exists"], Field(description="Default Equal.")] = "Equal"
    value: Annotated[LabelValue | None, Field(description="Value of the taint, with operator Equal.")] = None
    effect: Annotated[
        Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None, Field(description="Absent: every effect.")
    ] = None


class Nodes(Api):
    """Which nodes belong to the pool, and how they are cut into replicas."""

    selector: Annotated[
        Labels | None,
        Field(
            json_schema_extra=cel(
                (
                    "size(self) > 0",
                    "an empty selector would select every node: name a label, or leave selector out to use the "
                    "preset's",
                )
            ),
            description="Node labels that all must match; absent: the preset's own, and where it has none every node.",
        ),
    ] = None
    replica: Annotated[
        ReplicaResources | None,
        Field(description="What one replica uses of a node. Needed for CPU presets, whose accelerator is a core."),
    ] = None
    accelerators_per_node: Annotated[
        int | None,
        Field(ge=1, le=256, description="Accelerators of a node. Needed where no node exists yet; else nodes tell it."),
    ] = None
    max_nodes: Annotated[
        int | None,
        Field(
            ge=1,
            le=10_000,
            description="How many nodes may be used, with acceleratorsPerNode also those that an autoscaler would add; "
            "absent: what exists.",
        ),
    ] = None
    allocation: Annotated[Allocation, Field(description="How pods ask for accelerators.")] = Allocation()
    tolerations: Annotated[
        list[Toleration], Field(max_length=16, description="Taints that the pods tolerate besides the preset's.")
    ] = []
    scheduler_name: Annotated[
        ObjectName | None, Field(description="Scheduler of the pods; absent: the cluster's default.")
    ] = None
    runtime_class_name: Annotated[
        ObjectName | None, Field(description="RuntimeClass of the pods, where a GPU runtime is not the node's default.")
    ] = None


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
        CustomAccelerator | None, Field(description="The same facts inline, for hardware that the catalog lacks.")
    ] = None
    nodes: Annotated[Nodes | None, Field(description="The nodes of the pool.")] = None
    external: Annotated[External | None, Field(description="Instead of nodes: a provider outside the cluster.")] = None
    engines: Annotated[
        list[EngineName] | None,
        Field(max_length=16, description="Engines that may run here; absent: those of the preset."),
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
