"""Model: where weights are, which variants may be served, for which workloads. Pure."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from inferfleet.api.architecture import Architecture
from inferfleet.api.artifacts import Adapter, Speculator, Variant
from inferfleet.api.base import LABEL_VALUE, SERVICE_NAME, WAITS, Api, Column, Resource, cel, list_map
from inferfleet.api.common import Labels, TrafficOverride
from inferfleet.api.model_status import ModelStatus
from inferfleet.api.strings import EngineName, LabelKey, Name, ObjectName


class Demand(Api):
    """What to plan for until traffic is observed."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "has(self.requestsPerSecond) != has(self.requestsPerHour)",
                "give exactly one of requestsPerSecond and requestsPerHour",
            ),
        )
    )
    requests_per_second: Annotated[
        int | None, Field(ge=0, le=1_000_000, description="Requests per second at the class's lengths.")
    ] = None
    requests_per_hour: Annotated[
        int | None, Field(ge=0, le=1_000_000_000, description="The same for workloads with less than one a second.")
    ] = None
    guaranteed: Annotated[
        bool,
        Field(description="Whether replicas for this demand always run, whatever is observed. Default false."),
    ] = False

    @property
    def per_second(self) -> float:
        """Requests per second; 0 where none are given."""
        return float(self.requests_per_second or 0) + (self.requests_per_hour or 0) / 3600


class Replicas(Api):
    """Bounds of the autoscaler."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "!has(self.max) || self.max >= (has(self.min) ? self.min : 1)",
                "max must not be below min, which is 1 when absent",
            ),
            (
                "has(self.max) || !has(self.min) || self.min <= 1",
                "with min above 1, max (which is 1 when absent) is needed too",
            ),
        )
    )
    min: Annotated[
        int,
        Field(
            ge=0, le=1000, description="Replicas that always run. 0 to 1000, default 1. In this release 0 counts as 1."
        ),
    ] = 1
    max: Annotated[int, Field(ge=1, le=1000, description="Replicas at most. 1 to 1000, default 1.")] = 1
    mode: Annotated[
        Literal["Automatic", "External"],
        Field(
            description="Automatic (default): the operator scales on token throughput. External: an HPA or KEDA writes "
            "the Deployment's replicas; needs a pinned placement."
        ),
    ] = "Automatic"

    @property
    def least(self) -> int:
        """Replicas that run at least: one, for as long as nothing could wake a workload without any."""
        return max(1, self.min)


class PoolSelector(Api):
    """Labels of HardwarePools."""

    match_labels: Annotated[
        Labels,
        Field(
            json_schema_extra=cel(("size(self) > 0", "an empty selector selects every pool: leave pools out for that")),
            description="Labels that all must match.",
        ),
    ]


class PlacementPolicy(Api):
    """How much the operator decides."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "!has(self.mode) || self.mode != 'Pinned' || has(self.pool) && has(self.variant)",
                "mode Pinned needs pool and variant",
            ),
            (
                "has(self.mode) && self.mode == 'Pinned' || !(has(self.pool) || has(self.variant) || has(self.engine) "
                "|| has(self.tensorParallel))",
                "set mode: Pinned, or leave out pool, variant, engine and tensorParallel",
            ),
        )
    )
    mode: Annotated[
        Literal["Auto", "Recommend", "Pinned"],
        Field(
            description="Auto (default) decides and acts; Recommend decides and shows it in status, and leaves "
            "what runs as it is; Pinned takes what is named here if it can serve at all."
        ),
    ] = "Auto"
    pool: Annotated[Name | None, Field(description="Pinned: the HardwarePool.")] = None
    variant: Annotated[Name | None, Field(description="Pinned: the variant.")] = None
    engine: Annotated[EngineName | None, Field(description="Pinned: the engine; absent: the best one.")] = None
    tensor_parallel: Annotated[
        int | None,
        Field(ge=1, le=64, description="Pinned: accelerators that one replica spans; absent: the planner's."),
    ] = None
    share: Annotated[
        bool,
        Field(
            description="Whether one placement may serve this and other workloads of the Model, where that is cheaper: "
            "only with equal engine settings, priority and deadline. Default true."
        ),
    ] = True


