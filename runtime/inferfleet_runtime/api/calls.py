"""A request that has been checked, and what it was checked against. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

from inferfleet_runtime.api.work import Work
from inferfleet_runtime.contract import RuntimeConfig

Endpoint = Literal["/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings"]

_PROMPTS: Mapping[Endpoint, str] = MappingProxyType(
    {
        "/v1/chat/completions": "messages",
        "/v1/completions": "prompt",
        "/v1/responses": "input",
        "/v1/embeddings": "input",
    }
)

_LENGTH_MULTIPLE = 4
"""Without `max_tokens` an answer may be this many times as long as the class's usual one."""


@dataclass(frozen=True)
class Limits:
    """What a request is held against."""

    names: frozenset[str]
    """Values of `model` that mean this one."""
    context_tokens: int
    default_output_tokens: int
    adapters: Mapping[str, int] = field(default_factory=dict)
    """Values of `model` that mean a LoRA adapter, with its place among the configured ones."""
    adapter_count: int = 0
    slides: bool = False
    """Whether the engine goes on beyond the context and forgets the middle (attention sinks)."""


class Rewriter(Protocol):
    """Makes the client's answer of the engine's, for one request; it may remember what it has seen."""

    def event(self, payload: dict[str, Any]) -> list[dict[str, Any]]:
        """What the client gets for one event of a stream; nothing is an answer too."""

    def answer(self, payload: dict[str, Any]) -> dict[str, Any]:
        """What the client gets for a whole answer."""


@dataclass(frozen=True)
class Call:
    """A request that may go to the engine."""

    endpoint: Endpoint
    """As the client asked."""
    body: Mapping[str, Any]
    """As the engine gets it."""
    stream: bool
    include_usage: bool
    work: Work
    schema: str | None = None
    """The parameter whose JSON schema constrains the answer."""
    rewriters: tuple[Callable[[], Rewriter], ...] = ()
    """What makes the client's answer of the engine's, in this order; empty: they are the same."""
    flexible: bool = False
    """Whether it says that it may wait for others."""

    @property
    def path(self) -> str:
        """Where the engine takes it: responses are chats to it."""
        return "/v1/chat/completions" if self.endpoint == "/v1/responses" else self.endpoint

    @property
    def prompt_param(self) -> str:
        """The parameter that holds the prompt."""
        return _PROMPTS[self.endpoint]


def limits(config: RuntimeConfig) -> Limits:
    """Derived from the configuration."""
    full = config.served_model_name
    plain = {full, full.rsplit("/", 1)[-1]}
    overflow = config.kv_cache.overflow if config.kv_cache else "Refuse"
    names = frozenset(plain | {f"{name}:{config.workload_class}" for name in plain})
    return Limits(
        names=names,
        context_tokens=config.context_tokens,
        default_output_tokens=config.benchmark.output_tokens * _LENGTH_MULTIPLE,
        adapters={name: place for name, place in _adapters(config, plain) if name not in names},
        adapter_count=len(config.adapters or ()),
        slides=overflow == "SlideWithSinks",
    )


def _adapters(config: RuntimeConfig, plain: set[str]) -> list[tuple[str, int]]:
    named = [(adapter.name, place) for place, adapter in enumerate(config.adapters or ())]
    return [(form, place) for name, place in named for form in (name, *(f"{model}:{name}" for model in plain))]
