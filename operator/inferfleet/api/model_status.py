"""What the operator writes into a Model's status. Pure."""

from typing import Annotated, Literal

from pydantic import Field

from inferfleet.api.base import Condition, StatusType, Text, list_map


class Summary(StatusType):
    """For `kubectl get`."""

    workloads: Annotated[int, Field(description="Workloads of the Model.")] = 0
    ready: Annotated[int, Field(description="Replicas that are ready, over all placements.")] = 0
    wanted: Annotated[int, Field(description="Replicas that shall be, without those of retiring placements.")] = 0
    replicas: Annotated[str, Field(max_length=16, description="ready/wanted")] = "0/0"
    tokens_per_second: Annotated[
        int, Field(description="Served tokens per second, of embeddings prompt tokens, rounded to two digits.")
    ] = 0
    cost_per1_m_tokens: Annotated[
        str | None,
        Field(
            alias="costPer1MTokens",
            max_length=24,
            description="USD per million output tokens (embeddings: prompt tokens): the dearest placement's.",
        ),
    ] = None
    pools: Annotated[str, Field(max_length=1024, description="Pools that its placements are on.")] = ""
    cost_per_hour: Annotated[
        str | None, Field(max_length=24, description="Observed: USD per hour of all that is allocated to it now.")
    ] = None
    cost_per_month: Annotated[
        str | None,
        Field(max_length=24, description="Projected: USD of 730 hours like the last quarter of an hour."),
    ] = None


class Endpoint(StatusType):
    """Where a workload is answered."""

    class_: Annotated[str, Field(alias="class", max_length=63, description="The workload, by its class.")]
    url: Annotated[str, Field(max_length=512, description="OpenAI base URL inside the cluster.")]


class PlacementStatus(StatusType):
    """One running choice."""

    classes: Annotated[
        list[Annotated[str, Field(max_length=63)]], Field(max_length=16, description="The workloads that it serves.")
    ] = []
    name: Annotated[str, Field(max_length=63, description="Name of its Deployment.")]
    state: Annotated[
        Literal["Serving", "Starting", "Retiring", "Frozen", "Recommended"],
        Field(description="Retiring: it goes once its successor is ready. Recommended: it is not there, only advised."),
    ]
    pool: Annotated[str, Field(max_length=63, description="HardwarePool that it is on.")]
    variant: Annotated[str, Field(max_length=63, description="Variant of the Model that it serves.")]
    engine: Annotated[str, Field(max_length=63, description="Engine that runs it.")]
    tensor_parallel: Annotated[int, Field(description="Accelerators that one replica spans.")] = 1
    slots: Annotated[int, Field(description="Requests that decode at once in a replica.")] = 0
    replicas: Annotated[int, Field(description="Replicas that shall be.")] = 0
    ready: Annotated[int, Field(description="Replicas that are ready.")] = 0
    tokens_per_second: Annotated[
        int, Field(description="Capacity of one replica: output tokens per second, of embeddings prompt tokens.")
    ] = 0
    cost_per1_m_tokens: Annotated[
        str | None,
        Field(
            alias="costPer1MTokens",
            max_length=24,
            description="USD per million output tokens (embeddings: prompt tokens) at planned utilization.",
        ),
    ] = None
    capacity_source: Annotated[
        str, Field(max_length=32, description="Estimated, Declared, Benchmarked or Observed.")
    ] = "Estimated"
    reason: Annotated[str, Field(max_length=64, description="Why it was chosen, as a stable code.")] = ""
    message: Annotated[Text, Field(description="Why, in words with numbers.")] = ""


class Rejected(StatusType):
    """A candidate that was not chosen, and why."""

    class_: Annotated[str, Field(alias="class", max_length=63, description="The workload, by its class.")]
    pool: Annotated[str, Field(max_length=63, description="HardwarePool that it is on.")]
    variant: Annotated[str, Field(max_length=63, description="Variant of the Model that it serves.")]
    engine: Annotated[str, Field(max_length=63, description="Engine that runs it.")] = ""
    reason: Annotated[str, Field(max_length=64, description="Why not, as a stable code.")]
    binding_constraint: Annotated[
        str | None, Field(max_length=32, description="The limit that it breaks, such as tpot or memory.")
    ] = None
    message: Annotated[Text, Field(description="Why not, in words with numbers.")] = ""


