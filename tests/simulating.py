"""Simulations in tests: traces, engines, simple controllers, and one replica token by token for comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from inferfleet.planning.unit import Unit
from inferfleet.scaling.demand import Demand
from inferfleet.scaling.law import ScaleInput
from inferfleet.scaling.signal import PodSample, Window
from inferfleet.scaling.step import Step
from inferfleet.scaling.workload import Target
from inferfleet.sim.types import Engine, Pool, Seen, Trace

ENGINE = Engine(base=0.018, per_sequence=0.00035, prefill_rate=8000, kv_tokens=400_000, chunk=2048, slots=64)

LINE = Step(base=0.018, per_token=0.00035, per_prompt=1 / 8000)
"""The same as a line, in parts that the law learns."""

TARGET = Target(
    class_="chat",
    placement="m-chat",
    profile="m-gpu",
    replicas=1,
    minimum=1,
    maximum=20,
    room=20,
    planned_capacity=350.0,
    utilization=0.8,
    delay=120.0,
    request_tokens=150.0,
    unit=Unit.GENERATED,
)
"""What the law scales: tokens per second within the targets, at the lengths of `a_trace`."""


def steady(demand: Demand, **changes: Any) -> ScaleInput:
    """Four replicas that were watched for long, and what is asked of them."""
    found = ScaleInput(
        now=1000.0,
        replicas=4,
        ready_pods=4,
        stale_pods=(),
        minimum=1,
        maximum=50,
        room=50,
        demand=demand,
        capacity=1000.0,
        utilization=0.8,
        boot=180.0,
        delay=300.0,
        history=((0.0, 0.0),),
    )
    return replace(found, **changes)


def a_trace(seed: int, count: int, rate: float, longest: tuple[int, int] = (3000, 300)) -> Trace:
    """Poisson arrivals; lengths drawn evenly up to the longest input and output."""
    random = np.random.default_rng(seed)
    return Trace(
        np.cumsum(random.exponential(1 / rate, count)),
        random.integers(1, longest[0], count),
        random.integers(1, longest[1], count),
    )


def pod(
    rate: float, line: Step, *, late: float = 0.0, seconds: int = 30, finished: float = 1e4, start: float = 0.0
) -> Window:
    """Serves so many requests a second of 800 and 160 tokens; a share of them waits three seconds."""
    busy = rate * (160 * line.per_token + 800 * line.per_prompt)
    zero = PodSample(start, 0, 0, finished, 0, rate * 160 * line.base / (1 - busy), 0, 256, 0, 0, 0)

    def at(t: float) -> PodSample:
        done = rate * (start + t)
        queued = ((2.0, done * (1 - late)), (5.0, done), (float("inf"), done))
        return replace(
            zero, at=start + t, generated=160 * done, prompted=800 * done, finished=finished + done, queued=queued
        )

    return tuple(at(float(t)) for t in range(0, seconds + 1, 2))


def a_pool(name: str = "gpu", engine: Engine = ENGINE, boot: float = 60.0, limit: int = 100) -> Pool:
    return Pool(name, engine, boot, limit=limit, price=2.0)


@dataclass
class Scripted:
    """Wants what its script says: (from when on, replicas by pool), in order. Keeps what it saw."""

    script: Sequence[tuple[float, Mapping[str, int]]] = ()
    seen: list[Seen] = field(default_factory=list)

    def decide(self, seen: Seen) -> Mapping[str, int]:
        self.seen.append(seen)
        wanted: dict[str, int] = {}
        for since, counts in self.script:
            if since <= seen.now:
                wanted.update(counts)
        return wanted


@dataclass
class _One:
    number: int
    order: int
    prompt: int
    left: int
    made: int


class TokenByToken:
    """One replica that takes every step by itself: what the simulator's jumps must come to. FCFS, no prefix cache."""

    def __init__(self, trace: Trace, engine: Engine) -> None:
        self.trace, self.engine = trace, engine
        self.first, self.finish = np.full(len(trace), np.nan), np.full(len(trace), np.nan)
        self.preempted = 0
        self._made: dict[int, int] = {}
        self._held: dict[int, float] = {}
        self._waiting: list[int] = []
        self._prefilling: list[_One] = []
        self._decoding: list[_One] = []
        self._order = 0

    def run(self) -> None:
        """To the end of the last request."""
        now, known, arrived, at = 0.0, np.inf, 0, self.trace.at
        while arrived < len(at) or self._waiting or self._prefilling or self._decoding:
            if not (self._waiting or self._prefilling or self._decoding):
                now, known = max(now, at[arrived]), np.inf
            while arrived < len(at) and at[arrived] <= now + 1e-12:
                self._waiting.append(arrived)
                arrived += 1
            chunks = [] if self._preempt() else self._batch(known)
            known, now = now, now + self._seconds(chunks)
            self._step(chunks, now)

    def _preempt(self) -> bool:
        preempted = False
        while len(self._decoding) > 1 and self._used() + len(self._decoding) > self.engine.kv_tokens:
            last = max(self._decoding, key=lambda one: one.order)
            self._decoding.remove(last)
            del self._held[last.number]
            self._made[last.number] = last.made
            self._waiting.insert(0, last.number)
            self.preempted += 1
            preempted = True
        return preempted

    def _used(self) -> float:
        return sum(self._held.values())

    def _batch(self, known: float) -> list[tuple[_One, int]]:
        budget, chunks = self.engine.chunk - len(self._decoding), []
        for one in self._prefilling:
            if budget > 0:
                chunks.append((one, min(one.left, budget)))
                budget -= one.left
        while budget > 0 and self._waiting and (one := self._admit(known)):
            chunks.append((one, min(one.left, budget)))
            budget -= one.left
        return chunks

    def _admit(self, known: float) -> _One | None:
        number, busy = self._waiting[0], len(self._decoding) + len(self._prefilling)
        late = self.engine.ahead and self.trace.at[number] > known
        if busy >= self.engine.slots or (busy and late):
            return None
        prompt = int(self.trace.input[number]) + self._made.get(number, 0)
        if busy and self._used() + prompt + self.engine.block / 2 + len(self._decoding) > self.engine.kv_tokens:
            return None
        self._waiting.pop(0)
        self._order += 1
        self._held[number] = prompt + self.engine.block / 2
        one = _One(number, self._order, prompt, prompt, 0)
        self._prefilling.append(one)
        return one

    def _seconds(self, chunks: list[tuple[_One, int]]) -> float:
        e = self.engine
        context = sum(one.prompt + one.made - self._made_before(one) - 1 for one in self._decoding)
        seconds = e.base + e.per_sequence * len(self._decoding) + e.per_context_token * context
        for one, tokens in chunks:
            before = one.prompt - one.left
            seconds += tokens / e.prefill_rate + e.per_prefill_context_token * tokens * (before + tokens / 2)
        return seconds

    def _made_before(self, one: _One) -> int:
        return one.prompt - int(self.trace.input[one.number])

    def _step(self, chunks: list[tuple[_One, int]], now: float) -> None:
        for one in list(self._decoding):
            one.made += 1
            self._held[one.number] += 1
            self._end(one, now)
        for one, tokens in chunks:
            one.left -= tokens
            if one.left:
                continue
            self._prefilling.remove(one)
            one.made = self._made.pop(one.number, 0) + 1
            if one.made == 1:
                self.first[one.number] = now
            self._decoding.append(one)
            self._end(one, now)

    def _end(self, one: _One, now: float) -> None:
        if one.made == self.trace.output[one.number]:
            self._decoding.remove(one)
            del self._held[one.number]
            self.finish[one.number] = now
