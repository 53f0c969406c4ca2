"""One scaling round of one workload: signals to a decision, and what is remembered for the next. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import NormalDist

from inferfleet.planning.types import Measured
from inferfleet.planning.unit import Unit
from inferfleet.scaling import deadline
from inferfleet.scaling.deadline import Queue
from inferfleet.scaling.demand import Demand, Lengths, Traffic, measure, observe, observe_held
from inferfleet.scaling.idle import patience
from inferfleet.scaling.late import Late, Promise, highest_load
from inferfleet.scaling.late import observe as observe_late
from inferfleet.scaling.law import Decision, History, Latency, Need, ScaleInput, decide
from inferfleet.scaling.learn import Fit, learn, solve
from inferfleet.scaling.ledger import BOUNDS, capacity
from inferfleet.scaling.record import Record
from inferfleet.scaling.signal import Window
from inferfleet.scaling.step import Limits, Step
from inferfleet.scaling.trim import Trim, trimmed

CAREFUL = 0.95
"""Part of the late requests that are promised which is aimed at."""
SCRAPE = 10.0
"""Seconds that signals and decisions lag behind: what is decided now works a boot time and these later."""


@dataclass(frozen=True)
class Target:
    """A workload whose replicas follow demand; made from a plan. Times in seconds."""

    class_: str
    placement: str
    """Deployment that is scaled."""
    profile: str
    """Its CapacityProfile."""
    replicas: int
    minimum: int
    maximum: int
    room: int
    planned_capacity: float
    """Tokens per second of a replica while none is measured."""
    utilization: float
    delay: float
    request_tokens: float
    """Median tokens of a request of the class."""
    unit: Unit
    """What these tokens, its demand and its capacity are."""
    config: str = ""
    """Hash of the configuration that its pods shall have; empty: not known."""
    planned_demand: float = 0.0
    """Tokens per second to hold ready until traffic is observed."""
    prompt_tokens: float = 0.0
    """Median prompt of the class."""
    ttft: float | None = None
    """To the first token; None: no target."""
    itl: float | None = None
    """Between tokens; None: no target."""
    percentile: int = 95
    """Share of requests, in percent, that must meet these."""
    step: Step | None = None
    """Planned line; None: replicas follow the measured throughput."""
    deadline: float | None = None
    """Seconds after its arrival in which a request must be done; None: it is interactive."""
    zero_after: float | None = None
    """Seconds without a request after which the last replica goes, where the minimum is 0; None: what a start is
    worth."""
    chunk: float | None = None
    """Prompt tokens that a step reads at most; None: not told."""
    boot: float = 30.0
    """Planned seconds to the first answer, until a pod was seen to boot."""


@dataclass(frozen=True)
class Signals:
    """What a workload's pods said. Pods are named; windows of pods that are not ready are left out."""

    now: float
    windows: Mapping[str, Window]
    """By ready pod; empty for one that never answered."""
    own: frozenset[str]
    """Pods of the target placement: only their speed is its capacity."""
    boot: float
    max_age: float
    held: float | None = None
    """Requests that a gateway holds while no replica is ready; None: there is none that would."""


@dataclass(frozen=True)
class Memory:
    """What one round leaves to the next. Lost at a restart without harm: the next minutes say it again."""

    history: History = ()
    traffic: Traffic = field(default_factory=Traffic)
    fit: Fit = field(default_factory=Fit)
    trim: Trim = field(default_factory=Trim)
    late: Late = field(default_factory=Late)
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
    windows = tuple(signals.windows.values())
    stale = _stale(signals)
    horizon = signals.boot + SCRAPE
    traffic = memory.traffic if stale else _observed(memory.traffic, signals, horizon)
    demand = measure(traffic, windows, horizon, _typical(target), target.unit)
    if target.planned_demand and not any(w and w[-1].arrivals for w in windows):
        demand = replace(
            demand,
            tokens_per_second=target.planned_demand,
            forecast=target.planned_demand / target.request_tokens,
            arriving=target.planned_demand / target.request_tokens,
        )
    known_rates = any(len(w) >= 2 for w in windows)
    own = [w for name, w in signals.windows.items() if name in signals.own]
    measured = known if stale else capacity(known, own, signals.now, target.unit)
    if not stale:
        queue = _queue(target, signals, memory, traffic)
        memory = _learned(target, signals, own, replace(memory, traffic=traffic, queue=queue))
    speed = measured.tokens_per_second if measured else target.planned_capacity
    step = _believed(target, memory, own, measured)
    asked = ScaleInput(
        now=signals.now,
        replicas=target.replicas,
        ready_pods=len(windows) if known_rates else 0,
        stale_pods=stale,
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
        latency=_latency(target),
        limits=_limits(target, own),
        busiest=highest_load(memory.late, step, _promise(target, step)) if step else 1.0,
        trim=memory.trim.factor,
        due=_due(target, signals, memory.queue, demand.request_tokens / speed) if speed > 0 else None,
        held=signals.held,
        idle=signals.now - traffic.busy,
        patience=patience(signals.boot, target.zero_after),
    )
    decision = decide(asked)
    memory = replace(memory, history=decision.history)
    served = demand.served if known_rates else None
    return Round(decision, demand, measured, served, memory, step, _record(asked, decision, horizon))


