"""The control law as a whole, round by round over pods that behave as the step line says."""

from collections.abc import Callable
from dataclasses import asdict, replace
from json import dumps

import pytest
import simulating
from fakes.replicas import Pods
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inferfleet.names import Reason
from inferfleet.scaling.deadline import Queue, reconciled, update
from inferfleet.scaling.deadline import needed as due
from inferfleet.scaling.demand import Demand
from inferfleet.scaling.late import Late, Promise, highest_load
from inferfleet.scaling.law import Latency, ScaleInput, decide, needed
from inferfleet.scaling.signal import PodSample
from inferfleet.scaling.step import Limits, Shape, Step, capacity, work
from inferfleet.scaling.workload import Memory, Round, Signals, Target, scale

LINE = Step(base=0.018, per_token=0.00035, per_prompt=1 / 8000)
SHAPE = Shape(prompt=800.0, output=160.0, context=880.0)
LIMITS = Limits(itl=0.05, slots=256.0, kv_tokens=400_000.0, utilization=0.8)
TARGET = replace(
    simulating.TARGET,
    planned_capacity=1000.0,
    delay=300.0,
    request_tokens=160.0,
    prompt_tokens=800.0,
    ttft=2.0,
    itl=0.05,
    percentile=99,
    step=LINE,
    boot=60.0,
)


def state(requests: float = 10.0, **changes: object) -> ScaleInput:
    demand = Demand(requests * 160, requests * 160, requests, 160, 0, requests, requests, 1.0, 0.05, SHAPE)
    found = simulating.steady(
        demand,
        step=LINE,
        latency=Latency(2.0, 0.05, 2.0, 0.01),
        limits=LIMITS,
    )
    return replace(found, **changes)  # type: ignore[arg-type]


class Loop:
    """A workload whose replicas appear at once after their boot; arrivals are what `rate` says."""

    def __init__(self, rate: Callable[[float], float], target: Target = TARGET, truth: Step = LINE) -> None:
        self.pods, self.target, self.memory = Pods(truth, SHAPE), target, Memory()
        self.rate, self.now, self.rounds = rate, 0.0, list[Round]()
        self.pods.want(target.replicas, 0.0, 0.0)

    def run(self, seconds: float, *, blind: bool = False) -> "Loop":
        """Two seconds a round."""
        until = self.now + seconds
        while self.now < until:
            self.now += 2.0
            self.pods.serve(self.now, self.rate(self.now))
            if not blind:
                self.pods.scrape(self.now)
            windows = self.pods.windows(self.now)
            signals = Signals(self.now, windows, frozenset(windows), self.target.boot, 15.0)
            found = scale(self.target, signals, None, self.memory)
            self.memory = found.memory
            self.rounds.append(found)
            self.target = replace(self.target, replicas=found.decision.replicas)
            self.pods.want(found.decision.replicas, self.now, self.target.boot)
        return self

    @property
    def replicas(self) -> list[int]:
        return [r.decision.replicas for r in self.rounds]


@given(st.floats(0, 500), st.floats(1, 3), st.floats(0.2, 1.0))
def test_more_demand_never_asks_for_fewer_replicas(requests: float, more: float, busiest: float) -> None:
    one, two = (needed(state(n, busiest=busiest)).replicas for n in (requests, requests * more))
    assert two >= one - 1e-9


@given(st.floats(0.1, 500), st.floats(0.5, 1), st.floats(0.5, 1), st.floats(0.5, 1), st.integers(8, 256))
def test_more_capacity_never_asks_for_more_replicas(
    requests: float, base: float, token: float, prompt: float, slots: int
) -> None:
    faster = Step(LINE.base * base, LINE.per_token * token, LINE.per_prompt * prompt)
    limits = replace(LIMITS, slots=float(slots))
    one, two = (needed(state(requests, step=s, limits=limits)).replicas for s in (LINE, faster))
    assert two <= one + 1e-9
    wider = replace(limits, slots=2.0 * slots, kv_tokens=2 * limits.kv_tokens)
    assert needed(state(requests, limits=wider)).replicas <= one + 1e-9


