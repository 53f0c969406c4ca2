"""Replicas of what makes one answer at a time: seconds of work that come and wait, and not tokens."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulating import TARGET, steady

from inferfleet.planning.unit import Unit
from inferfleet.scaling.demand import Demand, Lengths, Traffic, measure, observe
from inferfleet.scaling.law import Latency, ScaleInput, decide, needed
from inferfleet.scaling.queueing import for_backlog, for_wait
from inferfleet.scaling.signal import PodSample, Window, parse, squares
from inferfleet.scaling.trim import MOST, Trim, trimmed
from inferfleet.scaling.workload import Memory, Signals, Target, scale
from inferfleet.sim.operator_law import Ours, Served
from inferfleet.sim.result import Result
from inferfleet.sim.run import simulate
from inferfleet.sim.types import Engine, Pool, Settings, Slo, Trace
from inferfleet_runtime.contract import Metric

PAINTER = Engine(base=0.5, per_sequence=0.0, prefill_rate=1e6, kv_tokens=1e6, slots=1, cached=False, capacity=2.0)
"""Half a second for each denoising step, which are the tokens of this simulation: 20 of them are a picture."""
PICTURES = replace(
    TARGET,
    class_="",
    placement="p",
    profile="f",
    maximum=60,
    room=60,
    planned_capacity=2.0,
    delay=300.0,
    request_tokens=20.0,
    prompt_tokens=77.0,
    whole=30.0,
    one_by_one=True,
    boot=60.0,
)
WHOLE = Slo(ttft=inf, itl=inf, wait=inf, end_to_end=30.0)

requests = st.floats(0, 50)
seconds = st.floats(0.1, 600)
more = st.floats(1, 3)


def state(rate: float, each: float = 10.0, queued: float = 0.0, **changes: object) -> ScaleInput:
    demand = Demand(
        tokens_per_second=rate,
        served=rate,
        arrivals=rate,
        request_tokens=1.0,
        waiting=queued / each,
        forecast=rate,
        arriving=rate,
        error=0.05,
        seconds=each,
        queued=queued,
        horizon=70.0,
    )
    found = steady(
        demand,
        maximum=10_000,
        room=10_000,
        capacity=0.1,
        boot=60.0,
        latency=Latency(whole=30.0),
        one_by_one=True,
    )
    return replace(found, **changes)  # type: ignore[arg-type]


@given(requests, seconds, st.floats(0, 1e4), more, more, more)
def test_more_requests_longer_ones_and_a_longer_queue_never_ask_for_fewer_replicas(
    rate: float, each: float, queued: float, often: float, long: float, longer: float
) -> None:
    one = needed(state(rate, each, queued)).replicas
    assert needed(state(rate * often, each, queued)).replicas >= one - 1e-9
    assert needed(state(rate, each, queued * longer)).replicas >= one - 1e-9
    # of a target that leaves the same time in the queue
    target = Latency(whole=2000.0 + each), Latency(whole=2000.0 + each * long)
    short, slow = (
        needed(state(rate, s, queued, latency=t)).replicas for s, t in zip((each, each * long), target, strict=True)
    )
    assert slow >= short - 1e-3 * short


@given(requests, seconds, st.floats(0, 1e4), st.floats(1, 1000), more)
def test_more_patience_and_a_higher_utilization_never_ask_for_more_replicas(
    rate: float, each: float, queued: float, whole: float, longer: float
) -> None:
    one = needed(state(rate, each, queued, latency=Latency(whole=whole))).replicas
    assert needed(state(rate, each, queued, latency=Latency(whole=whole * longer))).replicas <= one * (1 + 1e-3)
    assert needed(state(rate, each, queued, latency=Latency(whole=whole), utilization=1.0)).replicas <= one + 1e-9


@given(requests, seconds, st.floats(0, 1e4))
def test_replicas_keep_up_with_what_comes_within_the_utilization(rate: float, each: float, queued: float) -> None:
    found = needed(state(rate, each, queued))
    assert found.load == pytest.approx(rate * each)
    assert found.replicas >= rate * each / 0.8 - 1e-9
    assert needed(state(rate, each, queued, latency=Latency())).replicas >= rate * each + queued / 70 - 1e-6


def test_a_queue_that_is_begun_in_time_asks_for_nothing_more() -> None:
    assert for_backlog(load=2.0, queued=60.0, horizon=70.0, wait=30.0) == pytest.approx(2.0)
    assert for_backlog(load=2.0, queued=560.0, horizon=70.0, wait=30.0) == pytest.approx(7.0)
    assert for_backlog(load=2.0, queued=560.0, horizon=70.0, wait=inf) == pytest.approx(10.0)


def test_steady_arrivals_and_services_need_fewer_than_those_by_chance() -> None:
    chance, steady = (for_wait(5.0, 10.0, 5.0, 0.05, variation) for variation in (1.0, 0.25))
    assert 5.0 < steady < chance


def test_the_share_that_waits_too_long_is_that_of_erlangs_formula() -> None:
    # M/M/1 with rho 0.5: P(wait > t) is 0.5 exp(-0.5 t / service), which is 0.05 at 4.605 services
    assert for_wait(load=0.5, service=1.0, wait=4.605, late=0.05) == pytest.approx(1.0, abs=1e-3)


def test_the_sentence_says_seconds() -> None:
    message = decide(state(0.5, 10.0, 60.0)).message
    assert "5 s of work a second demanded (0.5 requests/s of 10 s), 60 s waiting in 6 requests" in message


# what is measured


def sample(at: float, **changes: float) -> PodSample:
    zero = PodSample(at, 0, 0, 0, 0, 0, 0, slots=1, capacity=0.1, prompted=0, arrived=0)
    return replace(zero, **changes)  # type: ignore[arg-type]


def seen(window: Window, typical: float = 10.0) -> Demand:
    mean = Lengths(requests=1, finished=1, finished_tokens=1, inference=typical)
    return measure(observe(Traffic(), [window], 60.0), [window], 60.0, mean, Unit.GENERATED)


def test_seconds_are_those_that_pods_expect_of_what_comes_though_nothing_has_finished() -> None:
    window = tuple(sample(float(t), arrivals=t / 10, work=40.0 * t / 10, queued_work=70.0) for t in range(0, 61, 2))
    found = seen(window)
    assert (found.seconds, found.queued) == (pytest.approx(40.0), 70.0)


def test_where_pods_expect_nothing_seconds_are_those_of_what_finished_and_else_as_planned() -> None:
    window = tuple(
        sample(float(t), arrivals=t / 10, finished=t / 20, inference_seconds=25.0 * t / 20, waiting=3)
        for t in range(0, 61, 2)
    )
    found = seen(window)
    assert (found.seconds, found.queued) == (pytest.approx(25.0), pytest.approx(75.0))
    assert seen(window[:1]).seconds == 10.0


def test_a_picture_of_half_the_usual_work_is_half_a_token() -> None:
    window = tuple(
        sample(float(t), arrivals=t / 10, finished=t / 10, finished_tokens=0.5 * t / 10) for t in range(0, 61, 2)
    )
    found = seen(window)
    assert found.tokens_per_second == pytest.approx(0.5 * found.forecast)


def test_how_much_seconds_vary_is_told_by_their_histogram() -> None:
    bounds = (1.0, 10.0, 11.0, inf)
    alike = tuple(zip(bounds, (0.0, 0.0, 100.0, 100.0), strict=True))
    mixed = tuple(zip(bounds, (50.0, 50.0, 100.0, 100.0), strict=True))
    assert squares((), alike) / 100 == pytest.approx(10.5**2, rel=0.01)
    windows = [
        (sample(0.0), sample(10.0, finished=100, inference=buckets, inference_seconds=total))
        for buckets, total in ((alike, 1050.0), (mixed, 550.0))
    ]
    steady, varied = (seen(window).variation for window in windows)
    assert steady < 0.1
    assert varied > 0.7


def test_the_page_of_a_pod_tells_seconds() -> None:
    page = "".join(
        f"{name} 1\n"
        for name in (
            Metric.ARRIVAL_REQUESTS,
            Metric.GENERATION_TOKENS,
            Metric.REQUESTS_RUNNING,
            Metric.REQUESTS_WAITING,
            Metric.SLOTS,
            Metric.CAPACITY,
            Metric.PROMPT_TOKENS,
            Metric.ARRIVAL_PROMPT_TOKENS,
            f"{Metric.REQUEST_GENERATION_TOKENS}_sum",
            f"{Metric.REQUEST_GENERATION_TOKENS}_count",
        )
    )
    page += f'{Metric.INFERENCE_TIME}_bucket{{le="20.0"}} 3\n{Metric.INFERENCE_TIME}_sum 45\n'
    page += f"{Metric.INFERENCE_TIME}_count 3\n{Metric.ARRIVAL_WORK_SECONDS} 80.5\n{Metric.QUEUED_WORK_SECONDS} 30\n"
    found = parse(page.encode(), 9.0)
    assert (found.inference, found.inference_seconds) == (((20.0, 3.0), (inf, 3.0)), 45.0)
    assert (found.work, found.queued_work) == (80.5, 30.0)


def test_waits_beyond_the_target_ask_for_more_and_no_more_than_a_bound() -> None:
    def at(now: float, late: float) -> PodSample:
        return sample(now, waiting=2, queued=((20.0, 0.0), (inf, late)))

    known = Trim()
    for span in range(10):
        window = (at(20.0 * span, 5.0 * span), at(20.0 * span + 10, 5.0 * span + 5))
        known = trimmed(known, [window], 20.0 * span + 10, (20.0, 0.05), "queued")
    assert 1 < known.factor <= MOST


def test_a_pod_that_serves_several_at_once_is_scaled_by_its_tokens() -> None:
    windows = {"a": (sample(0.0, slots=8.0), sample(10.0, slots=8.0, arrivals=5.0))}
    found = scale(PICTURES, Signals(10.0, windows, frozenset("a"), 60.0, 15.0), None, Memory())
    assert "tokens/s demanded" in found.decision.message


def test_declared_demand_counts_until_somebody_has_come() -> None:
    windows = {"a": (sample(0.0), sample(10.0))}
    planned = replace(PICTURES, planned_demand=20.0 * 0.5)
    found = scale(planned, Signals(10.0, windows, frozenset("a"), 60.0, 15.0), None, Memory())
    assert found.decision.need is not None
    assert found.decision.need.load == pytest.approx(0.5 * 20 / 0.1), "20 tokens at a tenth of one a second"


# the whole loop


def arrivals(seed: int, rate: float, until: float, steps: tuple[int, ...] = (20,)) -> Trace:
    """Pictures by chance, each of one of these numbers of steps."""
    random = np.random.default_rng(seed)
    at = np.cumsum(random.exponential(1 / rate, int(2 * rate * until)))
    at = at[at < until]
    return Trace(at, np.full(len(at), 77), random.choice(np.array(steps), len(at)))


def served(trace: Trace, target: Target = PICTURES, start: int = 1) -> Result:
    ours = Ours((Served(target, ("gpu",)),))
    return simulate(trace, [Pool("gpu", PAINTER, target.boot)], ours, Settings(start={"gpu": start}))


@pytest.mark.parametrize(("steps", "whole"), [((20,), 30.0), ((5, 20, 50), 60.0)])
def test_pictures_wait_no_longer_than_promised(steps: tuple[int, ...], whole: float) -> None:
    trace = arrivals(3, rate=0.4, until=5400.0, steps=steps)
    found = served(trace, replace(PICTURES, whole=whole), start=5)
    assert found.attainment(replace(WHOLE, end_to_end=whole)) >= 0.95
    busy = float(trace.output.sum()) * PAINTER.base / 3600
    assert found.replica_hours < 2.2 * busy


def test_a_load_that_trebles_is_followed() -> None:
    one, three = arrivals(5, 0.2, 1800.0), arrivals(6, 0.6, 1800.0)
    trace = Trace(*(np.concatenate(p) for p in ((one.at, three.at + 1800.0), (one.input, three.input))), one.output)
    trace = replace(trace, output=np.concatenate((one.output, three.output)))
    found = served(trace, start=3)
    assert found.attainment(WHOLE) >= 0.9
    late = trace.at > 2400.0
    assert np.mean(found.finish[late] - trace.at[late] <= 30.0) >= 0.95


@pytest.mark.parametrize("gap", [1.7, 5.3, 41.0])
def test_a_constant_load_settles_and_stays(gap: float) -> None:
    at = np.arange(gap, 7200.0, gap)
    trace = Trace(at, np.full(len(at), 77), np.full(len(at), 20))
    found = served(trace)
    assert not [c.at for c in found.choices if c.at > 2400.0]


def test_pictures_with_a_deadline_get_as_few_replicas_as_finish_them() -> None:
    trace = arrivals(7, rate=1.0, until=600.0)
    found = served(trace, replace(PICTURES, whole=None, deadline=3600.0))
    work = float(trace.output.sum()) * PAINTER.base
    assert max(c.ready for c in found.timeline) <= work / 3600 + 2
