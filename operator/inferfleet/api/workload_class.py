"""WorkloadClass: what a kind of traffic needs. Pure."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from inferfleet.api.base import LABEL_VALUE, SERVICE_NAME, WAITS, Api, Column, Resource, cel
from inferfleet.api.common import AcceptedStatus, LabelSelector, Traffic
from inferfleet.api.quantities import DURATION_PATTERN, Duration, Fraction, Money, Number
from inferfleet.api.strings import QuantizationName

Switch = Literal["Auto", "On", "Off"]


def _not_longer(part: str, whole: str) -> tuple[str, str]:
    """A CEL rule about two durations; one that is malformed has a message of its own."""
    both = f"has(self.{part}) && has(self.{whole})"
    formed = " && ".join(f"self.{name}.matches(r'{DURATION_PATTERN}')" for name in (part, whole))
    rule = f"!({both} && {formed}) || duration(self.{part}) <= duration(self.{whole})"
    return rule, f"{part} must not be longer than {whole}, which contains it"


class Slo(Api):
    """Latency targets at the median lengths; an absent one binds nothing."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "!has(self.deadline) || !(has(self.ttft) || has(self.tpot) || has(self.endToEnd))",
                "give either a deadline (batch), or ttft, tpot and endToEnd (interactive)",
            ),
            _not_longer("ttft", "endToEnd"),
            _not_longer("tpot", "endToEnd"),
        )
    )
    percentile: Annotated[
        int,
        Field(
            ge=50,
            le=99,
            description=f"Share of requests, in percent, that must meet the targets. 50 to 99, default 95.{WAITS}",
        ),
    ] = 95
    ttft: Annotated[Duration | None, Field(description="Time to first token, for example 300ms.")] = None
    tpot: Annotated[Duration | None, Field(description="Time per output token after the first, for example 30ms.")] = (
        None
    )
    end_to_end: Annotated[
        Duration | None, Field(description="Whole request at the median lengths, for example 5s.")
    ] = None
    deadline: Annotated[
        Duration | None,
        Field(
            description="For batch: how long after its arrival a request must be done, for example 24h. A bundled "
            "engine gives up one that is late, with the status 504."
        ),
    ] = None

    @property
    def promises_latency(self) -> bool:
        """Whether somebody waits for answers."""
        return bool(self.ttft or self.tpot or self.end_to_end)


class Limits(Api):
    """What a placement may not exceed."""

    cost_per1_m_tokens: Annotated[
        Money | None,
        Field(
            alias="costPer1MTokens",
            description="USD per million output tokens (embeddings: prompt tokens) at planned utilization, for "
            'example "0.40".',
        ),
    ] = None
    joules_per_token: Annotated[
        Number | None,
        Field(description='Energy per output token (embeddings: prompt token) in joules, for example "0.8".'),
    ] = None
    accuracy_loss_percent: Annotated[
        Number | None,
        Field(
            description="How much a variant's score may be below its baseline, in percent of the baseline, on every "
            'benchmark that the Model gives for it, for example "1.0".'
        ),
    ] = None
    allow_external: Annotated[
        bool, Field(description="Whether requests may leave the cluster to external providers. Default false.")
    ] = False


class KvCache(Api):
    """Keys and values of the tokens in flight."""

    dtype: Annotated[
        Literal["Auto", "F16", "BF16", "FP8", "INT8", "Q8_0", "Q4_0"],
        Field(description="Number format of the KV cache. Default Auto: the engine's."),
    ] = "Auto"
    overflow: Annotated[
        Literal["Refuse", "SlideWithSinks"],
        Field(
            description="What happens when a conversation outgrows its context: Refuse (default), or SlideWithSinks, "
            "which keeps the first tokens and drops the oldest of the others (StreamingLLM)."
        ),
    ] = "Refuse"


class Serving(Api):
    """How requests are batched."""

    batching: Annotated[
        Literal["Auto", "Continuous", "Off"],
        Field(
            description="Continuous joins and leaves the batch at every step; Off serves one request at a time. "
            "Default Auto."
        ),
    ] = "Auto"
    max_batch_size: Annotated[
        int, Field(ge=1, le=256, description="Requests that may decode at once in a replica. 1 to 256, default 64.")
    ] = 64
    speculation: Annotated[
        Literal["Auto", "Off", "Draft", "EAGLE3", "Medusa", "MTP", "NGram"],
        Field(description="Speculative decoding: Auto (default) uses a speculator of the Model where it pays."),
    ] = "Auto"
    prefix_cache: Annotated[
        Switch, Field(description="Whether the KV cache of shared prompt prefixes is reused. Default Auto.")
    ] = "Auto"
    chunked_prefill: Annotated[
        Switch,
        Field(description="Whether long prompts are processed in chunks between decode steps. Default Auto."),
    ] = "Auto"
    kv_cache: Annotated[KvCache, Field(description="The KV cache.")] = KvCache()


