"""A fleet's plan from round to round: what is kept, what is mended, and when the whole program runs."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from placing import EXACT

from inferfleet.placing.again import ROUNDS, Last, again, solved
from inferfleet.placing.check import violations
from inferfleet.placing.index import index
from inferfleet.placing.place import greedy_plan, place
from inferfleet.placing.types import Demand, Option, Placement, Plan, Pool, Problem, Provider, Settings, Status

LARGE = Settings(time_limit=60.0, exact_arcs=0, gap=0.001)
LOADS = st.sampled_from([0.0, 20.0, 55.0, 130.0, 700.0])


def fleet(models: int = 100, room: float = 0.6, *, whole: bool = True) -> Problem:
    """Models that all would like the same cheap pool, which has room for a part of them."""
    demands = tuple(Demand(f"m{k:03}", 40.0 + 37 * (k % 7), whole=whole) for k in range(models))
    return Problem(
        demands,
        tuple(o for k, d in enumerate(demands) for o in options(d, k)),
        (Pool("cheap", float(round(models * 2 * room))), Pool("dear")),
    )


def options(d: Demand, k: int) -> list[Option]:
    speed = 1 + 0.1 * (k % 3)
    return [
        Option(f"{d.key}@cheap", "cheap", {d.key: 60.0 * speed}, 1.0, starting=0.01),
        Option(f"{d.key}@dear", "dear", {d.key: 110.0 * speed}, 2.6, opening=0.3),
    ]


def loaded(problem: Problem, **loads: float) -> Problem:
    demands = tuple(replace(d, load=loads.get(d.key, d.load)) for d in problem.demands)
    return replace(problem, demands=demands)


def planned(problem: Problem) -> Last:
    found = solved(problem, place(problem, LARGE))
    assert found
    return found


def of_others(plan: Plan, *keys: str) -> list[Placement]:
    return [p for p in plan.placements if not p.shares.keys() & set(keys)]


def test_the_same_problem_has_the_same_plan_however_often_it_is_asked() -> None:
    last = replace(planned(fleet(10)), rounds=ROUNDS)
    assert again(last, fleet(10), LARGE) is last


def test_loads_that_hardly_moved_are_planned_for_until_the_small_steps_add_up() -> None:
    last = planned(fleet())
    load = last.problem.demands[3].load
    near = again(last, loaded(last.problem, m003=1.04 * load), LARGE)
    assert near
    assert near.plan is last.plan
    far = again(near, loaded(last.problem, m003=1.08 * load), LARGE)
    assert far is None or far.plan is not last.plan


def test_after_some_rounds_the_whole_program_runs_if_anything_changed() -> None:
    last: Last | None = planned(fleet())
    assert last
    moved = loaded(last.problem, m003=1.01 * last.problem.demands[3].load)
    for _ in range(ROUNDS):
        assert last
        last = again(last, moved, LARGE)
    assert last
    assert again(last, moved, LARGE) is None


def test_what_changed_is_placed_anew_beside_the_rest() -> None:
    last = planned(fleet())
    now = loaded(last.problem, m004=500.0)
    found = again(last, now, LARGE)
    assert found
    assert found.plan.status == Status.INCREMENTAL
    assert of_others(found.plan, "m004") == of_others(last.plan, "m004")
    assert violations(now, found.plan, LARGE) == ()


def test_who_comes_is_placed_and_who_is_gone_gives_room_back() -> None:
    last = planned(fleet())
    new = Demand("new", 70.0, whole=True)
    now = replace(
        last.problem,
        demands=(*last.problem.demands[1:], new),
        options=(*last.problem.options[2:], *options(new, 0)),
    )
    assert again(last, now, LARGE) is None  # one of so few is more than the gap that is asked for
    found = again(last, now, replace(LARGE, gap=0.01))
    assert found
    assert violations(now, found.plan, LARGE) == ()
    assert {key for p in found.plan.placements for key in p.shares} == {d.key for d in now.demands}


@pytest.mark.parametrize("pools", [(Pool("cheap", 3.0), Pool("dear")), (Pool("cheap"), Pool("dear"))])
def test_with_other_pools_the_whole_program_runs(pools: tuple[Pool, ...]) -> None:
    last = planned(fleet(20))
    assert again(last, replace(last.problem, pools=pools), LARGE) is None


def test_providers_many_changes_and_small_fleets_take_the_whole_program() -> None:
    last = planned(fleet())
    one = loaded(last.problem, m004=500.0)
    assert again(last, one, LARGE)
    assert again(last, one, EXACT) is None
    assert again(last, one, replace(LARGE, max_moves=3)) is None
    assert again(last, one, replace(LARGE, gap=0.0)) is None
    many = loaded(last.problem, **{f"m{k:03}": 900.0 for k in range(5)})
    assert again(last, many, LARGE) is None
    outside = (Provider("ext", {"m001": 1.0}),)
    assert again(planned(replace(last.problem, providers=outside)), replace(one, providers=outside), LARGE) is None


def test_a_plan_that_leaves_something_waiting_is_not_mended() -> None:
    full = replace(fleet(), pools=(Pool("cheap", 30.0), Pool("dear", 30.0)))
    last = planned(full)
    assert last.plan.shortfalls
    assert again(last, loaded(full, m004=500.0), LARGE) is None
    room = planned(replace(full, pools=(Pool("cheap", 200.0), Pool("dear", 60.0))))
    assert not room.plan.shortfalls
    assert again(room, loaded(room.problem, m004=1e6), LARGE) is None


def test_a_plan_of_no_solver_is_none_to_begin_with() -> None:
    assert solved(fleet(10), greedy_plan(fleet(10))) is None


def test_who_shares_an_option_with_what_changed_is_placed_anew_with_it() -> None:
    problem = fleet()
    both = Option("m001+m002@cheap", "cheap", {"m001": 500.0, "m002": 500.0}, 0.5)
    last = planned(replace(problem, options=(*problem.options, both)))
    assert any(p.key == both.key for p in last.plan.placements)
    now = loaded(last.problem, m001=900.0)
    found = again(last, now, LARGE)
    assert found
    assert violations(now, found.plan, LARGE) == ()


@settings(deadline=None, max_examples=25)
@given(st.booleans(), st.dictionaries(st.sampled_from(["m001", "m007", "m050"]), LOADS, min_size=1, max_size=2))
def test_a_mended_plan_holds_and_costs_what_it_says(whole: bool, loads: dict[str, float]) -> None:
    last = planned(fleet(whole=whole))
    now = loaded(last.problem, **loads)
    found = again(last, now, LARGE)
    if found is None:
        return
    assert violations(now, found.plan, LARGE) == ()
    ix = index(now)
    known = {o.key: o for o in ix.options}
    costs = [
        p.replicas * (known[p.key].cost + known[p.key].starting) + known[p.key].opening for p in found.plan.placements
    ]
    assert found.plan.objective == pytest.approx(sum(costs), abs=1e-4)
    assert found.plan.gap <= last.plan.gap + LARGE.gap
