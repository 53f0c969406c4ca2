"""What is noted of requests and of replicas while a simulation runs. Pure memory."""

from bisect import bisect_left
from dataclasses import dataclass, field
from math import inf

TTFT_BOUNDS = (0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, inf)
QUEUE_BOUNDS = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, inf)
ITL_BOUNDS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, inf)
"""Seconds; bounds of vLLM's histograms, without the smallest and largest."""


@dataclass(slots=True)
class Book:
    """Of all requests of a run, by their number: what they are, and what became of them."""

    at: list[float]
    input: list[int]
    output: list[int]
    prefix: tuple[tuple[int, ...], ...]
    rank: list[int]
    """Of its queue; 0 goes first. Empty: all are alike."""
    ranks: int
    first: list[float]
    """When the first token came; NaN: it did not."""
    finish: list[float]
    cached: list[int] = field(default_factory=list)
    """Prompt tokens that need no prefill; empty: none are known."""

    def rank_of(self, number: int) -> int:
        """Queue of a request."""
        return self.rank[number] if self.rank else 0


@dataclass(slots=True)
class Counters:
    """Since a replica started, as it would expose them."""

    arrivals: int = 0
    arrived: int = 0
    generated: int = 0
    finished: int = 0
    finished_tokens: int = 0
    prompted: int = 0
    cached: int = 0
    preempted: int = 0
    inference: float = 0.0
    """Seconds in which requests that finished held a slot."""
    later_arrivals: int = 0
    """Of a queue that goes after others, here and below."""
    later_arrived: int = 0
    later_finished: int = 0
    later_finished_tokens: int = 0
    ttft: list[int] = field(default_factory=lambda: [0] * len(TTFT_BOUNDS))
    itl: list[int] = field(default_factory=lambda: [0] * len(ITL_BOUNDS))
    tpot: list[int] = field(default_factory=lambda: [0] * len(ITL_BOUNDS))
    """Of requests of more than one token that finished: their mean seconds between tokens."""
    queued: list[int] = field(default_factory=lambda: [0] * len(QUEUE_BOUNDS))
    inferred: list[int] = field(default_factory=lambda: [0] * len(QUEUE_BOUNDS))
    """Of requests that finished: their seconds with a slot."""

    def arrive(self, prompt: int, *, later: bool) -> None:
        """A request of so many prompt tokens came."""
        self.arrivals += 1
        self.arrived += prompt
        if later:
            self.later_arrivals += 1
            self.later_arrived += prompt

    def wait(self, seconds: float) -> None:
        """One got its first slot after so long."""
        self.queued[bisect_left(QUEUE_BOUNDS, seconds)] += 1

    def begin(self, prompt: int, seconds: float) -> None:
        """The first token of one came after so long."""
        self.ttft[bisect_left(TTFT_BOUNDS, seconds)] += 1
        self.prompted += prompt

    def finish(self, tokens: int, held: float, decoding: float, *, later: bool) -> None:
        """One is done after `held` seconds with a slot, `decoding` of them since its first token."""
        self.finished += 1
        self.finished_tokens += tokens
        if later:
            self.later_finished += 1
            self.later_finished_tokens += tokens
            return
        self.inference += held
        self.inferred[bisect_left(QUEUE_BOUNDS, held)] += 1
        if tokens > 1:
            self.tpot[bisect_left(ITL_BOUNDS, decoding / (tokens - 1))] += 1


@dataclass(slots=True)
class Sequence:
    """A request that holds KV cache."""

    number: int
    order: int
    """Of admission: the last one is the first that is preempted."""
    prompt: int
    """Tokens to have in the cache before it decodes: after a preemption, those made before are among them."""
    left: int
    """Of these, not computed yet."""
    own: float
    """KV tokens that only it holds."""
    pinned: tuple[int, ...] = ()
    """Blocks that it shares with others, or may."""
    ends: int = -1
    """The decode step of its replica with which it is done; -1 while it prefills."""
