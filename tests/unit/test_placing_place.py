"""The placement program: what must hold for every fleet."""

from dataclasses import replace
from math import inf

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from placing import EXACT, cheapest, problems

from inferfleet.placing.check import violations
from inferfleet.placing.greedy import greedy
from inferfleet.placing.index import index
from inferfleet.placing.place import decomposed_plan, exact_plan, greedy_plan, place
from inferfleet.placing.prune import pruned
from inferfleet.placing.types import Demand, Option, Plan, Pool, Problem, Provider, Settings, Status

calmly = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def waiting(plan: Plan) -> float:
    return sum(shortfall.share for shortfall in plan.shortfalls)


@calmly
@given(problems())
def test_every_plan_keeps_every_limit_and_has_nothing_negative(problem: Problem) -> None:
    ix = index(problem)
    for plan in (place(problem, EXACT), greedy_plan(problem, EXACT), decomposed_plan(ix, EXACT, greedy(ix, EXACT))):
        assert violations(problem, plan, EXACT) == ()
        assert plan.objective >= plan.bound - 1e-6
        assert plan.bound >= 0
        assert all(p.replicas >= 0 and min(p.shares.values()) > 0 for p in plan.placements)


@calmly
@given(problems())
def test_whoever_waits_is_told_what_binds(problem: Problem) -> None:
    for plan in (place(problem, EXACT), greedy_plan(problem, EXACT)):
        for shortfall in plan.shortfalls:
            assert shortfall.limits
            assert shortfall.message.startswith(f"{shortfall.share:.0%} of {shortfall.demand} waits: ")


@calmly
@given(problems(), st.randoms(use_true_random=False))
def test_the_sequence_of_the_inputs_changes_nothing(problem: Problem, random: object) -> None:
    parts = (problem.demands, problem.options, problem.pools, problem.providers)
    shuffled = [list(items) for items in parts]
    for items in shuffled:
        random.shuffle(items)  # type: ignore[attr-defined]
    other = Problem(*(tuple(items) for items in shuffled), problem.quotas)  # type: ignore[arg-type]
    assert place(other, EXACT) == place(problem, EXACT)


@calmly
@given(problems(most=1, free=False))
def test_one_demand_costs_what_trying_everything_finds(problem: Problem) -> None:
    demand = replace(problem.demands[0], deferrable=False)
    options = tuple(option for option in problem.options if demand.key in option.capacity)
    problem = replace(problem, demands=(demand,), options=options, providers=())
    plan, least = place(problem, EXACT), cheapest(problem)
    assert (plan.objective == pytest.approx(least, abs=1e-6)) if least < inf else (waiting(plan) > 0)


@calmly
@given(problems(free=False), st.sampled_from([0.25, 0.5, 0.9]))
def test_cheaper_hardware_never_makes_a_plan_dearer(problem: Problem, factor: float) -> None:
    cheaper = replace(problem.options[0], cost=problem.options[0].cost * factor)
    after = place(replace(problem, options=(cheaper, *problem.options[1:])), EXACT)
    before = place(problem, EXACT)
    assert waiting(after) == pytest.approx(waiting(before), abs=1e-4)
    assert after.objective <= before.objective + 1e-4


@calmly
@given(problems(free=False), st.sampled_from([1.0, 3.0]))
def test_more_accelerators_never_make_a_plan_worse(problem: Problem, more: float) -> None:
    larger = tuple(replace(pool, accelerators=pool.accelerators + more) for pool in problem.pools)
    _never_worse(problem, replace(problem, pools=larger))


@calmly
@given(problems(free=False), st.sampled_from([1.1, 2.0]))
def test_looser_targets_never_make_a_plan_worse(problem: Problem, factor: float) -> None:
    """A looser target is more tokens per second of a replica, or one more option."""
    faster = replace(problem.options[0], capacity={k: c * factor for k, c in problem.options[0].capacity.items()})
    _never_worse(problem, replace(problem, options=(faster, *problem.options[1:])))
    more = replace(faster, key="another")
    _never_worse(problem, replace(problem, options=(*problem.options, more)))


