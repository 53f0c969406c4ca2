"""Large fleets by prices: what the parts must hold, and what one change does."""

from dataclasses import replace

import numpy as np
import pytest
from placing import EXACT

from inferfleet.placing.change import change, stand
from inferfleet.placing.check import violations
from inferfleet.placing.greedy import greedy
from inferfleet.placing.index import index
from inferfleet.placing.place import decomposed_plan, exact_plan, place
from inferfleet.placing.prices.blocks import blocks, components, partitions
from inferfleet.placing.prices.floor import GRID, Items, cover
from inferfleet.placing.types import Demand, Option, Plan, Pool, Problem, Provider, Settings, Status

LARGE = replace(EXACT, exact_arcs=0)


def fleet(models: int, room: float = 0.6) -> Problem:
    """Models that all would like the same cheap pool, which has room for a part of them."""
    demands = tuple(Demand(f"m{k:02}", 40.0 + 37 * (k % 7), group=f"m{k:02}") for k in range(models))
    options = tuple(
        Option(f"{d.key}@{pool}", pool, {d.key: speed * (1 + 0.1 * (k % 3))}, cost)
        for k, d in enumerate(demands)
        for pool, speed, cost in (("cheap", 60.0, 1.0), ("dear", 110.0, 2.6))
    )
    return Problem(demands, options, (Pool("cheap", float(round(models * 2 * room))), Pool("dear")))


def decomposed(problem: Problem, settings: Settings = EXACT) -> Plan:
    ix = index(problem)
    return decomposed_plan(ix, settings, greedy(ix, settings))


def test_a_scarce_pool_gets_a_price_and_the_plan_is_near_the_optimum() -> None:
    problem = fleet(40)
    ix = index(problem)
    plan, best = decomposed(problem), exact_plan(ix, EXACT, greedy(ix, EXACT))
    assert violations(problem, plan, EXACT) == ()
    assert set(plan.prices) == {"cheap"}
    assert best.objective - 1e-6 <= plan.objective <= 1.01 * best.objective
    assert plan.bound <= best.objective + 1e-6
    assert plan.gap < 0.05


def test_where_nothing_is_scarce_every_demand_takes_its_best_and_no_pool_has_a_price() -> None:
    problem = replace(fleet(20), pools=(Pool("cheap"), Pool("dear")))
    plan = decomposed(problem)
    assert plan.prices == {}
    assert plan.objective == pytest.approx(place(problem, EXACT).objective)


def test_size_decides_which_way_a_fleet_is_planned() -> None:
    assert place(fleet(5), EXACT).status == Status.OPTIMAL
    assert place(fleet(5), LARGE).status == Status.DECOMPOSED
    assert place(fleet(5), replace(LARGE, gap=0.5)).status == Status.OPTIMAL


def test_when_not_all_fits_the_least_important_wait() -> None:
    problem = fleet(20)
    demands = tuple(replace(d, priority=k % 2) for k, d in enumerate(problem.demands))
    problem = replace(problem, demands=demands, pools=(Pool("cheap", 12.0), Pool("dear", 9.0)))
    plan = decomposed(problem)
    assert violations(problem, plan, EXACT) == ()
    priority = {d.key: d.priority for d in demands}
    whole = [s.demand for s in plan.shortfalls if s.share == 1]
    assert whole
    assert all(priority[key] == 0 for key in whole)


def test_a_component_too_large_to_list_is_a_program_of_its_own() -> None:
    demands = tuple(Demand(f"c{k}", 20.0 + 9 * k) for k in range(7))
    every = {d.key: 100.0 for d in demands}
    options = (Option("x", "x", every, 1.0), Option("y", "y", dict.fromkeys(every, 180.0), 1.5))
    problem = Problem(demands, options, (Pool("x", 2.0), Pool("y")))
    plan = decomposed(problem)
    assert violations(problem, plan, EXACT) == ()
    assert plan.objective == pytest.approx(place(problem, EXACT).objective)


def test_components_are_what_options_link_whatever_the_pools() -> None:
    demands = tuple(Demand(key, 1.0) for key in "abcd")
    options = (
        Option("ab", "x", {"a": 1.0, "b": 1.0}, 1.0),
        Option("bc", "x", {"b": 1.0, "c": 1.0}, 1.0),
        Option("d", "x", {"d": 1.0}, 1.0),
    )
    ix = index(Problem(demands, options, (Pool("x"),), (Provider("ext", {"a": 1.0, "d": 1.0}),)))
    assert components(ix) == [(0, 1, 2), (3,)]
    known = blocks(ix, (0, 1, 2), EXACT)
    assert [block.demands for block in known] == [(0,), (1,), (2,), (0, 1), (1, 2)]
    cuts = {tuple(known[k].demands for k in cut) for cut in partitions((0, 1, 2), known)}
    assert cuts == {((0,), (1,), (2,)), ((0, 1), (2,)), ((0,), (1, 2))}


def test_what_covers_one_demand_cannot_cover_another() -> None:
    half = GRID // 2
    cheap = Items(np.array([[half]]), np.array([[1.0]]), np.zeros((1, 1)), np.array([[1]]))
    dear = Items(np.array([[half]]), np.array([[5.0]]), np.zeros((1, 1)), np.array([[1]]))
    shared = Items(np.array([[GRID]]), np.array([[9.0]]), np.zeros((1, 1)), np.array([[1]]))
    assert cover([cheap, dear], np.array([[half, half]]), shared).tolist() == [6.0]
    assert cover([cheap, replace(dear, cost=np.array([[8.5]]))], np.array([[half, half]]), shared).tolist() == [9.0]


def test_using_an_item_costs_once_and_takes_its_least_units() -> None:
    item = Items(np.array([[GRID // 4]]), np.array([[1.0]]), np.array([[10.0]]), np.array([[6]]))
    nothing = Items(*(np.zeros((1, 0)) for _ in range(4)))  # type: ignore[arg-type]
    assert cover([item], np.array([[GRID]]), nothing).tolist() == [16.0]


def test_a_change_places_what_changed_and_leaves_the_rest() -> None:
    problem = fleet(30)
    standing = stand(problem, decomposed(problem))
    demand = replace(problem.demands[3], load=3 * problem.demands[3].load)
    part = replace(problem, demands=(demand,), options=tuple(o for o in problem.options if demand.key in o.capacity))
    changed = change(standing, part, EXACT)
    assert changed.plan.status == Status.INCREMENTAL
    assert not changed.plan.shortfalls
    assert all(list(p.shares) == [demand.key] for p in changed.plan.placements)
    used = changed.standing.used["pool cheap"]
    assert used <= problem.pools[0].accelerators
    others = {key: uses for key, uses in standing.of_demand.items() if key != demand.key}
    assert {key: uses for key, uses in changed.standing.of_demand.items() if key != demand.key} == others


def test_what_is_gone_leaves_room_for_what_comes() -> None:
    demands = (Demand("old", 100.0), Demand("new", 100.0))
    options = tuple(Option(f"{d.key}@x", "x", {d.key: 100.0}, 1.0) for d in demands)
    first = Problem(demands[:1], options[:1], (Pool("x", 1.0),))
    second = replace(first, demands=demands[1:], options=options[1:])
    standing = stand(first, place(first, EXACT))
    assert change(standing, second, EXACT).plan.shortfalls
    after = change(standing, second, EXACT, gone=frozenset({"old"}))
    assert not after.plan.shortfalls
    assert set(after.standing.of_demand) == {"new"}
