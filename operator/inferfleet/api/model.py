"""Model: where weights are, which variants may be served, for which workloads. Pure."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from inferfleet.api.base import (
    LABEL_VALUE,
    SERVICE_NAME,
    Api,
    Column,
    Condition,
    Name,
    Resource,
    StatusType,
    Text,
    cel,
    list_map,
)
from inferfleet.api.workload_class import Quantization


class Architecture(Api):
    """The numbers of the model's config.json, or the name of a catalog entry that has them."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "has(self.preset) != has(self.layers)",
                "give either preset, or the numbers (layers, hidden, feedForward, heads, kvHeads, headDim, vocabulary)",
            ),
            (
                "!has(self.preset) || !(has(self.hidden) || has(self.feedForward) || has(self.heads) || "
                "has(self.kvHeads) || has(self.headDim) || has(self.vocabulary) || has(self.tiedEmbeddings))",
                "with preset, no other number is obeyed: leave them out",
            ),
            (
                "!has(self.layers) || (has(self.hidden) && has(self.feedForward) && has(self.heads) && "
                "has(self.kvHeads) && has(self.headDim) && has(self.vocabulary))",
                "with layers, also hidden, feedForward, heads, kvHeads, headDim and vocabulary are needed",
            ),
        )
    )
    preset: Annotated[
        str | None,
        Field(
            max_length=63,
            pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$",
            description="A catalog entry: llama-3.2-1b.",
        ),
    ] = None
    layers: Annotated[int | None, Field(ge=1, le=1000, description="Transformer layers.")] = None
    hidden: Annotated[int | None, Field(ge=1, le=1_000_000, description="Hidden size.")] = None
    feed_forward: Annotated[
        int | None, Field(ge=1, le=4_000_000, description="Feed-forward size (gated: three matrices).")
    ] = None
    heads: Annotated[int | None, Field(ge=1, le=4096, description="Attention heads.")] = None
    kv_heads: Annotated[int | None, Field(ge=1, le=4096, description="Key/value heads.")] = None
    head_dim: Annotated[int | None, Field(ge=1, le=4096, description="Size of one head.")] = None
    vocabulary: Annotated[int | None, Field(ge=1, le=4_000_000, description="Vocabulary size.")] = None
    tied_embeddings: Annotated[bool, Field(description="Whether the output matrix is the embedding matrix.")] = False


class Source(Api):
    """Where one GGUF file is."""

    uri: Annotated[
        str,
        Field(
            pattern=r"^(file|https|oci)://[^\s]+$",
            max_length=1024,
            description="oci://registry/image:tag[#path], https://host/file.gguf, or file:///path inside the pod.",
        ),
    ]
    sha256: Annotated[
        str | None,
        Field(
            pattern=r"^[0-9a-f]{64}$",
            max_length=64,
            description="Hex digest, verified before anything is loaded.",
        ),
    ] = None


class Variant(Api):
    """One quantized artifact that may be served."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            ("has(self.source) != has(self.quantizeFrom)", "give exactly one of source and quantizeFrom"),
            (
                "!has(self.quantizeFrom) || self.quantization == 'Q8_0' || self.quantization == 'Q4_0'",
                "quantizeFrom can make Q8_0 and Q4_0",
            ),
        )
    )
    name: Annotated[Name, Field(description="Unique within the Model.")]
    quantization: Annotated[Quantization, Field(description="Format of the weights that are served.")]
    source: Annotated[Source | None, Field(description="Where the file is.")] = None
    quantize_from: Annotated[
        Name | None,
        Field(description="A variant in F16 or BF16 whose file the pod quantizes to Q8_0 or Q4_0 when it starts."),
    ] = None


class Demand(Api):
    """What to plan for until traffic is observed."""

    requests_per_second: Annotated[
        int, Field(ge=0, le=1_000_000, description="Requests per second at the class's lengths.")
    ]


class Replicas(Api):
    """Bounds of the autoscaler."""

    model_config = ConfigDict(json_schema_extra=cel(("self.max >= self.min", "max must not be below min")))
    min: Annotated[int, Field(ge=1, le=1000, description="Replicas that always run.")] = 1
    max: Annotated[int, Field(ge=1, le=1000, description="Replicas at most.")] = 1


class PoolSelector(Api):
    """Labels of HardwarePools."""

    match_labels: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]],
        Field(max_length=16, description="Labels that all must match."),
    ]


class Workload(Api):
    """One class of traffic that the Model serves."""

    class_: Annotated[Name, Field(alias="class", description="Name of a WorkloadClass.")]
    demand: Annotated[Demand | None, Field(description="What to plan for until traffic is observed.")] = None
    replicas: Annotated[Replicas, Field(description="Bounds of the autoscaler.")] = Replicas()
    pools: Annotated[PoolSelector | None, Field(description="Narrows the pools; absent: all.")] = None


class ModelSpec(Api):
    """A model to be served."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "self.variants.all(v, !has(v.quantizeFrom) || self.variants.exists(w, w.name == v.quantizeFrom && "
                "has(w.source) && (w.quantization == 'F16' || w.quantization == 'BF16')))",
                "quantizeFrom must name a variant of this Model that has a source and is F16 or BF16",
            ),
        )
    )
    architecture: Annotated[Architecture, Field(description="The model's numbers.")]
    variants: Annotated[
        list[Variant],
        Field(min_length=1, max_length=16, json_schema_extra=list_map("name"), description="What may be served."),
    ]
    workloads: Annotated[
        list[Workload],
        Field(min_length=1, max_length=16, json_schema_extra=list_map("class"), description="What is served."),
    ]