def _never_worse(problem: Problem, looser: Problem) -> None:
    """In the order in which it counts: who waits, by level, and then the cost."""
    before, after = place(problem, EXACT), place(looser, EXACT)
    assert _levels(looser, after) <= [share + 1e-4 for share in _levels(problem, before)]
    if waiting(before) == 0:
        assert after.objective <= before.objective + 1e-4


def _levels(problem: Problem, plan: Plan) -> list[float]:
    short = {shortfall.demand: shortfall.share for shortfall in plan.shortfalls}
    ranks = sorted({(d.deferrable, -d.priority) for d in problem.demands})
    return [
        sum(short.get(d.key, 0.0) for d in problem.demands if (d.deferrable, -d.priority) == rank) for rank in ranks
    ]


@calmly
@given(problems(free=False))
def test_the_bound_of_a_decomposed_plan_is_one(problem: Problem) -> None:
    ix = index(problem)
    decomposed, exact = decomposed_plan(ix, EXACT, greedy(ix, EXACT)), exact_plan(ix, EXACT, greedy(ix, EXACT))
    if waiting(decomposed) <= waiting(exact) + 1e-6:
        assert decomposed.bound <= exact.objective + 1e-4
        assert decomposed.objective >= exact.objective - 1e-4


def test_a_placement_for_two_classes_wins_when_one_replica_carries_both() -> None:
    apart = [Option(f"{name}@x", "x", {name: 100.0}, 1.0) for name in "ab"]
    both = Option("ab@x", "x", {"a": 95.0, "b": 95.0}, 1.0)
    plan = place(Problem((Demand("a", 40), Demand("b", 40)), (*apart, both), (Pool("x"),)), EXACT)
    assert [(p.key, p.replicas) for p in plan.placements] == [("ab@x", 1)]
    busy = place(Problem((Demand("a", 99), Demand("b", 99)), (*apart, both), (Pool("x"),)), EXACT)
    assert [(p.key, p.replicas) for p in busy.placements] == [("a@x", 1), ("b@x", 1)]


def test_batch_work_fills_the_headroom_that_interactive_replicas_leave() -> None:
    calm = Demand("chat", 80, utilization=0.8)
    night = Demand("night", 15, deferrable=True)
    option = Option("o", "x", {"chat": 100.0, "night": 100.0}, 1.0)
    alone = place(Problem((calm,), (option,), (Pool("x"),)), EXACT)
    both = place(Problem((calm, night), (option,), (Pool("x"),)), EXACT)
    assert both.objective == alone.objective == pytest.approx(1.0)
    more = place(Problem((calm, replace(night, load=25)), (option,), (Pool("x"),)), EXACT)
    assert more.objective == pytest.approx(2.0)


def test_an_incumbent_stays_until_the_saving_exceeds_the_cost_of_switching() -> None:
    runs = Option("runs", "x", {"a": 100.0}, 1.0, incumbent=1)
    other = Option("other", "x", {"a": 100.0}, 0.8, opening=0.3)
    fleet = Problem((Demand("a", 50),), (runs, other), (Pool("x"),))
    assert place(fleet, EXACT).placements[0].key == "runs"
    cheap = replace(other, cost=0.6)
    assert place(replace(fleet, options=(runs, cheap)), EXACT).placements[0].key == "other"


