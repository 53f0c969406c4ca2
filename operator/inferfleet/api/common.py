"""Types that several kinds share: selectors, traffic, prices, references to Secrets. Pure."""

from decimal import Decimal
from typing import Annotated

from pydantic import ConfigDict, Field

from inferfleet.api.base import WAITS, Api, Condition, StatusType, cel, list_map
from inferfleet.api.quantities import Number
from inferfleet.api.strings import LabelKey, LabelValue, ObjectName, SecretKey

Tokens = Annotated[int, Field(ge=1, le=2_000_000)]
Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=16)]


class LabelSelector(Api):
    """Labels that all must match."""

    match_labels: Annotated[
        Labels,
        Field(
            description="Labels that all must match; an empty map matches everything. At most 16.",
        ),
    ] = {}


class Lengths(Api):
    """A distribution of token counts per request."""

    model_config = ConfigDict(json_schema_extra=cel(("self.p95 >= self.p50", "p95 must not be below p50")))
    p50: Annotated[Tokens, Field(description="Median, in tokens. 1 to 2,000,000.")]
    p95: Annotated[Tokens, Field(description="95th percentile, in tokens; not below p50. At most 2,000,000.")]


class Media(Api):
    """What one request of images, video or audio asks for."""

    width: Annotated[int | None, Field(ge=1, le=16_384, description="Width in pixels.")] = None
    height: Annotated[int | None, Field(ge=1, le=16_384, description="Height in pixels.")] = None
    frames: Annotated[int | None, Field(ge=1, le=100_000, description="Frames of a video.")] = None
    steps: Annotated[int | None, Field(ge=1, le=1000, description="Denoising steps of a diffusion model.")] = None
    seconds: Annotated[int | None, Field(ge=1, le=86_400, description="Length of audio, in seconds.")] = None


class TrafficOverride(Api):
    """What of a class's traffic is different for one workload; what is absent is the class's."""

    input_tokens: Annotated[Lengths | None, Field(description="Prompt lengths.")] = None
    output_tokens: Annotated[Lengths | None, Field(description="Completion lengths.")] = None
    shared_prefix_tokens: Annotated[
        int | None,
        Field(
            ge=0,
            le=2_000_000,
            description=f"Leading prompt tokens that most requests share, such as a system prompt.{WAITS}",
        ),
    ] = None
    burstiness: Annotated[
        Number | None,
        Field(
            description="Squared coefficient of variation of the times between arrivals: 1 is Poisson, 2 comes "
            f"in bursts.{WAITS}"
        ),
    ] = None


class Traffic(Api):
    """The shape of one request."""

    input_tokens: Annotated[Lengths, Field(description="Prompt lengths.")]
    output_tokens: Annotated[
        Lengths | None, Field(description="Completion lengths. Needed for text; embeddings and media have none.")
    ] = None
    shared_prefix_tokens: Annotated[
        int,
        Field(ge=0, le=2_000_000, description=f"Leading prompt tokens that most requests share. Default 0.{WAITS}"),
    ] = 0
    burstiness: Annotated[
        Number,
        Field(
            description="Squared coefficient of variation of the times between arrivals: 1 is Poisson, 2 comes in "
            f"bursts. Default 1.{WAITS}"
        ),
    ] = Decimal(1)
    media: Annotated[Media | None, Field(description="For images, video and audio: what one request asks for.")] = None

    @property
    def output(self) -> Lengths:
        """Completion lengths; one token where there is no completion, so that formulas hold."""
        return self.output_tokens or Lengths(p50=1, p95=1)

    @property
    def context_tokens(self) -> int:
        """`longest`, rounded up to 64 so that a small change re-rolls nothing."""
        return -(-self.longest // 64) * 64

    @property
    def longest(self) -> int:
        """Prompt plus completion of a long request, where there is one."""
        return self.input_tokens.p95 + (self.output_tokens.p95 if self.output_tokens else 0)

    def overridden(self, by: TrafficOverride | None) -> "Traffic":
        """With what a workload says instead."""
        given = {name: getattr(by, name) for name in by.model_fields_set} if by else {}
        return self.model_copy(update={name: value for name, value in given.items() if value is not None})


class SecretReference(Api):
    """One key of a Secret in the same namespace."""

    secret_name: Annotated[ObjectName, Field(description="Name of the Secret.")]
    key: Annotated[SecretKey, Field(description="Key inside it.")]


class AcceptedStatus(StatusType):
    """Whether the operator can use an object."""

    observed_generation: Annotated[int, Field(description="Generation that the conditions are about.")] = 0
    conditions: Annotated[
        list[Condition],
        Field(
            max_length=16,
            json_schema_extra=list_map("type"),
            description="Whether it can be used, and what to know about it.",
        ),
    ] = []