def _record(x: ScaleInput, found: Decision, horizon: float) -> Record:
    need = found.need or Need(float(found.wanted), 0.0, 0.0, "")
    return Record(
        at=x.now,
        before=x.replicas,
        replicas=found.replicas,
        wanted=found.wanted,
        reason=found.reason,
        bound=need.bound,
        need=need.replicas,
        load=need.load,
        arrivals=x.demand.arrivals,
        forecast=x.demand.forecast,
        horizon=horizon,
        waiting=x.demand.waiting,
        prompt_tokens=x.demand.shape.prompt,
        output_tokens=x.demand.shape.output,
        capacity=need.capacity,
        busiest=x.busiest,
        trim=x.trim,
        fresh=found.fresh,
        message=found.message,
    )


def _observed(known: Traffic, signals: Signals, horizon: float) -> Traffic:
    if signals.held is not None and not signals.windows:
        return observe_held(known, signals.held, signals.now, horizon)
    return observe(known, signals.windows.values(), horizon)


def _believed(target: Target, memory: Memory, own: list[Window], measured: Measured | None) -> Step | None:
    """The learned line of a class with a target between tokens; None where it contradicts the measured capacity."""
    if not (target.step and target.itl):
        return None
    step = solve(memory.fit, target.step)
    slots = max((w[-1].slots for w in own if w), default=0.0)
    if measured and slots:
        each = step.per_token + target.prompt_tokens * step.per_prompt / target.request_tokens
        low, high = (bound * measured.tokens_per_second for bound in BOUNDS)
        if not low <= slots / (step.base + slots * each) <= high:
            return None
    return step


def _queue(target: Target, signals: Signals, memory: Memory, traffic: Traffic) -> Queue:
    """What waits for its deadline, oldest first."""
    if target.deadline is None:
        return memory.queue
    came, done = traffic.came - memory.traffic.came, traffic.done - memory.traffic.done
    there = sum(w[-1].running + w[-1].waiting for w in signals.windows.values() if w)
    queue = deadline.update(memory.queue, signals.now, target.deadline, came, done)
    return deadline.reconciled(queue, there + (signals.held or 0.0))


def _due(target: Target, signals: Signals, queue: Queue, each: float) -> float | None:
    if target.deadline is None:
        return None
    return deadline.needed(queue, signals.now, target.deadline, each, signals.boot)


def _stale(signals: Signals) -> tuple[str, ...]:
    oldest = signals.now - signals.max_age
    return tuple(sorted(name for name, w in signals.windows.items() if not w or w[-1].at < oldest))


def _learned(target: Target, signals: Signals, own: list[Window], memory: Memory) -> Memory:
    """What warm pods show; of a target for the first token alone only the waits once the last change has settled."""
    if target.step and target.itl:
        fit = learn(memory.fit, own, signals.now, target.step)
        step = solve(fit, target.step)
        return replace(memory, fit=fit, late=observe_late(memory.late, own, signals.now, _promise(target, step), step))
    ready = len(signals.windows)
    if ready != memory.replicas or ready != target.replicas:
        return replace(memory, replicas=ready, changed=signals.now)
    if target.ttft is None or signals.now - memory.changed < signals.boot:
        return memory
    allowed = (target.ttft, 1 - target.percentile / 100)
    return replace(memory, trim=trimmed(memory.trim, own, signals.now, allowed))


def _typical(target: Target) -> Lengths:
    return Lengths(
        requests=1.0,
        arrived=target.request_tokens if target.unit is Unit.PROMPT else target.prompt_tokens,
        finished=1.0,
        finished_tokens=target.request_tokens,
    )


def _latency(target: Target) -> Latency:
    late = 1 - target.percentile / 100
    return Latency(
        ttft=target.ttft or float("inf"),
        itl=target.itl or float("inf"),
        sigmas=NormalDist().inv_cdf(1 - late),
        late=late,
    )


def _promise(target: Target, step: Step) -> Promise:
    """The class's target is for its median prompt, which takes its time also where nobody waits."""
    ttft = target.ttft or float("inf")
    reading = step.per_prompt + (step.base / target.chunk if target.chunk else 0.0)
    wait = max(ttft - target.prompt_tokens * reading, ttft / 2)
    return Promise(target.itl or float("inf"), wait, CAREFUL * (1 - target.percentile / 100))


def _limits(target: Target, own: list[Window]) -> Limits:
    latest = [w[-1] for w in own if w]
    slots = max((s.slots for s in latest), default=0.0)
    kv = max((s.kv_tokens for s in latest), default=0.0)
    return Limits(
        itl=target.itl or float("inf"),
        slots=slots or float("inf"),
        kv_tokens=kv or float("inf"),
        chunk=target.chunk or float("inf"),
        utilization=target.utilization,
    )