@given(st.floats(0, 1e4), st.integers(0, 30), st.integers(1, 10), st.integers(10, 30), st.floats(0, 40))
def test_replicas_stay_within_their_bounds(requests: float, now: int, least: int, most: int, peak: float) -> None:
    found = decide(state(requests, replicas=now, minimum=least, maximum=most, history=((0.0, peak), (900.0, peak))))
    assert least <= found.replicas <= most


@given(st.floats(0, 1e4), st.integers(0, 30))
def test_a_stale_signal_changes_nothing(requests: float, now: int) -> None:
    found = decide(state(requests, replicas=now, stale_pods=("pod",)))
    assert (found.replicas, found.fresh, found.asked) == (now, False, None)


@given(st.floats(0, 1e4), st.integers(1, 20))
def test_while_a_pod_misses_a_round_replicas_may_come_and_none_goes(requests: float, now: int) -> None:
    x = state(requests, replicas=now, history=((0.0, 0.0), (900.0, 0.0)))
    heard, unheard = decide(x), decide(replace(x, unheard=True))
    assert unheard.replicas == max(heard.replicas, min(now, x.maximum))


@given(st.floats(0, 1e3), st.integers(1, 30), st.floats(0, 20))
def test_equal_inputs_give_equal_decisions_that_can_be_written_down(requests: float, now: int, peak: float) -> None:
    x = state(requests, replicas=now, history=((0.0, peak),))
    assert decide(x) == decide(x)
    found = decide(x)
    assert found.need is not None
    assert dumps(found.need._asdict())


@settings(max_examples=5, deadline=None)
@given(st.floats(0.5, 25), st.floats(0.85, 1.15))
@example(2.8, 0.859)
@example(12.75, 1.0)
def test_a_constant_load_settles_and_stays_also_where_the_plan_is_wrong(requests: float, wrong: float) -> None:
    planned = Step(LINE.base * wrong, LINE.per_token * wrong, LINE.per_prompt * wrong)
    loop = Loop(lambda at: requests, replace(TARGET, step=planned)).run(7200)
    assert len(set(loop.replicas[2400:])) == 1


def test_a_wrong_plan_heals() -> None:
    needs = []
    for wrong in (0.85, 1.0, 1.15):
        planned = Step(LINE.base * wrong, LINE.per_token * wrong, LINE.per_prompt * wrong)
        loop = Loop(lambda at: 12.0, replace(TARGET, step=planned)).run(1800)
        need = loop.rounds[-1].decision.need
        assert need is not None
        needs.append(need.replicas)
    assert max(needs) < 1.06 * min(needs)


def test_a_step_is_answered_at_once_and_once() -> None:
    loop = Loop(lambda at: 4.0 if at < 1200 else 12.0).run(2400)
    before, after = loop.replicas[599], loop.replicas[-1]
    assert after > before
    assert loop.replicas[620] == after, "within forty seconds"
    assert max(loop.replicas) <= after + 1, "one more, as long as the surprise is remembered"


def test_longer_prompts_at_the_same_requests_are_answered_within_a_minute_and_a_half() -> None:
    loop = Loop(lambda at: 8.0).run(1200)
    before = loop.rounds[-1].decision.need
    loop.pods.shape = replace(SHAPE, prompt=2400.0, context=2480.0)
    loop.run(90)
    soon = loop.rounds[-1].decision.need
    loop.run(2400)
    settled = loop.rounds[-1].decision.need
    assert before
    assert soon
    assert settled
    assert settled.replicas > 1.8 * before.replicas, "three times as long"
    assert soon.replicas > 0.9 * settled.replicas, "forgotten lengths alone would take ten minutes"


def test_replicas_go_when_the_load_has_gone_for_the_delay_and_not_before() -> None:
    loop = Loop(lambda at: 12.0 if at < 1200 else 3.0).run(3000)
    high = loop.replicas[599]
    assert all(n == high for n in loop.replicas[600:750])
    assert loop.replicas[-1] < high