def test_no_more_moves_than_allowed_are_made() -> None:
    demands = tuple(Demand(f"d{k}", 50) for k in range(3))
    runs = tuple(Option(f"runs{k}", "x", {f"d{k}": 100.0}, 2.0, incumbent=1) for k in range(3))
    better = tuple(Option(f"better{k}", "x", {f"d{k}": 100.0}, 1.0) for k in range(3))
    fleet = Problem(demands, (*runs, *better), (Pool("x"),))
    moved = place(fleet, replace(EXACT, max_moves=1))
    assert [p.key for p in moved.placements] == ["better0", "runs1", "runs2"] or moved.objective == pytest.approx(5.0)
    assert place(fleet, EXACT).objective == pytest.approx(3.0)
    assert violations(fleet, moved, replace(EXACT, max_moves=1)) == ()
    assert violations(fleet, place(fleet, EXACT), replace(EXACT, max_moves=1)) == (
        "3 moves, allowed 1: better0, better1, better2",
    )


def test_interactive_work_comes_before_batch_and_priority_decides_who_waits() -> None:
    demands = (Demand("low", 100), Demand("high", 100, priority=5), Demand("batch", 100, priority=9, deferrable=True))
    options = tuple(Option(f"{d.key}@x", "x", {d.key: 100.0}, 1.0) for d in demands)
    one = place(Problem(demands, options, (Pool("x", 1.0),)), EXACT)
    assert [(s.demand, round(s.share, 3)) for s in one.shortfalls] == [("batch", 1.0), ("low", 1.0)]
    two = place(Problem(demands, options, (Pool("x", 2.0),)), EXACT)
    assert [s.demand for s in two.shortfalls] == ["batch"]
    assert "pool x has no room (2 of 2 accelerators taken)" in two.shortfalls[0].message


def test_what_a_full_pool_cannot_take_spills_to_the_next_and_then_to_the_provider() -> None:
    options = (Option("a@cheap", "cheap", {"a": 100.0}, 1.0), Option("a@dear", "dear", {"a": 100.0}, 5.0))
    fleet = Problem(
        (Demand("a", 260),),
        options,
        (Pool("cheap", 1.0), Pool("dear", 1.0)),
        (Provider("ext", {"a": 100.0}, {"a": 50.0}),),
    )
    plan = place(fleet, EXACT)
    assert [p.key for p in plan.placements] == ["a@cheap", "a@dear", "ext"]
    assert plan.shortfalls[0].share == pytest.approx(10 / 260, abs=1e-4)
    assert {(x.binding, x.key) for x in plan.shortfalls[0].limits} == {
        ("PoolCapacity", "cheap"),
        ("PoolCapacity", "dear"),
        ("RateLimit", "ext"),
    }


def test_accelerators_that_must_be_added_first_cost_what_adding_costs() -> None:
    options = (Option("a@x", "x", {"a": 100.0}, 1.0), Option("a@y", "y", {"a": 100.0}, 1.2))
    pools = (Pool("x", 4.0, existing=1.0, growing=0.5), Pool("y", 4.0))
    plan = place(Problem((Demand("a", 200),), options, pools), EXACT)
    assert [(p.key, p.replicas) for p in plan.placements] == [("a@x", 1), ("a@y", 1)]
    assert plan.objective == pytest.approx(2.2)


def test_a_whole_demand_is_not_split_and_a_preemptible_pool_carries_no_more_than_its_share() -> None:
    options = (Option("fast", "x", {"a": 100.0}, 3.0), Option("spot", "y", {"a": 100.0}, 1.0, preemptible=True))
    fleet = Problem((Demand("a", 150),), options, (Pool("x"), Pool("y", 1.0)))
    assert {p.key for p in place(fleet, EXACT).placements} == {"fast", "spot"}
    alone = replace(fleet, demands=(Demand("a", 150, whole=True),))
    assert [(p.key, p.replicas) for p in place(alone, EXACT).placements] == [("fast", 2)]
    careful = place(fleet, replace(EXACT, preemptible_share=0.5))
    assert next(p for p in careful.placements if p.key == "spot").shares["a"] <= 0.5 + 1e-6


def test_a_margin_takes_from_the_capacity_that_is_believed() -> None:
    option = Option("o", "x", {"a": 100.0}, 1.0, margin=0.2)
    plan = place(Problem((Demand("a", 90),), (option,), (Pool("x"),)), EXACT)
    assert plan.placements[0].replicas == 2


