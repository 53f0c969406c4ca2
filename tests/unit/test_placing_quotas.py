"""Quotas: what the demands of a tenant may take of a pool together."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from placing import EXACT, problems

from inferfleet.placing.again import again, solved
from inferfleet.placing.check import violations
from inferfleet.placing.greedy import greedy
from inferfleet.placing.index import index
from inferfleet.placing.place import decomposed_plan, greedy_plan, place
from inferfleet.placing.types import Binding, Demand, Option, Plan, Pool, Problem, Quota


def tenants(quota: float, load: float = 90.0) -> Problem:
    """Two demands of one tenant and one of another, who all prefer a cheap pool to a dear one."""
    demands = tuple(Demand(key, load, whole=True) for key in ("a/x", "a/y", "b/x"))
    ways = [("cheap", 1.0), ("dear", 3.0)]
    options = tuple(
        Option(f"{d.key}@{p}", p, {d.key: 50.0}, cost, quota="cheap/a" if d.key[0] + p == "acheap" else "")
        for d in demands
        for p, cost in ways
    )
    return Problem(demands, options, (Pool("cheap", 100.0), Pool("dear", 100.0)), (), (Quota("cheap/a", quota),))


def where(plan: Plan) -> dict[str, str]:
    return {next(iter(p.shares)): p.key.partition("@")[2] for p in plan.placements}


def test_two_demands_of_a_tenant_are_weighed_against_each_other_within_its_quota() -> None:
    problem = tenants(3.0)
    dearer = tuple(replace(o, cost=9.0) if o.key == "a/x@dear" else o for o in problem.options)
    for options, kept in ((problem.options, None), (dearer, "a/x")):
        found = where(place(replace(problem, options=options), EXACT))
        assert sorted(found.values()) == ["cheap", "cheap", "dear"]
        assert found["b/x"] == "cheap"
        assert kept is None or found[kept] == "cheap"


def test_who_finds_no_room_within_the_quota_is_told_of_it() -> None:
    problem = tenants(3.0)
    only = replace(problem, options=tuple(o for o in problem.options if o.pool == "cheap"))
    (short,) = place(only, EXACT).shortfalls
    assert [(limit.binding, limit.key) for limit in short.limits] == [(Binding.QUOTA, "cheap/a")]
    assert short.message.endswith("quota cheap/a has no room (2 of 3 accelerators taken); raise it")


def test_a_change_keeps_the_quota_and_other_quotas_need_a_new_plan() -> None:
    settings = replace(EXACT, exact_arcs=0, gap=0.5)
    many = tuple(Demand(f"b/{k:03}", 40.0, whole=True) for k in range(97))
    more = tuple(Option(f"{d.key}@cheap", "cheap", {d.key: 50.0}, 1.0) for d in many)
    first = tenants(4.0)
    problem = replace(
        first, demands=(*first.demands, *many), options=(*first.options, *more), pools=(Pool("cheap"), Pool("dear"))
    )
    last = solved(problem, place(problem, settings))
    assert last
    now = replace(problem, demands=tuple(replace(d, load=140.0) if d.key == "a/x" else d for d in problem.demands))
    found = again(last, now, settings)
    assert found
    assert violations(now, found.plan, settings) == ()
    assert where(found.plan)["a/x"] == "dear"
    assert again(last, replace(now, quotas=(Quota("cheap/a", 9.0),)), settings) is None


@settings(deadline=None, max_examples=60)
@given(problems(), st.sampled_from([0.0, 1.0, 2.0, 7.0]))
def test_no_plan_takes_more_than_a_quota_and_none_pays_more_with_a_larger_one(problem: Problem, size: float) -> None:
    options = tuple(replace(o, quota="q") for o in problem.options)
    problem = replace(problem, options=options, quotas=(Quota("q", size),))
    ix = index(problem)
    exact, prices = place(problem, EXACT), decomposed_plan(ix, EXACT, greedy(ix, EXACT))
    for plan in (exact, prices, greedy_plan(problem, EXACT)):
        assert violations(problem, plan, EXACT) == ()
    if not exact.shortfalls:
        assert prices.bound <= exact.objective + 1e-6
        larger = place(replace(problem, quotas=(Quota("q", size + 5),)), EXACT)
        assert not larger.shortfalls
        assert larger.objective <= exact.objective + 1e-6


def test_an_option_under_a_quota_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no quota 'cheap/a'"):
        place(replace(tenants(1.0), quotas=()), EXACT)