class ScalingDecision(StatusType):
    """A decision that changed replicas, or could not."""

    at: Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"}, description="When.")]
    before: Annotated[int, Field(description="Replicas until then.")]
    replicas: Annotated[int, Field(description="Replicas from then on.")]
    wanted: Annotated[int, Field(description="What the demand asked for, without bounds.")]
    reason: Annotated[str, Field(max_length=64, description="Why, as a stable code.")]
    bound: Annotated[
        str, Field(max_length=64, description="What limits a replica, such as inter-token latency or KV cache.")
    ] = ""
    requests_per_second: Annotated[str, Field(max_length=24, description="That arrived, refused ones included.")] = "0"
    forecast: Annotated[
        str, Field(max_length=24, description="Requests per second at the horizon, what waits included.")
    ] = "0"
    horizon: Annotated[str, Field(max_length=24, description="Until a new replica would serve, such as 42s.")] = "0s"
    capacity: Annotated[str, Field(max_length=24, description="Tokens per second of a replica within its limits.")] = (
        "0"
    )
    message: Annotated[Text, Field(description="All of it in words.")] = ""


class ScalingStatus(StatusType):
    """Decisions about replicas of a workload."""

    class_: Annotated[str, Field(alias="class", max_length=63, description="The workload, by its class.")]
    reason: Annotated[str, Field(max_length=64, description="Why, as a stable code.")]
    message: Annotated[Text, Field(description="Why, in words with numbers.")] = ""
    decisions: Annotated[
        list[ScalingDecision],
        Field(max_length=5, description="The last five that changed replicas, or could not, oldest first."),
    ] = []


class CostStatus(StatusType):
    """What a workload costs on a pool, observed. Means are of the last quarter of an hour, exponentially weighted."""

    class_: Annotated[str, Field(alias="class", max_length=63, description="The workload, by its class.")]
    pool: Annotated[str, Field(max_length=63, description="HardwarePool that it is on.")]
    accelerators: Annotated[
        str,
        Field(
            max_length=24,
            description="Accelerators (for CPUs, cores) that its pods hold now, also those that boot, idle or drain. "
            "Of a placement for several workloads, this one's share.",
        ),
    ] = "0"
    price_per_accelerator_hour: Annotated[
        str | None, Field(max_length=24, description="USD, of the pool; absent: it states none, and no cost is known.")
    ] = None
    cost_per_hour: Annotated[str | None, Field(max_length=24, description="USD per hour of what is allocated now.")] = (
        None
    )
    cost_per_month: Annotated[
        str | None, Field(max_length=24, description="Projected: USD of 730 hours like the mean.")
    ] = None
    cost_per1_m_tokens: Annotated[
        str | None,
        Field(
            alias="costPer1MTokens",
            max_length=24,
            description="USD per million output tokens (embeddings: prompt tokens) that were made, idle time included. "
            "Absent while there are none.",
        ),
    ] = None
    joules_per_token: Annotated[
        str | None,
        Field(max_length=24, description="Estimated energy for one of these tokens, idle time included."),
    ] = None
    watts: Annotated[int | None, Field(description="Estimated mean power of all its replicas.")] = None
    tokens_per_second: Annotated[int, Field(description="Mean of these tokens, rounded to two digits.")] = 0
    utilization_percent: Annotated[
        int, Field(description="Mean share of what is allocated that was used; the rest of the cost is idle cost.")
    ] = 0


class ModelStatus(StatusType):
    """What the operator decided and sees."""

    observed_generation: Annotated[int, Field(description="metadata.generation that was acted on.")] = 0
    conditions: Annotated[
        list[Condition],
        Field(
            max_length=16,
            json_schema_extra=list_map("type"),
            description="Ready, Planned, Deployed, SignalFresh, WithinLimits and FieldsObeyed.",
        ),
    ] = []
    summary: Annotated[Summary, Field(description="The Model at a glance.")] = Summary()
    endpoints: Annotated[list[Endpoint], Field(max_length=16, description="Where workloads are answered.")] = []
    placements: Annotated[list[PlacementStatus], Field(max_length=64, description="What serves, and where.")] = []
    rejected: Annotated[list[Rejected], Field(max_length=128, description="The best of what was not chosen.")] = []
    rejected_counts: Annotated[
        dict[str, int] | None, Field(max_length=64, description="How many candidates were rejected, by reason.")
    ] = None
    scaling: Annotated[
        list[ScalingStatus], Field(max_length=16, description="The last decision about each workload's replicas.")
    ] = []
    costs: Annotated[
        list[CostStatus], Field(max_length=64, description="What it costs, by workload and pool, observed.")
    ] = []