def test_a_need_that_fell_at_once_and_stays_is_forgotten_after_the_delay() -> None:
    history: tuple[tuple[float, float], ...] = ()
    for second in range(0, 700, 2):
        decision = decide(state(10.0 if second < 100 else 3.0, now=float(second), history=history))
        history = decision.history
        if second == 390:
            assert decision.reason == Reason.SCALE_IN_DELAY
    assert decision.replicas == decision.wanted < 4
    assert len(history) <= 3, "needs that are no peak are not kept"


def test_ten_minutes_without_metrics_change_nothing_and_teach_nothing() -> None:
    loop = Loop(lambda at: 8.0).run(1200).run(16, blind=True)  # what is fifteen seconds old is believed
    before, memory = loop.replicas[-1], loop.memory
    loop.run(600, blind=True)
    assert set(loop.replicas[-290:]) == {before}
    assert not loop.rounds[-1].decision.fresh
    assert (loop.memory.fit, loop.memory.traffic, loop.memory.late) == (memory.fit, memory.traffic, memory.late)
    loop.run(600)
    assert loop.replicas[-1] == before


def test_nobody_is_held_where_there_is_no_gateway_and_the_last_replica_stays() -> None:
    found = decide(state(0.0, replicas=1, minimum=0, idle=1e6, patience=10.0, held=None))
    assert found.replicas == 1


def test_the_last_replica_goes_when_idling_has_cost_as_much_as_a_start() -> None:
    early, due = (decide(state(0.0, replicas=1, minimum=0, idle=i, patience=360.0, held=0.0)) for i in (359.0, 360.0))
    assert (early.replicas, due.replicas) == (1, 0)
    assert "none runs" in due.message


def test_the_first_held_request_brings_the_first_replica() -> None:
    asleep = state(0.0, replicas=0, ready_pods=0, minimum=0, idle=1e4, patience=360.0, held=0.0)
    assert decide(asleep).replicas == 0
    woken = decide(replace(asleep, held=1.0))
    assert (woken.replicas, woken.reason) == (1, Reason.DEMAND)


def test_capacity_names_the_limit_that_binds() -> None:
    assert capacity(LINE, SHAPE, LIMITS).bound == "inter-token latency"
    assert capacity(LINE, SHAPE, replace(LIMITS, slots=4.0)).bound == "slots"
    assert capacity(LINE, SHAPE, replace(LIMITS, kv_tokens=5000.0)).bound == "KV cache"
    assert capacity(LINE, SHAPE, replace(LIMITS, chunk=64.0)).bound == "prefill budget of a step"


def test_at_capacity_a_step_lasts_as_long_as_the_target_allows() -> None:
    found = capacity(LINE, SHAPE, LIMITS)
    busy = found.requests * work(LINE, SHAPE)
    assert LINE.base / (1 - busy) == pytest.approx(LIMITS.itl)


@pytest.mark.parametrize("itl", [0.005, 0.0179, 0.018, 0.0181, 0.0184])
def test_a_target_below_a_lone_requests_own_step_asks_for_one_at_a_time_and_no_more(itl: float) -> None:
    """LINE has 18 ms alone, and 0.35 ms and prefills more with one request in it."""
    promise = Promise(itl, 2.0, 0.01)
    slow = state(
        10.0, latency=Latency(2.0, itl, 2.0, 0.01), busiest=highest_load(Late(), LINE, promise, work(LINE, SHAPE))
    )
    alone = capacity(LINE, SHAPE, replace(LIMITS, slots=1.0))
    found = needed(replace(slow, limits=replace(LIMITS, itl=itl)))
    assert found.load == pytest.approx(10.0 / alone.requests)
    assert found.replicas <= 2 * found.load


def test_small_fleets_get_more_headroom_than_large_ones() -> None:
    small, large = (needed(state(n)) for n in (5.0, 500.0))
    assert small.replicas / small.load > 1.2 * large.replicas / large.load


