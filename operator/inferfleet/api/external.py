"""External providers: an endpoint, its models and their prices, in the same plan as nodes. Pure."""

from typing import Annotated, Literal

from pydantic import Field

from inferfleet.api.base import Api, list_map
from inferfleet.api.quantities import Duration, Money
from inferfleet.api.strings import DottedName, HttpsUrl, ProviderModel, QuantizationName, SecretKey


class TokenPrice(Api):
    """What a provider charges."""

    input_per1_m_tokens: Annotated[
        Money, Field(alias="inputPer1MTokens", description='USD per million prompt tokens, for example "0.59".')
    ]
    output_per1_m_tokens: Annotated[
        Money, Field(alias="outputPer1MTokens", description='USD per million completion tokens, for example "0.79".')
    ]


class ExternalLatency(Api):
    """What the provider was seen to reach."""

    ttft: Annotated[Duration, Field(description="Time to first token, for example 180ms.")]
    tokens_per_second: Annotated[
        int, Field(ge=1, le=1_000_000, description="Output tokens per second of one request after the first token.")
    ]


class ExternalLimits(Api):
    """The provider's rate limits; an absent one is unlimited."""

    requests_per_minute: Annotated[int | None, Field(ge=1, le=100_000_000, description="Requests per minute.")] = None
    tokens_per_minute: Annotated[
        int | None, Field(ge=1, le=1_000_000_000_000, description="Prompt and completion tokens per minute.")
    ] = None


class ExternalModel(Api):
    """One model that a provider serves."""

    name: Annotated[ProviderModel, Field(description="The provider's identifier, sent as `model` in requests.")]
    architecture: Annotated[
        DottedName, Field(description="The catalog preset that it is, so that it competes with a Model of the same.")
    ]
    quantization: Annotated[
        QuantizationName | None, Field(description="What the provider serves it in; absent: not published.")
    ] = None
    price: Annotated[TokenPrice, Field(description="What the provider charges.")]
    latency: Annotated[
        ExternalLatency | None, Field(description="What was measured; without it, no latency target is met.")
    ] = None
    limits: Annotated[ExternalLimits | None, Field(description="Rate limits.")] = None


class DataPolicy(Api):
    """What happens to prompts."""

    region: Annotated[str | None, Field(max_length=63, description="Where requests are processed, for example eu.")] = (
        None
    )
    retains_prompts: Annotated[
        bool, Field(description="Whether the provider keeps prompts. Default true: what is not promised is assumed.")
    ] = True


class External(Api):
    """A provider outside the cluster: no pods, an endpoint."""

    protocol: Annotated[Literal["OpenAI"], Field(description="The API that it speaks. Default OpenAI.")] = "OpenAI"
    endpoint: Annotated[HttpsUrl, Field(description="Base URL, for example https://api.example.com/v1.")]
    credentials_key: Annotated[
        SecretKey,
        Field(description="Key of the gateway's one Secret of provider credentials; no other process reads it."),
    ]
    models: Annotated[
        list[ExternalModel],
        Field(min_length=1, max_length=64, json_schema_extra=list_map("name"), description="What it serves."),
    ]
    data_policy: Annotated[DataPolicy, Field(description="What happens to prompts.")] = DataPolicy()