class Workload(Api):
    """One class of traffic that the Model serves."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "!has(self.replicas) || !has(self.replicas.mode) || self.replicas.mode != 'External' || "
                "has(self.placement) && has(self.placement.mode) && self.placement.mode == 'Pinned'",
                "replicas.mode External needs placement.mode Pinned: an autoscaler names one Deployment",
            ),
        )
    )
    class_: Annotated[Name, Field(alias="class", description="Name of a WorkloadClass.")]
    default: Annotated[
        bool,
        Field(
            description=f"Whether requests that name no class go here. Default false; without any, the first.{WAITS}"
        ),
    ] = False
    demand: Annotated[Demand | None, Field(description="What to plan for until traffic is observed.")] = None
    traffic: Annotated[TrafficOverride | None, Field(description="What is different from the class's traffic.")] = None
    replicas: Annotated[Replicas, Field(description="Bounds of the autoscaler.")] = Replicas()
    pools: Annotated[PoolSelector | None, Field(description="Narrows the pools; absent: all.")] = None
    placement: Annotated[PlacementPolicy, Field(description="Whether the operator decides where it runs.")] = (
        PlacementPolicy()
    )


class PodMetadata(Api):
    """Metadata of the pods, for cost allocation, meshes and the like."""

    labels: Annotated[Labels, Field(description="Labels, none of inferfleet.io or kubernetes.io. At most 16.")] = {}
    annotations: Annotated[
        dict[LabelKey, Annotated[str, Field(max_length=1024)]],
        Field(max_length=16, description="Annotations, none of inferfleet.io or kubernetes.io. At most 16."),
    ] = {}


_RESERVED = " && ".join(
    f"(!has(self.{field}) || self.{field}.all(k, !k.matches(r'^([-a-z0-9.]+[.])?(inferfleet|kubernetes|k8s)[.]io/')))"
    for field in ("labels", "annotations")
)


class ModelSpec(Api):
    """Where the weights are, what may be served of them, and for which workloads."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "self.variants.all(v, !has(v.quantizeFrom) || self.variants.exists(w, w.name == v.quantizeFrom && "
                "has(w.source) && (w.quantization == 'F16' || w.quantization == 'BF16')))",
                "quantizeFrom must name a variant of this Model that has a source and is F16 or BF16",
            ),
            (
                "self.workloads.all(w, !has(w.placement) || !has(w.placement.variant) || "
                "self.variants.exists(v, v.name == w.placement.variant))",
                "placement.variant must name a variant of this Model",
            ),
            (
                "self.workloads.filter(w, has(w.default) && w.default).size() <= 1",
                "at most one workload can be the default",
            ),
        )
    )
    architecture: Annotated[Architecture, Field(description="The model's numbers.")]
    variants: Annotated[
        list[Variant],
        Field(
            min_length=1,
            max_length=16,
            json_schema_extra=list_map("name"),
            description="What may be served: each is one quantized artifact of the same model.",
        ),
    ]
    speculators: Annotated[
        list[Speculator], Field(max_length=8, description="What speculative decoding may use, best first.")
    ] = []
    adapters: Annotated[
        list[Adapter],
        Field(
            max_length=64,
            json_schema_extra=list_map("name"),
            description="LoRA adapters served beside the model.",
        ),
    ] = []
    service_account_name: Annotated[
        ObjectName | None,
        Field(
            description="ServiceAccount of the pods: downloads happen with its identity. Absent: the namespace's "
            "default."
        ),
    ] = None
    pod_metadata: Annotated[
        PodMetadata,
        Field(
            json_schema_extra=cel(
                (_RESERVED, "labels and annotations of inferfleet.io, kubernetes.io and k8s.io are reserved")
            ),
            description="Labels and annotations that the pods get.",
        ),
    ] = PodMetadata()
    workloads: Annotated[
        list[Workload],
        Field(
            min_length=1,
            max_length=16,
            json_schema_extra=list_map("class"),
            description="The classes of traffic that it is served for.",
        ),
    ]
    engine_update: Annotated[
        Literal["Rolling", "Manual"],
        Field(
            description="Rolling (default): a new release of the operator may roll out a new runtime image. Manual: a "
            "placement keeps the image it has for as long as it lives."
        ),
    ] = "Rolling"


MODEL = Resource(
    kind="Model",
    plural="models",
    short="mdl",
    namespaced=True,
    spec=ModelSpec,
    status=ModelStatus,
    description="A Model is served for each of its workloads where that costs least within the latency targets.",
    rules=(LABEL_VALUE, SERVICE_NAME),
    columns=(
        Column("Workloads", ".status.summary.workloads", "integer"),
        Column("Replicas", ".status.summary.replicas"),
        Column("Tok/s", ".status.summary.tokensPerSecond", "integer"),
        Column("USD/1M", ".status.summary.costPer1MTokens"),
        Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
        Column("Reason", '.status.conditions[?(@.type=="Ready")].reason'),
        Column("Pools", ".status.summary.pools", "string", 1),
        Column("USD/h", ".status.summary.costPerHour", "string", 1),
        Column("USD/month", ".status.summary.costPerMonth", "string", 1),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
)
