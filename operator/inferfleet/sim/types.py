"""What a simulation is given, what a controller sees, and what it answers. Pure. Times in seconds from the start."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inferfleet.scaling.signal import Window

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BLOCK_TOKENS = 512
"""Tokens of one block of a request's prefix, as in the Mooncake traces (arXiv:2407.00079)."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it reaches the gateway."""

    at: float
    input: int
    """Prompt tokens."""
    output: int
    """Generated tokens, at least one."""
    prefix: tuple[int, ...] = ()
    """Ids of the blocks of `BLOCK_TOKENS` that its prompt begins with; equal ids are equal text."""
    class_: str = ""


@dataclass(frozen=True)
class Trace:
    """Requests as arrays of equal length, sorted by time."""

    at: Floats
    input: Ints
    output: Ints
    prefix: tuple[tuple[int, ...], ...] = ()
    """Per request; empty: none has one."""
    class_: Ints | None = None
    """Per request an index into `classes`; None: all are of the first."""
    classes: tuple[str, ...] = ("",)
    cached: Ints | None = None
    """Prompt tokens per request that need no prefill wherever it goes: where hits are known, but not the blocks."""

    def __len__(self) -> int:
        return len(self.at)

    @classmethod
    def of(cls, requests: Iterable[Request]) -> "Trace":
        """Sort by time; requests of the same moment keep their order."""
        found = sorted(requests, key=lambda r: r.at)
        names = tuple(dict.fromkeys(r.class_ for r in found)) or ("",)
        return cls(
            at=np.array([r.at for r in found], dtype=np.float64),
            input=np.array([r.input for r in found], dtype=np.int64),
            output=np.array([r.output for r in found], dtype=np.int64),
            prefix=tuple(r.prefix for r in found) if any(r.prefix for r in found) else (),
            class_=np.array([names.index(r.class_) for r in found], dtype=np.int64) if len(names) > 1 else None,
            classes=names,
        )

    def between(self, start: float, end: float) -> "Trace":
        """Requests from `start` to before `end`, with times counted from `start`."""
        first, last = (int(i) for i in np.searchsorted(self.at, (start, end)))
        return Trace(
            self.at[first:last] - start,
            self.input[first:last],
            self.output[first:last],
            self.prefix[first:last],
            None if self.class_ is None else self.class_[first:last],
            self.classes,
            None if self.cached is None else self.cached[first:last],
        )


@dataclass(frozen=True)
class Engine:
    """Speed and room of one replica.

    A step that decodes takes base + per_sequence x running + per_context_token x tokens in the caches of those;
    a step that also prefills takes its prompt tokens / prefill_rate longer, for all.
    """

    base: float
    """Seconds."""
    per_sequence: float
    """Seconds."""
    prefill_rate: float
    """Prompt tokens per second."""
    kv_tokens: float
    """Tokens that the KV cache holds."""
    per_context_token: float = 0.0
    """Seconds."""
    chunk: int = 8192
    """Most tokens of one step, prompt and decode together (vLLM: max_num_batched_tokens)."""
    slots: int = 256
    """Most sequences in a step (vLLM: max_num_seqs)."""
    per_prefill_context_token: float = 0.0
    """Seconds per prompt token and token before it in the same prompt: attention grows with its length."""
    cached: bool = True
    """Whether prefixes are kept for later requests while there is room (least recently used go first)."""
    block: int = 16
    """Tokens of a KV block: the last one of a sequence is half empty on average."""
    ahead: bool = False
    """Whether each step is scheduled while the one before runs (vLLM's asynchronous scheduling): requests wait for one
    step more."""
    cold_steps: int = 0
    """Of a new replica's first steps with prompts, how many take `cold_seconds` longer (kernels that are compiled)."""
    cold_seconds: float = 0.0
    capacity: float = 0.0
    """Generated tokens per second that a replica says it measured of itself when it started; 0: it measured nothing."""


@dataclass(frozen=True)
class Pool:
    """Where replicas of one kind run."""

    name: str
    engine: Engine
    boot: float
    """Seconds from creation until it serves."""
    limit: int = 1000
    """Most replicas, booting and draining ones included."""
    price: float = 0.0
    """USD of one replica for one hour."""
    boot_spread: float = 0.0
    """Boots are drawn evenly from boot x (1 - spread) to boot x (1 + spread)."""
    classes: frozenset[str] = frozenset()
    """Whose requests it takes; empty: all."""


