"""Files that a Model is made of: variants of its weights, speculators, adapters. Pure."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from inferfleet.api.base import Api, cel
from inferfleet.api.common import SecretReference
from inferfleet.api.quantities import Number
from inferfleet.api.strings import Date, Name, QuantizationName, Sha256, SourceUri
from inferfleet_runtime.engines.llama_cpp import MADE


class Source(Api):
    """Where an artifact is."""

    uri: Annotated[
        SourceUri,
        Field(
            description="oci://registry/image:tag[#path], https://host/file, hf://owner/repository[/file], "
            "s3://bucket/key, gs://bucket/key, pvc://claim/path, or file:///path inside the pod."
        ),
    ]
    revision: Annotated[
        str | None,
        Field(min_length=1, max_length=128, description="For hf: a commit, tag or branch; pin a commit."),
    ] = None
    sha256: Annotated[
        Sha256 | None,
        Field(description="Hex digest of the file, or of a folder's manifest; verified before anything is loaded."),
    ] = None
    credentials: Annotated[
        SecretReference | None,
        Field(
            description="What the source asks for, in a Secret of the Model's namespace: a token, a service account's "
            "key, a .dockerconfigjson, user:password, an AWS credentials file, or accessKeyId with secretAccessKey "
            "beside it."
        ),
    ] = None


class Accuracy(Api):
    """What a variant scores beside the model as it was published: evidence that it is good enough."""

    benchmark: Annotated[str, Field(min_length=1, max_length=63, description="Name of the benchmark, such as mmlu.")]
    baseline: Annotated[Number, Field(description='Score of the unquantized model, for example "0.682".')]
    score: Annotated[Number, Field(description='Score of this variant, for example "0.674"; more is better.')]
    samples: Annotated[int | None, Field(ge=1, le=100_000_000, description="How many samples it was measured on.")] = (
        None
    )
    date: Annotated[Date | None, Field(description="When it was measured, for example 2026-05-02.")] = None
    source: Annotated[str | None, Field(max_length=512, description="Where the measurement is published.")] = None


class Variant(Api):
    """One quantized artifact that may be served."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            ("has(self.source) != has(self.quantizeFrom)", "give exactly one of source and quantizeFrom"),
            (
                f"!has(self.quantizeFrom) || self.quantization in {list(MADE)}",
                f"quantizeFrom can make {', '.join(MADE[:-1])} and {MADE[-1]}",
            ),
            (
                "self.quantization == oldSelf.quantization",
                "the quantization of a variant cannot change, what was measured is about it: add a variant",
            ),
        )
    )
    name: Annotated[Name, Field(description="Unique within the Model.")]
    quantization: Annotated[
        QuantizationName, Field(description="Format of the weights that are served, such as BF16, INT4-AWQ or Q4_K_M.")
    ]
    source: Annotated[Source | None, Field(description="Where the file is.")] = None
    quantize_from: Annotated[
        Name | None,
        Field(description="A variant in F16 or BF16 whose file the pod quantizes when it starts."),
    ] = None
    accuracy: Annotated[
        list[Accuracy],
        Field(max_length=16, description="Measured accuracy: what WorkloadClasses that require evidence look at."),
    ] = []


class Speculator(Api):
    """A helper that guesses tokens which the model then checks together."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "has(self.source) != (self.method == 'NGram' || self.method == 'MTP')",
                "Draft, EAGLE3 and Medusa need a source; NGram and MTP have none",
            ),
        )
    )
    method: Annotated[
        Literal["Draft", "EAGLE3", "Medusa", "MTP", "NGram"],
        Field(
            description="Draft: a smaller model; EAGLE3, Medusa: trained heads; MTP: the model's own; NGram: the "
            "prompt."
        ),
    ]
    source: Annotated[Source | None, Field(description="Where its weights are.")] = None


class Adapter(Api):
    """A LoRA adapter, served under its own name beside the model."""

    name: Annotated[Name, Field(description="Unique within the Model.")]
    source: Annotated[Source, Field(description="Where it is.")]
