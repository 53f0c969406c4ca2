"""One scaling round of one workload: signals to a decision, and what is remembered for the next. Pure."""

from dataclasses import dataclass, field, replace
from math import isfinite
from statistics import NormalDist

from inferfleet.planning.types import Measured
from inferfleet.planning.unit import Unit
from inferfleet.scaling import deadline
from inferfleet.scaling.arrivals import SPAN
from inferfleet.scaling.deadline import Queue
from inferfleet.scaling.demand import (
    Demand,
    Lengths,
    Traffic,
    mean_shape,
    measure,
    observe,
    observe_held,
    seconds_of,
)
from inferfleet.scaling.idle import patience
from inferfleet.scaling.late import Late, Promise, highest_load, spending
from inferfleet.scaling.late import observe as observe_late
from inferfleet.scaling.law import Decision, History, Latency, ScaleInput, decide, one_full
from inferfleet.scaling.learn import Fit, learn, solve
from inferfleet.scaling.ledger import BOUNDS, capacity
from inferfleet.scaling.record import Record, record
from inferfleet.scaling.signal import Window, all_alike
from inferfleet.scaling.step import Limits, Step, work
from inferfleet.scaling.target import Signals, Target
from inferfleet.scaling.trim import Trim, trimmed

__all__ = ["Memory", "Round", "Signals", "Target", "scale"]

CAREFUL = 0.95
"""Part of the late requests that are promised which is aimed at: what is measured lags behind what comes."""
TRUST = 0.5
"""At most so much of the headroom that the step line asks for is given up because few requests were late."""
TRUSTED = 5000.0
"""Requests of the last minutes after which that is reached: fifty late ones where one in a hundred may be."""
SCRAPE = 10.0
"""Seconds that signals and decisions lag behind: what is decided now works a boot time and these later."""
MISSED = SPAN / 2
"""Seconds of silence of a pod in which no replica goes."""
ENDLESS = float("inf")


@dataclass(frozen=True)
class Memory:
    """What one round leaves to the next. Lost at a restart without harm: the next minutes say it again, and what takes
    longer to learn, the line of steps, is in a CapacityProfile (`scaling.recall`).
    """

    history: History = ()
    traffic: Traffic = field(default_factory=Traffic)
    fit: Fit = field(default_factory=Fit)
    step: Step | None = None
    """What follows from it."""
    trim: Trim = field(default_factory=Trim)
    late: Late = field(default_factory=Late)
    busiest: float | None = None
    """What follows from it: share of a replica's time that work may take."""
    queue: Queue = field(default_factory=Queue)
    """Of a class with a deadline."""
    replicas: int = 0
    """Told by the last round."""
    changed: float = float("-inf")
    """When they last became others."""


@dataclass(frozen=True)
class Round:
    """What one round found."""

    decision: Decision
    demand: Demand
    measured: Measured | None
    served: float | None
    """Tokens per second; None while no pod was scraped twice."""
    memory: Memory = field(default_factory=Memory)
    step: Step | None = None
    """The line that was decided with."""
    record: Record | None = None


def scale(target: Target, signals: Signals, known: Measured | None, memory: Memory) -> Round:
    """Measure, learn, decide. A signal that is stale changes nothing and teaches nothing."""
    if target.deadline is None or target.patient:
        signals = replace(signals, windows={name: all_alike(w) for name, w in signals.windows.items()})
    windows = tuple(signals.windows.values())
    own = [w for name, w in signals.windows.items() if name in signals.own]
    stale, horizon = _silent(signals, signals.max_age), signals.boot + SCRAPE
    measured = known
    if not stale:
        measured = capacity(known, own, signals.now, target.unit)
        memory = _learned(target, signals, own, _counted(target, signals, memory, horizon), _typical(target, measured))
    demand = _demand(target, windows, memory.traffic, horizon, _typical(target, measured))
    asked = _asked(target, signals, memory, demand, measured)
    due = _due(target, signals, memory, asked) if asked.capacity > 0 else 0.0
    decision = decide(replace(asked, stale_pods=stale, due=due))
    served = demand.served if asked.ready_pods else None
    said = record(asked, decision, horizon)
    return Round(decision, demand, measured, served, replace(memory, history=decision.history), asked.step, said)


