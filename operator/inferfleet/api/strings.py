"""Strings of the API with a form of their own: each is a pattern and a sentence that says what is wanted. Pure.

The sentence is what a user reads, from the API server (as a CEL rule of the CRD), from `inferfleet lint` and
from the operator alike; editors get the pattern.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

MESSAGE = "x-message"
"""Key of the sentence in the JSON schema; `crdgen` turns it and the pattern into a CEL rule."""

_ANY_TEXT = r"(?s).*"
"""Selectors of release 0.1.0 had no form; one that no label can have selects nothing."""


@dataclass(frozen=True)
class Matching:
    """Metadata of an annotated str: `Annotated[str, Matching(pattern, message, 63, "an-example")]`."""

    pattern: str
    message: str
    max_length: int
    example: str
    stored: str = ""
    """What an object of an older release may hold instead, and is read all the same."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            **handler(schema),
            "pattern": self.pattern,
            "maxLength": self.max_length,
            MESSAGE: self.message,
            "examples": [self.example],
        }

    def check(self, value: str) -> str:
        """The value itself; ValueError with the sentence."""
        if len(value) > self.max_length or not re.fullmatch(self.stored or self.pattern, value):
            raise ValueError(self.message)
        return value


Name = Annotated[
    str,
    Matching(
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "must be a name of lower-case letters, digits and inner hyphens, such as code-completion",
        63,
        "code-completion",
    ),
]
"""A DNS label: what Kubernetes accepts as a Service name and a label value."""
DottedName = Annotated[
    str,
    Matching(
        r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$",
        "must be a name of lower-case letters, digits and inner hyphens or dots, such as llama-3.1-8b",
        63,
        "llama-3.1-8b",
    ),
]
AcceleratorName = Annotated[
    str,
    Matching(
        r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$",
        "must be a name of lower-case letters, digits and inner hyphens or dots, such as nvidia-l40s",
        63,
        "nvidia-l40s",
    ),
]
EngineName = Annotated[
    str,
    Matching(
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "must be a name of lower-case letters, digits and inner hyphens, such as llama-cpp",
        63,
        "llama-cpp",
    ),
]
MigProfile = Annotated[
    str,
    Matching(r"^[1-9]g\.[1-9][0-9]{0,2}gb([.+][a-z0-9.+]+)?$", "must be a MIG profile such as 3g.40gb", 24, "3g.40gb"),
]
ProviderModel = Annotated[
    str,
    Matching(
        r"^[A-Za-z0-9][-A-Za-z0-9._:/@+]*$",
        "must be a provider's model identifier: letters, digits and - . _ : / @ +",
        253,
        "llama-3.3-70b-versatile",
    ),
]
QuantizationName = Annotated[
    str,
    Matching(
        r"^[A-Z0-9]([-A-Z0-9_]*[A-Z0-9])?$",
        "must be a quantization of the catalog, such as BF16, FP8, INT4-AWQ or Q4_K_M",
        32,
        "INT4-AWQ",
    ),
]
LabelKey = Annotated[
    str,
    Matching(
        r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
        "must be a label key, such as kubernetes.io/arch, with at most 63 characters after the slash",
        316,
        "kubernetes.io/arch",
        stored=_ANY_TEXT,
    ),
]
LabelValue = Annotated[
    str,
    Matching(
        r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
        "must be a label value: letters, digits and inner -, _ or .",
        63,
        "production",
        stored=_ANY_TEXT,
    ),
]
Date = Annotated[
    str,
    Matching(
        r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
        "must be a date such as 2026-07-20",
        10,
        "2026-07-20",
        stored=r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    ),
]
Sha256 = Annotated[
    str, Matching(r"^[0-9a-f]{64}$", "must be a SHA-256 digest: 64 lower-case hexadecimal digits", 64, "0f" * 32)
]
SecretKey = Annotated[
    str,
    Matching(
        r"^[-._a-zA-Z0-9]+$", "must be a key of a Secret: letters, digits, hyphens, underscores and dots", 253, "token"
    ),
]
ObjectName = Annotated[
    str,
    Matching(
        r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        "must be the name of an object: lower-case letters, digits and inner hyphens or dots",
        253,
        "hf-token",
    ),
]
SourceUri = Annotated[
    str,
    Matching(
        r"^(file|https|oci|hf|s3|gs|pvc)://[^\s]+$",
        "must be a URI with one of the schemes hf, oci, s3, gs, https, pvc or file, such as oci://registry/image:tag",
        1024,
        "oci://registry.example.com/models/llama-3.1-8b:1",
    ),
]
HttpsUrl = Annotated[
    str,
    Matching(
        r"^https?://[^\s/]+[^\s]*$", "must be a URL such as https://api.example.com/v1", 512, "https://example.com"
    ),
]
ResourceName = Annotated[
    str,
    Matching(
        r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        "must be an extended resource such as nvidia.com/gpu",
        253,
        "nvidia.com/gpu",
    ),
]
