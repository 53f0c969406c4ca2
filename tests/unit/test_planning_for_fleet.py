"""What a workload makes of the placement that was chosen for the fleet as a whole."""

import pytest
from questions import Q4, Q8, make_pool, question

from inferfleet.names import Reason
from inferfleet.planning.choose import choose
from inferfleet.planning.types import Answer

CHEAP, DEAR = make_pool("cheap", price="0.01"), make_pool("dear", price="0.05")


def given(pool: str, variant: str, *incumbents: str) -> Answer:
    """Of a fleet that would have it there. `incumbents` run on the dear pool."""
    running = frozenset(("dear", name, "llama-cpp") for name in incumbents)
    asked = question([CHEAP, DEAR], (Q8, Q4), assigned=(pool, variant, "llama-cpp"), incumbents=running)
    return choose(asked)


def chosen(answer: Answer) -> tuple[str, str, str]:
    assert answer.chosen
    return answer.chosen.identity


@pytest.mark.parametrize("variant", ["q8", "q4"])
def test_of_what_takes_as_much_of_the_same_pool_the_one_that_serves_more_is_taken(variant: str) -> None:
    answer = given("dear", variant)
    assert chosen(answer) == ("dear", "q4", "llama-cpp")
    assert answer.reason == Reason.CHEAPEST_FOR_FLEET


def test_a_tie_with_what_the_workload_would_choose_alone_is_no_wish_of_the_fleet() -> None:
    answer = given("cheap", "q8")
    assert chosen(answer) == ("cheap", "q4", "llama-cpp")
    assert answer.reason == Reason.CHEAPEST_WITHIN_SLO


def test_what_runs_where_the_fleet_wants_it_does_not_move_for_a_tie() -> None:
    answer = given("dear", "q8", "q8")
    assert chosen(answer) == ("dear", "q8", "llama-cpp")
    assert answer.reason == Reason.INCUMBENT_KEPT