def _silent(signals: Signals, seconds: float) -> tuple[str, ...]:
    """Pods that were not heard for so long."""
    oldest = signals.now - seconds
    return tuple(sorted(name for name, w in signals.windows.items() if not w or w[-1].at < oldest))


# what is learned


def _counted(target: Target, signals: Signals, memory: Memory, horizon: float) -> Memory:
    """With what came since the last round; where there are deadlines, it queues for them."""
    windows, before = signals.windows.values(), memory.traffic
    if signals.held is not None and not windows:
        traffic = observe_held(before, signals.held, signals.now, horizon)
    else:
        traffic = observe(before, windows, horizon, target.prompt_tokens)
    queue = memory.queue
    if target.deadline is not None:
        came, done = traffic.later_came - before.later_came, traffic.later_done - before.later_done
        there = sum(w[-1].running + w[-1].later_waiting for w in windows if w)
        if target.patient:
            came, done = traffic.came - before.came, traffic.done - before.done
            there = sum(w[-1].running + w[-1].waiting for w in windows if w)
        queue = deadline.update(queue, signals.now, target.deadline, came, done)
        queue = deadline.reconciled(queue, there + (signals.held or 0.0))
    return replace(memory, traffic=traffic, queue=queue)


def _learned(target: Target, signals: Signals, own: list[Window], memory: Memory, typical: Lengths) -> Memory:
    """What warm pods show. Of a target for the first token alone only the waits once the last change has settled."""
    if target.step and target.itl:
        if signals.now - memory.late.at < SPAN:
            return memory
        fit = learn(memory.fit, own, signals.now, target.step)
        step = solve(fit, target.step)
        promise = _promise(target, step)
        late = observe_late(memory.late, own, signals.now, promise, step)
        request = work(step, mean_shape(memory.traffic, typical))
        return replace(memory, fit=fit, step=step, late=late, busiest=highest_load(late, step, promise, request))
    ready = len(signals.windows)
    if ready != memory.replicas or ready != target.replicas:
        return replace(memory, replicas=ready, changed=signals.now)
    limit, waits = target.ttft, "ttft"
    if _one_by_one(target, own):
        limit, waits = _latency(target).wait(seconds_of(memory.traffic.lengths, typical)), "queued"
    if limit is None or not isfinite(limit) or signals.now - memory.changed < signals.boot:
        return memory
    allowed = (limit, 1 - target.percentile / 100)
    return replace(memory, trim=trimmed(memory.trim, own, signals.now, allowed, waits))


# what is decided with


def _demand(target: Target, windows: tuple[Window, ...], traffic: Traffic, horizon: float, typical: Lengths) -> Demand:
    """What is declared, until somebody has come."""
    found = measure(traffic, windows, horizon, typical, target.unit)
    if not target.planned_demand or any(w and w[-1].arrivals for w in windows):
        return found
    requests = target.planned_demand / target.request_tokens
    return replace(found, tokens_per_second=target.planned_demand, forecast=requests, arriving=requests)


