"""What the more important demands were served, the less important do not get."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from placing import EXACT

from inferfleet.placing.greedy import greedy
from inferfleet.placing.index import index
from inferfleet.placing.place import exact_plan
from inferfleet.placing.types import Demand, Option, Plan, Pool, Problem


def planned(problem: Problem) -> Plan:
    ix = index(problem)
    return exact_plan(ix, EXACT, greedy(ix, EXACT))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 40),
    st.sampled_from([20.0, 60.0, 110.0]),
    st.sampled_from([1.25, 2.0, 7.0]),
    st.sampled_from([1e-6, 1e-5, 1e-4, 1e-2]),
)
def test_not_even_a_millionth_of_what_is_important_goes_to_what_is_not(
    replicas: int, speed: float, over: float, small: float
) -> None:
    """However small the other is, and however much of it that millionth would be."""
    large, less = Demand("large", over * replicas * speed, priority=1), Demand("less", small * replicas * speed)
    both = Option("both", "p", {"large": speed, "less": speed}, 1.0)
    plan = planned(Problem((large, less), (both,), (Pool("p", float(replicas)),)))
    waits = {s.demand: s.share for s in plan.shortfalls}
    assert waits["large"] == pytest.approx(1 - 1 / over, abs=1e-8)
    assert waits["less"] * less.load == pytest.approx(less.load, abs=1e-8 * large.load)