@dataclass(frozen=True)
class Lost:
    """Replicas fail at once, with all they work on: the longest there first.

    The pool's wanted replicas stay, so that others boot in their place as far as its limit allows: a lost node is
    this and a `Limit`.
    """

    at: float
    pool: str
    count: int


@dataclass(frozen=True)
class Limit:
    """A pool has another limit from now on. What runs is not taken away."""

    at: float
    pool: str
    count: int


@dataclass(frozen=True)
class Blind:
    """No scrape succeeds from `start` to before `end`."""

    start: float
    end: float


Event = Lost | Limit | Blind


class Policy(StrEnum):
    """How the router picks among the ready replicas that do not drain."""

    LEAST = "LeastOutstanding"
    """Fewest requests in flight."""
    TOKENS = "LeastTokens"
    """Fewest prompt tokens to read before its first token, what is cached left out; then fewest requests in flight."""
    TWO = "PowerOfTwo"
    """The better of two at random (Mitzenmacher 2001)."""
    ROBIN = "RoundRobin"
    RANDOM = "Random"
    PREFIX = "Prefix"
    """Most prompt blocks already cached, unless it is busier than the least busy one by more than `imbalance`."""


@dataclass(frozen=True)
class Router:
    """Picks a replica for each request. Requests wait in it while no replica is ready."""

    policy: Policy = Policy.LEAST
    staleness: float = 0.0
    """Seconds between looks at the replicas' counts. Between looks it adds what it sent itself only if `counts_own`."""
    counts_own: bool = True
    imbalance: int = 8
    """Requests in flight, for `Policy.PREFIX`."""


@dataclass(frozen=True)
class Slo:
    """What a request must meet. A request that fails, or waits longer than `wait` for its first token, misses it."""

    ttft: float
    itl: float
    """Mean seconds between the tokens of one request."""
    wait: float = 60.0
    ttft_per_input_token: float = 0.0
    """Seconds added to `ttft` for each prompt token: a long prompt cannot be read at once."""
    end_to_end: float = inf
    """To the last token."""


@dataclass(frozen=True)
class Settings:
    """How a simulation is run."""

    interval: float = 2.0
    """Seconds between decisions."""
    scrape: float = 2.0
    """Seconds between samples of each ready pod."""
    window: float = 60.0
    """Seconds of samples that a pod's window holds; the operator's law looks at its own `fleet.scaler.WINDOW` only."""
    seed: int = 0
    router: Router = Router()
    start: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Replicas by pool that are ready at second 0."""
    end: float | None = None
    """When the controller stops and replica-hours end; None: at the last arrival. Requests are served to their end."""
    overhead: float = 0.0
    """Seconds on top of each TTFT that are spent outside of the engine: network, tokenizer, gateway."""
    priorities: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """By class: in a replica's queue the higher goes first; 0 where it is not named."""


@dataclass(frozen=True)
class Pod:
    """A replica as the controller sees it."""

    name: str
    pool: str
    created: float
    """Before second 0 of those that are ready then."""
    ready_at: float | None
    """None while it boots."""
    draining: bool
    window: Window
    """Oldest first; the scraper's samples."""


@dataclass(frozen=True)
class Room:
    """A pool as the controller sees it."""

    pool: Pool
    limit: int
    """At present."""
    wanted: int
    """What the last decision asked for, cut to the limit."""
    existing: int
    """Booting, ready and draining replicas."""


@dataclass(frozen=True)
class Seen:
    """All that a controller may know."""

    now: float
    pods: tuple[Pod, ...]
    """Oldest first; those that are gone are not among them."""
    pools: tuple[Room, ...]
    held: int
    """Requests that wait in the router because no replica is ready."""


class Controller(Protocol):
    """Decides how many replicas each pool has. It may keep memory; a new run needs a new one."""

    def decide(self, seen: Seen) -> Mapping[str, int]:
        """Replicas by pool, draining ones not counted; a pool that is left out keeps what it has."""
        ...
