"""WorkloadClass: what a kind of traffic needs. Pure."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from inferfleet.api.base import LABEL_VALUE, SERVICE_NAME, Api, Column, Resource, cel
from inferfleet.api.quantities import Duration, Fraction, Money

Tokens = Annotated[int, Field(ge=1, le=2_000_000)]
Quantization = Literal["F16", "BF16", "Q8_0", "Q4_0"]


class Lengths(Api):
    """A distribution of token counts per request."""

    model_config = ConfigDict(json_schema_extra=cel(("self.p95 >= self.p50", "p95 must not be below p50")))
    p50: Annotated[Tokens, Field(description="Median, in tokens.")]
    p95: Annotated[Tokens, Field(description="95th percentile, in tokens.")]


class Traffic(Api):
    """The shape of one request."""

    input_tokens: Annotated[Lengths, Field(description="Prompt lengths.")]
    output_tokens: Annotated[Lengths, Field(description="Completion lengths.")]

    @property
    def context_tokens(self) -> int:
        """Prompt plus completion of a long request, rounded up to 64 so that a small change re-rolls nothing."""
        return -(-(self.input_tokens.p95 + self.output_tokens.p95) // 64) * 64


class Slo(Api):
    """Latency targets at the median lengths; an absent one binds nothing."""

    ttft: Annotated[Duration | None, Field(description="Time to first token.")] = None
    tpot: Annotated[Duration | None, Field(description="Time per output token after the first.")] = None
    end_to_end: Annotated[Duration | None, Field(description="Whole request at the median lengths.")] = None


class Limits(Api):
    """What a placement may not exceed."""

    cost_per1_m_tokens: Annotated[
        Money | None,
        Field(alias="costPer1MTokens", description="USD per million output tokens at planned utilization."),
    ] = None


class Serving(Api):
    """How requests are batched."""

    max_batch_size: Annotated[
        int, Field(ge=1, le=256, description="Requests that may decode at once in a replica.")
    ] = 64


class QuantizationPolicy(Api):
    """Which quantizations may serve the class."""

    allow: Annotated[
        list[Quantization], Field(min_length=1, max_length=16, description="Only these; absent: every one.")
    ]


class Scaling(Api):
    """How replicas follow the demand in tokens per second."""

    target_utilization: Annotated[
        Fraction,
        Field(description="Share of the measured tokens per second that is planned for; the rest is headroom."),
    ] = Decimal("0.8")
    scale_in_delay: Annotated[
        Duration,
        Field(description="Replicas go only when they were not needed for this long (and a boot time)."),
    ] = timedelta(minutes=5)
    drain: Annotated[
        Duration, Field(description="How long streams that are open may go on when their replica is removed.")
    ] = timedelta(minutes=2)


class WorkloadClassSpec(Api):
    """What a kind of traffic needs."""

    traffic: Annotated[Traffic, Field(description="The shape of its requests.")]
    slo: Annotated[Slo, Field(description="Latency targets.")] = Slo()
    objective: Annotated[
        Literal["Cost", "Latency"],
        Field(description="What the planner minimises among what meets the targets."),
    ] = "Cost"
    limits: Annotated[Limits, Field(description="What a placement may not exceed.")] = Limits()
    serving: Annotated[Serving, Field(description="Batching.")] = Serving()
    quantization: Annotated[QuantizationPolicy | None, Field(description="Quantizations allowed; absent: all.")] = None
    scaling: Annotated[Scaling, Field(description="Autoscaling.")] = Scaling()


WORKLOAD_CLASS = Resource(
    kind="WorkloadClass",
    plural="workloadclasses",
    short="wlc",
    namespaced=False,
    spec=WorkloadClassSpec,
    status=None,
    description="A WorkloadClass says what a kind of traffic needs: its shape, latency targets and limits.",
    rules=(LABEL_VALUE, SERVICE_NAME),
    columns=(
        Column("TTFT", ".spec.slo.ttft"),
        Column("TPOT", ".spec.slo.tpot"),
        Column("Objective", ".spec.objective"),
        Column("Input", ".spec.traffic.inputTokens.p50", "integer", 1),
        Column("Output", ".spec.traffic.outputTokens.p50", "integer", 1),
        Column("Age", ".metadata.creationTimestamp", "date"),
    ),
)