def test_a_round_can_be_written_down() -> None:
    loop = Loop(lambda at: 8.0).run(60)
    found = loop.rounds[-1].record
    assert found is not None
    assert dumps(asdict(found))


BATCH = replace(TARGET, ttft=None, itl=None, step=None, deadline=3600.0, planned_capacity=1600.0)
"""Ten requests a second of a replica, due within the hour."""


def test_work_with_a_deadline_gets_as_few_replicas_as_finish_it() -> None:
    loop = Loop(lambda at: 40.0 if at <= 600 else 0.0, BATCH).run(600)
    assert max(loop.replicas) <= 3, "24,000 requests at ten a second and replica take 40 minutes of one"


def test_what_is_due_first_decides() -> None:
    hour = update(Queue(), 0.0, 3600.0, came=3600.0, done=0.0)
    assert due(hour, 0.0, 3600.0, each=1.0, boot=0.0) == pytest.approx(1.05)
    assert due(hour, 1800.0, 3600.0, each=1.0, boot=0.0) == pytest.approx(2.1)
    more = update(hour, 1800.0, 3600.0, came=1000.0, done=1800.0)
    assert due(more, 1800.0, 3600.0, each=1.0, boot=0.0) == pytest.approx(1.05)


def test_what_was_refused_is_due_to_nobody() -> None:
    assert reconciled(update(Queue(), 0.0, 3600.0, came=100.0, done=0.0), 40.0).parts == ((0.0, 40.0),)


@given(st.floats(0, 1e5), st.floats(1, 3), st.floats(0, 3000), st.floats(0.01, 10))
def test_more_that_is_due_never_needs_fewer(came: float, more: float, at: float, each: float) -> None:
    one, two = (due(update(Queue(), 0.0, 3600.0, n, 0.0), at, 3600.0, each, 60.0) for n in (came, came * more))
    assert two >= one


def _with_later(rate: float, later: float, target: Target) -> list[Round]:
    """Rounds over one pod that gets so many requests a second, some of which may wait, and answers the others."""
    memory, window, found = Memory(), (), []
    for at in range(0, 62, 2):
        window = (*window, _sample(float(at), rate, later))
        signals = Signals(float(at), {"pod": window}, frozenset({"pod"}), target.boot, 15.0)
        found.append(scale(target, signals, None, memory))
        memory = found[-1].memory
    return found


def _sample(at: float, rate: float, later: float) -> PodSample:
    done = (rate - later) * at
    return PodSample(
        at,
        arrivals=rate * at,
        generated=160 * done,
        finished=done,
        finished_tokens=160 * done,
        running=5.0,
        waiting=later * at,
        slots=256,
        capacity=1600.0,
        prompted=800 * done,
        arrived=800 * rate * at,
        kv_tokens=400_000.0,
        later_arrivals=later * at,
        later_arrived=800 * later * at,
        later_waiting=later * at,
    )


def test_no_replica_is_held_ready_for_what_may_wait_and_it_is_done_in_time() -> None:
    target = replace(TARGET, deadline=120.0)
    plain, some, mostly = (_with_later(n, n - 2.0, target)[-1] for n in (2.0, 4.0, 30.0))
    assert plain.decision.need is not None
    assert some.demand.arrivals == pytest.approx(plain.demand.arrivals, rel=0.02)
    assert some.decision.wanted == plain.decision.wanted == 1
    assert mostly.decision.need is not None
    assert mostly.decision.need.bound == "deadline"
    assert mostly.decision.wanted >= 2


@pytest.mark.parametrize("deadline", [None, 3600.0])
def test_where_all_are_alike_what_may_wait_counts_as_the_others_do(deadline: float | None) -> None:
    target = replace(BATCH, deadline=deadline)
    one, other = (_with_later(20.0, later, target)[-1] for later in (0.0, 15.0))
    assert other.demand.arrivals == pytest.approx(one.demand.arrivals)
    queued = [sum(count for _, count in found.memory.queue.parts) for found in (one, other)]
    assert queued == pytest.approx([0, 15 * 60] if deadline else [0, 0])
