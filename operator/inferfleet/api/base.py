"""The base of all API types, and what a resource declares for its CRD. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

GROUP = "inferfleet.io"
VERSION = "v1alpha1"

Text = Annotated[str, Field(max_length=1024)]


WAITS = " Without effect in this release."
"""At the end of a description: the field is accepted and kept; `fleet.unobeyed` says what is done instead."""


def timestamp(now: datetime) -> str:
    """RFC 3339 in UTC, as Kubernetes writes times."""
    return now.isoformat().replace("+00:00", "Z")


class Api(BaseModel):
    """Frozen, camelCase on the wire; unknown fields are refused so that a typo cannot be ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class StatusType(Api):
    """Status is read back by newer and older operators alike: unknown fields are ignored, never an error."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class Condition(StatusType):
    """One statement about the object, as Kubernetes has them everywhere."""

    type: Annotated[str, Field(max_length=64, description="What it is about, such as Ready.")]
    status: Annotated[Literal["True", "False", "Unknown"], Field(description="Whether it holds.")]
    reason: Annotated[str, Field(max_length=64, description="Why, as a stable code for programs.")]
    message: Annotated[str, Field(max_length=8192, description="Why, for people; the wording may change.")] = ""
    observed_generation: Annotated[int, Field(ge=0, description="metadata.generation that it is about.")] = 0
    last_transition_time: Annotated[
        str,
        Field(max_length=40, json_schema_extra={"format": "date-time"}, description="When its status last changed."),
    ]


@dataclass(frozen=True)
class Column:
    """A printer column of `kubectl get`; `priority` 1 shows only with `-o wide`."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True)
class Rule:
    """A CEL rule at the root of the object, where `metadata.name` is visible too."""

    rule: str
    message: str


LABEL_VALUE = Rule("size(self.metadata.name) <= 63", "the name becomes a label value: at most 63 characters")


@dataclass(frozen=True)
class Resource:
    """Everything about a kind that its CRD says beyond the fields."""

    kind: str
    plural: str
    short: str
    namespaced: bool
    spec: type[BaseModel]
    status: type[BaseModel] | None
    columns: tuple[Column, ...]
    description: str
    rules: tuple[Rule, ...] = (LABEL_VALUE,)


SERVICE_NAME = Rule(
    "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "the name becomes part of a Service's name: lower-case letters, digits and inner hyphens, a letter first",
)


def cel(*rules: tuple[str, str]) -> dict[str, Any]:
    """`json_schema_extra` for CEL rules given as (rule, message)."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in rules]}


def list_map(*keys: str) -> dict[str, Any]:
    """`json_schema_extra` for a list keyed by some of its items' fields: server-side apply merges it by key."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}
