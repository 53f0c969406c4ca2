"""How long a step of an engine takes, and what follows for one replica: the physics of the control law. Pure.

A step lasts `base`, and longer by `per_token` for each sequence that decodes in it and by `per_prompt` for each prompt
token that is read in it. Let rho be the share of a replica's time that goes into these two parts:
rho = requests per second x (prompt tokens x per_prompt + output tokens x per_token). Then a step lasts
base / (1 - rho) on average, which is what a user sees between two tokens (ITL(n) = B + A n with prefill interference;
the same form as T = alpha / (1 - rho) in arXiv:2603.09730).
"""

from dataclasses import dataclass
from math import inf
from typing import NamedTuple


@dataclass(frozen=True)
class Step:
    """Seconds."""

    base: float
    per_token: float
    """For each output token; the reading of its cache at the usual context length included."""
    per_prompt: float
    """For each prompt token that is not found in a cache."""


@dataclass(frozen=True)
class Shape:
    """Tokens of a mean request."""

    prompt: float
    """Those that must be read: without what a prefix cache has."""
    output: float
    context: float
    """Tokens that its KV cache holds on average while it decodes, shared prefixes included."""


@dataclass(frozen=True)
class Limits:
    """What bounds the requests that one replica works on at once."""

    itl: float = inf
    """Seconds between two tokens that the latency target allows."""
    slots: float = inf
    kv_tokens: float = inf
    chunk: float = inf
    """Prompt tokens that one step reads at most."""
    utilization: float = 1.0
    """Share of slots, KV cache and chunk that is planned for. The latency target has its own headroom."""


class Capacity(NamedTuple):
    """Of one replica."""

    requests: float
    """Per second, where the tightest limit is just reached."""
    batch: float
    """Requests that it works on then."""
    bound: str
    """Which limit that is, in words."""


def work(step: Step, shape: Shape) -> float:
    """Seconds that a request adds to the steps of the replica that serves it."""
    return shape.prompt * step.per_prompt + shape.output * step.per_token


def capacity(step: Step, shape: Shape, limits: Limits) -> Capacity:
    """The highest rate within all limits.

    A batch of n makes steps of base + n x work / output seconds: each of its requests is there for `output` steps.
    """
    each = work(step, shape) / shape.output
    batches = (
        ((limits.itl - step.base) / each, "inter-token latency"),
        (limits.utilization * limits.slots, "slots"),
        (limits.utilization * limits.kv_tokens / shape.context, "KV cache"),
        (limits.utilization * limits.chunk * shape.output / max(shape.prompt, 1.0), "prefill budget of a step"),
    )
    batch, bound = min(batches)
    if batch == inf:
        return Capacity(1 / work(step, shape), batch, bound)
    batch = max(batch, 1.0)  # a target below a lone request's own step cannot be reached by more replicas
    return Capacity(batch / (shape.output * (step.base + batch * each)), batch, bound)
