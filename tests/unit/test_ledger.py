"""The ledger: what was learned of a content, how sure it is, how it is written down and read again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from from_schema import problems
from hypothesis import given, settings
from hypothesis import strategies as st

from inferfleet.api.capacity_profile import CAPACITY_PROFILE
from inferfleet.api.crdgen import crd
from inferfleet.fleet.profile_status import profile_status, read
from inferfleet.fleet.profiles import ledger
from inferfleet.planning.measured import Learned, Measured
from inferfleet.scaling.learn import Fit, learn, solve
from inferfleet.scaling.recall import LEAST, recalled, written
from inferfleet.scaling.signal import PodSample, Window
from inferfleet.scaling.step import Shape, Step

PLANNED = Step(base=0.02, per_token=0.0005, per_prompt=0.0001)
TRUE = Step(base=0.03, per_token=0.0009, per_prompt=0.00012)
SHAPE = Shape(100.0, 50.0, 125.0)
NOW = datetime(2026, 1, 31, tzinfo=UTC)
MONTH = 30 * 86400.0
PROFILE: dict[str, Any] = {
    "apiVersion": "inferfleet.io/v1alpha1",
    "kind": "CapacityProfile",
    "metadata": {"name": "a"},
    "spec": {
        "architecture": "llama-3.2-1b",
        "quantization": "Q8_0",
        "engine": "llama-cpp",
        "accelerator": "cpu-x86-avx2",
        "accelerators": "500m",
        "slots": 8,
        "inputTokens": 100,
        "outputTokens": 50,
    },
}


def pod(rate: float, line: Step, start: float) -> Window:
    """Serves so many requests a second of the shape, warm, for twenty seconds."""
    busy = rate * (SHAPE.output * line.per_token + SHAPE.prompt * line.per_prompt)
    running = max(1.0, rate * SHAPE.output * line.base / (1 - busy))
    first = PodSample(start, 0, 0, 1e4, 0, running, 0, 8, 0, 0, 0)
    return tuple(
        replace(first, at=start + t, generated=SHAPE.output * rate * t, prompted=SHAPE.prompt * rate * t)
        for t in range(0, 21, 2)
    )


def learned(rates: list[float], fit: Fit | None = None, start: float = 0.0) -> Fit:
    """Of one pod for ten seconds at each rate."""
    fit = fit or Fit()
    for number, rate in enumerate(rates):
        at = start + 10.0 * number
        fit = learn(fit, [pod(rate, TRUE, at)], at + 20, PLANNED)
    return fit


def measured(fit: Fit, tokens_per_second: float = 100.0) -> Measured:
    """As the scaling loop reports it."""
    return Measured(tokens_per_second, "Benchmarked", learned=written(fit, PLANNED, 8.0, SHAPE))


def stored(what: Measured, at: datetime = NOW) -> dict[str, Any]:
    """The profile with its status."""
    status = profile_status(PROFILE, what, {}, at, MONTH)
    assert status
    return PROFILE | {"status": status["status"]}


def known(what: Measured, at: datetime = NOW, now: datetime = NOW) -> Measured:
    """What a restarted operator finds in the ledger."""
    (found,) = ledger([stored(what, at)], now, MONTH).values()
    return found


RATES = st.lists(st.floats(0.5, 8), min_size=12, max_size=60)


@settings(deadline=None, max_examples=40)
@given(RATES)
def test_a_restarted_operator_reckons_with_the_same_line(rates: list[float]) -> None:
    fit = learned(rates)
    before, found = solve(fit, PLANNED), known(measured(fit)).learned
    assert found
    after = solve(recalled(found, 0.0), PLANNED)
    assert vars(after) == pytest.approx(vars(before), rel=1e-2)


@settings(deadline=None, max_examples=40)
@given(RATES, RATES)
def test_a_restarted_operator_goes_on_learning_as_if_nothing_had_happened(
    first: list[float], then: list[float]
) -> None:
    fit = learned(first)
    found, later = known(measured(fit)).learned, 10.0 * len(first)
    assert found
    uninterrupted = solve(learned(then, fit, later), PLANNED)
    restarted = solve(learned(then, recalled(found, fit.since), later), PLANNED)
    assert vars(restarted) == pytest.approx(vars(uninterrupted), rel=0.02)


def test_what_was_learned_before_a_long_pause_gives_way_to_what_is_seen_after_it() -> None:
    found = known(measured(learned([1.0, 3.0, 6.0] * 10))).learned
    assert found
    slow = Step(2 * TRUE.base, TRUE.per_token, TRUE.per_prompt)

    def after(pause: float) -> float:
        fit = recalled(found, -pause)
        for number in range(6):
            window = pod(2.0, slow, 10.0 * number)
            fit = learn(fit, [window], window[-1].at, PLANNED)
        return solve(fit, PLANNED).base

    assert after(0.0) < after(3600.0) < after(20 * 86400.0)


def test_too_few_observations_are_not_written_down() -> None:
    assert written(learned([2.0] * 3), PLANNED, 8.0, SHAPE) is None
    assert measured(learned([2.0] * int(LEAST + 2))).learned


def test_evidence_makes_sure_and_loads_that_differ_make_surer() -> None:
    few, many = measured(learned([1.0, 4.0] * 4)).learned, measured(learned([1.0, 4.0] * 30)).learned
    same = measured(learned([1.0] * 60)).learned
    assert few
    assert many
    assert same
    assert 0.3 > few.error > many.error
    assert same.error > many.error
    assert few.observations < many.observations


@pytest.mark.parametrize(
    ("what", "confidence", "percent"),
    [
        (Measured(100, "Benchmarked"), "Medium", 10),
        (Measured(100, "Observed", 9.0), "High", 3),
        (Measured(100, "Benchmarked", learned=Learned(0.03, 0.0009, 0.0001, 50, 0.034, (1,) * 9)), "High", 3),
    ],
)
def test_a_profile_says_how_sure_it_is_and_when_it_expires(what: Measured, confidence: str, percent: int) -> None:
    status = stored(what)["status"]
    assert (status["confidence"], status["errorPercent"]) == (confidence, percent)
    assert status["expiresAt"] == "2026-03-02T00:00:00Z"
    assert known(what, NOW, NOW + timedelta(days=29)).confidence == confidence
    assert not ledger([stored(what)], NOW + timedelta(days=31), MONTH)


def test_steps_are_written_in_milliseconds() -> None:
    line = Learned(0.00812, 0.000412, 0.0000034, 41.3, 0.052, (1.0, 2.0, 3.0, 4.0, 6.0, 9.0, 1.0, 2.0, 3.00000012))
    assert stored(Measured(100, "Benchmarked", learned=line))["status"]["step"] == {
        "base": "8.12ms",
        "perToken": "0.412ms",
        "perPromptToken": "0.0034ms",
        "observations": 41,
        "errorPercent": 5,
        "evidence": ["1", "2", "3", "4", "6", "9", "1", "2", "3.0000001"],
    }


LINE = Learned(0.03, 0.001, 0.0001, 50.0, 0.04, (9.0, 3.0, 3.0, 4.0, 2.0, 4.0, 3.0, 2.0, 2.0))
OLD = Measured(100.0, "Benchmarked", learned=LINE)


@pytest.mark.parametrize(
    ("new", "age", "written"),
    [
        (OLD, 0, False),
        (replace(OLD, tokens_per_second=112.0, source="Observed", observations=3.0), 0, False),
        (replace(OLD, tokens_per_second=120.0), 0, True),
        (replace(OLD, learned=replace(LINE, base=0.033)), 0, False),
        (replace(OLD, learned=replace(LINE, base=0.04)), 0, True),
        (replace(OLD, learned=replace(LINE, per_token=0.003)), 0, True),
        (replace(OLD, learned=replace(LINE, error=0.052)), 0, True),
        (replace(OLD, learned=replace(LINE, error=0.045)), 0, False),
        (replace(OLD, learned=replace(LINE, means=(8.0, 3.0, 3.0, 4.0, 2.0, 4.0, 3.0, 2.0, 2.0))), 3600, False),
        (replace(OLD, learned=replace(LINE, means=(8.0, 3.0, 3.0, 4.0, 2.0, 4.0, 3.0, 2.0, 2.0))), 2 * 86400, True),
        (OLD, 2 * 86400, False),
        (replace(OLD, learned=None), 0, False),
    ],
)
def test_a_write_is_for_what_moved_beyond_noise_changed_its_class_or_is_a_day_old(
    new: Measured, age: float, written: bool
) -> None:
    found = profile_status(PROFILE, new, {"a": replace(OLD, age=age)}, NOW, MONTH)
    assert (found is not None) is written


def test_an_error_at_the_border_of_two_classes_is_not_written_again_and_again() -> None:
    status = stored(replace(OLD, learned=replace(LINE, error=0.049)))
    for error in (0.051, 0.049, 0.052):
        (there,) = ledger([status], NOW, MONTH).values()
        now = replace(OLD, learned=replace(LINE, error=error))
        assert profile_status(PROFILE, now, {"a": there}, NOW, MONTH) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"base": "fast"},
        {"base": "0ms"},
        {"perToken": "-1ms"},
        {"perPromptToken": "nanms"},
        {"evidence": ["1", "2"]},
        {"evidence": ["1", "9", *["1"] * 7]},
        {"evidence": ["inf"] * 9},
        {"observations": 0},
    ],
)
def test_steps_that_nobody_can_have_measured_are_not_believed_and_the_speed_beside_them_is(wrong: Any) -> None:
    profile = stored(OLD)
    profile["status"]["step"] |= wrong
    found = read(profile["status"])
    assert found
    assert found[0] == Measured(100.0, "Benchmarked")


def test_a_status_of_an_earlier_release_is_one_benchmark() -> None:
    found = read({"tokensPerSecond": 5, "source": "Benchmarked", "measuredAt": NOW.isoformat()})
    assert found
    assert found[0] == Measured(5.0, "Benchmarked", 1.0, None)
    assert found[0].confidence == "Medium"


def test_what_is_written_is_what_the_definition_allows() -> None:
    schema = crd(CAPACITY_PROFILE)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    for what in (Measured(100, "Benchmarked"), OLD, measured(learned([1.0, 3.0] * 10))):
        assert list(problems(schema, stored(what)["status"])) == []


def test_a_line_that_does_not_fit_what_was_seen_is_of_low_confidence_however_much_was_seen() -> None:
    strange, fit = Step(0.002, 0.02, 0.0001), Fit()
    for number in range(120):
        at = 10.0 * number
        fit = learn(fit, [pod((0.2, 0.5, 0.9)[number % 3], strange, at)], at + 20, PLANNED)
    found = written(fit, PLANNED, 8.0, SHAPE)
    assert found
    assert found.observations > 50
    assert found.error > 0.15
    assert Measured(100.0, "Benchmarked", learned=found).confidence == "Medium", "the benchmark is the better known"
    again = known(Measured(100.0, "Benchmarked", learned=found)).learned
    assert again
    after = written(recalled(again, 0.0), PLANNED, 8.0, SHAPE)
    assert after
    assert after.error == pytest.approx(found.error, rel=0.05)