def _asked(target: Target, signals: Signals, memory: Memory, demand: Demand, measured: Measured | None) -> ScaleInput:
    own = [w for name, w in signals.windows.items() if name in signals.own]
    speed = measured.tokens_per_second if measured else target.planned_capacity
    step = _believed(target, memory, own, measured)
    known_rates = any(len(w) >= 2 for w in signals.windows.values())
    return ScaleInput(
        now=signals.now,
        replicas=target.replicas,
        ready_pods=len(signals.windows) if known_rates else 0,
        stale_pods=(),
        minimum=target.minimum,
        maximum=target.maximum,
        room=target.room,
        demand=demand,
        capacity=speed,
        utilization=target.utilization,
        boot=signals.boot,
        delay=target.delay,
        history=memory.history,
        step=step,
        latency=_latency(target, memory.late),
        limits=_limits(target, own),
        busiest=1.0 if memory.busiest is None else memory.busiest,
        trust=min(TRUST, memory.late.requests / TRUSTED),
        trim=memory.trim.factor,
        patient=target.patient,
        held=signals.held,
        idle=signals.now - memory.traffic.busy,
        patience=patience(signals.boot, target.zero_after),
        one_by_one=_one_by_one(target, own),
        unheard=bool(_silent(signals, MISSED)),
    )


def _one_by_one(target: Target, own: list[Window]) -> bool:
    """As planned, unless a pod says that it serves several at once."""
    return target.one_by_one and all(w[-1].slots <= 1 for w in own if w)


def _believed(target: Target, memory: Memory, own: list[Window], measured: Measured | None) -> Step | None:
    """The learned line of a class with a target between tokens; None where it contradicts the measured capacity."""
    if not (target.step and target.itl):
        return None
    step = memory.step or target.step
    slots = max((w[-1].slots for w in own if w), default=0.0)
    if measured and slots:
        each = step.per_token + target.prompt_tokens * step.per_prompt / target.request_tokens
        low, high = (bound * measured.tokens_per_second for bound in BOUNDS)
        if not low <= slots / (step.base + slots * each) <= high:
            return None
    return step


def _due(target: Target, signals: Signals, memory: Memory, asked: ScaleInput) -> float:
    """Replicas for what is due."""
    if target.deadline is None:
        return 0.0
    shape = asked.demand.shape if target.patient else asked.demand.later
    requests = one_full(replace(asked, demand=replace(asked.demand, shape=shape)))
    return deadline.needed(memory.queue, signals.now, target.deadline, 1 / requests, signals.boot)


def _typical(target: Target, measured: Measured | None) -> Lengths:
    speed = measured.tokens_per_second if measured else target.planned_capacity
    return Lengths(
        requests=1.0,
        arrived=target.request_tokens if target.unit is Unit.PROMPT else target.prompt_tokens,
        finished=1.0,
        finished_tokens=target.request_tokens,
        inference=target.request_tokens / speed if speed > 0 else 0.0,
    )


def _latency(target: Target, known: Late | None = None) -> Latency:
    """As promised, and as much of it as is left for now."""
    late = 1 - target.percentile / 100
    if known and target.step and late:
        late *= spending(known, late)
    return Latency(
        ttft=target.ttft or ENDLESS,
        itl=target.itl or ENDLESS,
        sigmas=NormalDist().inv_cdf(1 - late),
        late=late,
        # an answer that comes whole is its own first token
        whole=min(target.ttft or ENDLESS, target.whole or ENDLESS),
    )


def _promise(target: Target, step: Step) -> Promise:
    """The class's target is for its median prompt, which takes its time and at least a step also where nobody waits."""
    ttft = target.ttft or ENDLESS
    reading = step.per_prompt + (step.base / target.chunk if target.chunk else 0.0)
    wait = max(ttft - target.prompt_tokens * reading - (target.itl or 0.0), ttft / 2)
    return Promise(target.itl or ENDLESS, wait, CAREFUL * (1 - target.percentile / 100))


def _limits(target: Target, own: list[Window]) -> Limits:
    latest = [w[-1] for w in own if w]
    slots = max((s.slots for s in latest), default=0.0)
    kv = max((s.kv_tokens for s in latest), default=0.0)
    return Limits(
        itl=target.itl or ENDLESS,
        slots=slots or ENDLESS,
        kv_tokens=kv or ENDLESS,
        chunk=target.chunk or ENDLESS,
        utilization=target.utilization,
    )