class QuantizationPolicy(Api):
    """Which quantizations may serve the class."""

    allow: Annotated[
        list[QuantizationName] | None,
        Field(min_length=1, max_length=32, description="Only these, for example [FP8, INT4-AWQ]; absent: every one."),
    ] = None
    require_evidence: Annotated[
        bool,
        Field(
            description="Only variants of 16 bits, or with a measured accuracy in the Model, may serve. Default false."
        ),
    ] = False


class Scaling(Api):
    """How replicas follow the demand in tokens per second."""

    signal: Annotated[
        Literal["Auto", "TokenThroughput"],
        Field(
            description="What replicas follow. TokenThroughput: arriving tokens over measured tokens per second. "
            "Default Auto: the same, and of images, video and audio, which are made one at a time, seconds of work "
            "that come and wait."
        ),
    ] = "Auto"
    target_utilization: Annotated[
        Fraction,
        Field(
            description="Share of the measured tokens per second that is planned for; the rest is headroom. "
            'Between 0 and 1, default "0.8".'
        ),
    ] = Decimal("0.8")
    scale_in_delay: Annotated[
        Duration,
        Field(description="Replicas go only when they were not needed for this long (and a boot time). Default 5m."),
    ] = timedelta(minutes=5)
    drain: Annotated[
        Duration,
        Field(description="How long streams that are open may go on when their replica is removed. Default 2m."),
    ] = timedelta(minutes=2)
    scale_to_zero_after: Annotated[
        Duration | None,
        Field(description=f"The last replica goes after this long without a request. Absent: never.{WAITS}"),
    ] = None


class WorkloadClassSpec(Api):
    """What a kind of traffic needs."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "has(self.modality) && self.modality != 'Text' || has(self.traffic.outputTokens)",
                "traffic.outputTokens is needed for text",
            ),
        )
    )
    modality: Annotated[
        Literal["Text", "Embedding", "Image", "Video", "Audio"],
        Field(
            description="What requests ask for. Default Text. Embeddings generate nothing: their demand, speed, energy "
            "and cost count prompt tokens, and the lengths are those of one text."
        ),
    ] = "Text"
    traffic: Annotated[Traffic, Field(description="The shape of its requests.")]
    slo: Annotated[Slo, Field(description="Latency targets.")] = Slo()
    objective: Annotated[
        Literal["Cost", "Latency", "Energy", "Throughput"],
        Field(
            description="What the planner optimizes among what meets the targets: Cost (USD per token, the default), "
            "Latency (of a whole request), Energy (joules per token) or Throughput (tokens per second of a replica)."
        ),
    ] = "Cost"
    limits: Annotated[Limits, Field(description="What a placement may not exceed.")] = Limits()
    serving: Annotated[Serving, Field(description="Batching, KV cache and speculation.")] = Serving()
    quantization: Annotated[QuantizationPolicy | None, Field(description="Quantizations allowed; absent: all.")] = None
    scaling: Annotated[Scaling, Field(description="Autoscaling.")] = Scaling()
    priority: Annotated[
        int,
        Field(
            ge=-1_000_000,
            le=1_000_000,
            description="Who goes first when there is not room for all: pods get the PriorityClass of the chart "
            "with the largest value not above it; 0, the default, gets none. Where a gateway may set the priority of "
            "requests (the operator's setting trusted-headers), it is that of requests that name none.",
        ),
    ] = 0
    allowed_namespaces: Annotated[
        LabelSelector | None,
        Field(description="Labels of the namespaces whose Models may use the class; absent: all."),
    ] = None


WORKLOAD_CLASS = Resource(
    kind="WorkloadClass",
    plural="workloadclasses",
    short="wlc",
    namespaced=False,
    spec=WorkloadClassSpec,
    status=AcceptedStatus,
    description="A WorkloadClass says what a kind of traffic needs: its shape, latency targets and limits.",
    rules=(LABEL_VALUE, SERVICE_NAME),
    columns=(
        Column("TTFT", ".spec.slo.ttft"),
        Column("TPOT", ".spec.slo.tpot"),
        Column("Objective", ".spec.objective"),
        Column("Accepted", '.status.conditions[?(@.type=="Accepted")].status'),
        Column("Modality", ".spec.modality", "string", 1),
        Column("Input", ".spec.traffic.inputTokens.p50", "integer", 1),
        Column("Output", ".spec.traffic.outputTokens.p50", "integer", 1),
        Column("Priority", ".spec.priority", "integer", 1),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
)
