"""The nodes of a HardwarePool: which they are, and how they are cut into replicas. Pure."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from inferfleet.api.base import WAITS, Api, cel
from inferfleet.api.common import Labels
from inferfleet.api.quantities import Bytes, Cpu
from inferfleet.api.strings import LabelKey, LabelValue, MigProfile, ObjectName


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

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "!(has(self.operator) && self.operator == 'Exists' && has(self.value) && self.value != '')",
                "operator Exists tolerates every value: leave value out, or use operator Equal",
            ),
            (
                "has(self.key) || has(self.operator) && self.operator == 'Exists'",
                "without key only operator Exists is possible, which tolerates every taint",
            ),
        )
    )
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
    allocation: Annotated[Allocation, Field(description=f"How pods ask for accelerators.{WAITS}")] = Allocation()
    tolerations: Annotated[
        list[Toleration], Field(max_length=16, description="Taints that the pods tolerate besides the preset's.")
    ] = []
    scheduler_name: Annotated[
        ObjectName | None, Field(description="Scheduler of the pods; absent: the cluster's default.")
    ] = None
    runtime_class_name: Annotated[
        ObjectName | None, Field(description="RuntimeClass of the pods, where a GPU runtime is not the node's default.")
    ] = None