class Summary(StatusType):
    """For `kubectl get`."""

    workloads: int = 0
    ready: int = 0
    wanted: int = 0
    replicas: Annotated[str, Field(max_length=16, description="ready/wanted")] = "0/0"
    tokens_per_second: Annotated[int, Field(description="Output tokens per second, rounded to two digits.")] = 0
    cost_per1_m_tokens: Annotated[str | None, Field(alias="costPer1MTokens", max_length=24)] = None
    pools: Annotated[str, Field(max_length=1024)] = ""


class Endpoint(StatusType):
    """Where a workload is answered."""

    class_: Annotated[str, Field(alias="class", max_length=63)]
    url: Annotated[str, Field(max_length=512)]


class PlacementStatus(StatusType):
    """One running choice."""

    class_: Annotated[str, Field(alias="class", max_length=63)]
    name: Annotated[str, Field(max_length=63, description="Name of its Deployment.")]
    state: Annotated[
        Literal["Serving", "Starting", "Retiring", "Frozen"],
        Field(description="Retiring: it goes once its successor is ready."),
    ]
    pool: Annotated[str, Field(max_length=63)]
    variant: Annotated[str, Field(max_length=63)]
    engine: Annotated[str, Field(max_length=63)]
    slots: Annotated[int, Field(description="Requests that decode at once in a replica.")] = 0
    replicas: int = 0
    ready: int = 0
    tokens_per_second: Annotated[int, Field(description="Capacity of one replica, output tokens per second.")] = 0
    cost_per1_m_tokens: Annotated[str | None, Field(alias="costPer1MTokens", max_length=24)] = None
    capacity_source: Annotated[str, Field(max_length=32, description="Estimated, Benchmarked or Observed.")] = (
        "Estimated"
    )
    reason: Annotated[str, Field(max_length=64)] = ""
    message: Text = ""


class Rejected(StatusType):
    """A candidate that was not chosen, and why."""

    class_: Annotated[str, Field(alias="class", max_length=63)]
    pool: Annotated[str, Field(max_length=63)]
    variant: Annotated[str, Field(max_length=63)]
    engine: Annotated[str, Field(max_length=63)] = ""
    reason: Annotated[str, Field(max_length=64)]
    binding_constraint: Annotated[str | None, Field(max_length=32)] = None
    message: Text = ""


class ScalingStatus(StatusType):
    """The last decision about replicas of a workload."""

    class_: Annotated[str, Field(alias="class", max_length=63)]
    reason: Annotated[str, Field(max_length=64)]
    message: Text = ""


class ModelStatus(StatusType):
    """What the operator decided and sees."""

    observed_generation: int = 0
    conditions: Annotated[list[Condition], Field(max_length=16, json_schema_extra=list_map("type"))] = []
    summary: Summary = Summary()
    endpoints: Annotated[list[Endpoint], Field(max_length=16)] = []
    placements: Annotated[list[PlacementStatus], Field(max_length=64)] = []
    rejected: Annotated[list[Rejected], Field(max_length=128)] = []
    scaling: Annotated[list[ScalingStatus], Field(max_length=16)] = []


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
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
)
