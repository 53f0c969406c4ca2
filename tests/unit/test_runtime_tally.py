import hypothesis.strategies as st
from hypothesis import given
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from inferfleet_runtime.front.tally import Tally

NAME, TEXT, BOUNDS = "vllm:gap_seconds", "Time between two.", (0.01, 0.1, 2.5, 10.0)
EIGHTHS = st.integers(0, 100).map(lambda n: n / 8)
"""Sums of these are exact in any order."""
VALUES = st.one_of(EIGHTHS, st.sampled_from([0.0, 2.5, 10.0]))


def shown(registry):
    """The text of its page, but for the time of creation."""
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]


@given(st.lists(VALUES))
def test_a_tally_shows_what_a_histogram_shows(values):
    registry, theirs = CollectorRegistry(), CollectorRegistry()
    tally = Tally(NAME, TEXT, BOUNDS, "team/m")
    registry.register(tally)
    histogram = Histogram(NAME, TEXT, ["model_name"], registry=theirs, buckets=BOUNDS).labels("team/m")
    for value in values:
        tally.observe(value)
        histogram.observe(value)
    assert shown(registry) == shown(theirs)


def test_a_value_that_comes_several_times_is_counted_as_often():
    once, often = CollectorRegistry(), CollectorRegistry()
    by_one, at_once = (Tally(NAME, TEXT, BOUNDS, "team/m") for _ in range(2))
    once.register(by_one)
    often.register(at_once)
    for _ in range(3):
        by_one.observe(0.125)
    at_once.observe(0.125, 3)
    assert shown(once) == shown(often)
    assert often.get_sample_value(f"{NAME}_sum", {"model_name": "team/m"}) == 0.375