def test_a_demand_of_nothing_is_placed_where_it_would_be_cheapest() -> None:
    options = (Option("dear", "x", {"a": 100.0}, 2.0), Option("cheap", "x", {"a": 100.0}, 1.0))
    plan = place(Problem((Demand("a", 0.0),), options, (Pool("x"),)), EXACT)
    assert [(p.key, p.replicas) for p in plan.placements] == [("cheap", 0)]
    warm = tuple(replace(option, min_replicas=1) for option in options)
    assert [(p.key, p.replicas) for p in place(Problem((Demand("a", 0.0),), warm, (Pool("x"),)), EXACT).placements] == [
        ("cheap", 1)
    ]


def test_no_time_still_yields_a_plan() -> None:
    demands = tuple(Demand(f"d{k:02}", 10.0 + k) for k in range(30))
    options = tuple(
        Option(f"{d.key}@{p}", p, {d.key: 13.0 + 7 * n}, 1.0 + n * 0.6) for d in demands for n, p in enumerate("xyz")
    )
    fleet = Problem(demands, options, (Pool("x", 20.0), Pool("y", 20.0), Pool("z", 20.0)))
    plan = place(fleet, Settings(time_limit=0.0))
    assert plan.status in (Status.GREEDY, Status.TIME_LIMITED, Status.DECOMPOSED)
    assert violations(fleet, plan, EXACT) == ()
    assert not plan.shortfalls


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (Problem((Demand("a", 1), Demand("a", 2)), (), ()), "two demands have the key 'a'"),
        (Problem((Demand("a", -1),), (), ()), "demand a: load is -1"),
        (Problem((), (Option("o", "x", {}, 1.0),), ()), "there is no pool 'x'"),
        (Problem((), (Option("o", "x", {"a": 0.0}, 1.0),), (Pool("x"),)), "capacity for a must be positive"),
        (Problem((), (Option("o", "x", {}, 1.0, margin=1.0),), (Pool("x"),)), "margin is 1.0"),
        (
            Problem((), (Option("o", "x", {}, inf),), (Pool("x"),)),
            "option o: cost, opening and starting must be finite",
        ),
        (Problem((), (), (), (Provider("p", {"a": 1.0}, {"a": 0.0}),)), "provider p: limit for a must be positive"),
        (Problem((), (), (), (Provider("p", {"a": -1.0}),)), "provider p: prices"),
        (Problem((), (), (Pool("x", -1.0),)), "pool x: accelerators"),
        (Problem((), (), (Pool("x", growing=inf),)), "pool x: growing is inf"),
    ],
)
def test_a_problem_that_contradicts_itself_is_refused_in_words(problem: Problem, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        place(problem)


def test_a_demand_without_options_waits_and_says_so() -> None:
    plan = place(Problem((Demand("a", 1),), (), ()), EXACT)
    assert (
        plan.shortfalls[0].message == "100% of a waits: nothing may serve it; allow another pool, variant or provider"
    )


@calmly
@given(problems())
def test_leaving_out_replaced_options_changes_no_cost(problem: Problem) -> None:
    slow = tuple(
        replace(o, key=f"{o.key} slow", incumbent=0, capacity={k: c * 0.9 for k, c in o.capacity.items()})
        for o in problem.options
    )
    more = replace(problem, options=(*problem.options, *slow))
    assert not {option.key for option in pruned(more).options} & {option.key for option in slow}
    ix, less = index(more), index(pruned(more))
    all_of_them, rest = exact_plan(ix, EXACT, greedy(ix, EXACT)), exact_plan(less, EXACT, greedy(less, EXACT))
    assert waiting(rest) == pytest.approx(waiting(all_of_them), abs=1e-4)
    assert rest.objective == pytest.approx(all_of_them.objective, abs=1e-4)
