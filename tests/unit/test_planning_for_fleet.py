"""What a workload makes of the placement that was chosen for the fleet as a whole."""

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


def test_what_was_chosen_for_the_fleet_is_taken_though_another_of_the_pool_serves_more() -> None:
    answer = given("dear", "q8")
    assert chosen(answer) == ("dear", "q8", "llama-cpp")
    assert answer.reason == Reason.CHEAPEST_FOR_FLEET


def test_what_runs_where_the_fleet_wants_it_does_not_move_for_a_tie() -> None:
    answer = given("dear", "q8", "q8")
    assert chosen(answer) == ("dear", "q8", "llama-cpp")
    assert answer.reason == Reason.INCUMBENT_KEPT
