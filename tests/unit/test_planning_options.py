"""From candidates of a fleet to the placement program's problem: keys, numbers, shared placements."""

from dataclasses import replace
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make import parsed_class
from questions import OPEN, Q4, Q8, gpu_pool, gpu_question, make_pool, provider, question

from inferfleet.placing.place import place
from inferfleet.placing.types import Demand, Option, Problem, Provider, Quota
from inferfleet.placing.types import Pool as PlacingPool
from inferfleet.planning.choose import choose
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.options.build import Fleet, Room, fleet
from inferfleet.planning.options.merge import Sharing, Workload, merged, sets
from inferfleet.planning.options.prune import cheapest, undominated
from inferfleet.planning.types import Question

CHAT = {"slo": {"ttft": "2s", "tpot": "50ms"}}
LONG = {"inputTokens": {"p50": 480, "p95": 1900}, "outputTokens": {"p50": 64, "p95": 256}}
BATCH = {"slo": {"deadline": "24h"}, "priority": -10}
ROOMS = {"cpu": Room(4000.0)}


def workload(key: str = "ns/m/chat", asked: Question | None = None, load: float = 100.0, **changes: Any) -> Workload:
    return Workload(key, key.rpartition("/")[0], asked or question(variants=(Q4, Q8)), load, **changes)


def of(spec: dict[str, Any], **changes: Any) -> Question:
    return question(variants=(Q4, Q8), workload=parsed_class(**spec), **changes)


def built(*workloads: Workload, rooms: dict[str, Room] | None = None) -> Fleet:
    return fleet(workloads, rooms or ROOMS, Memo())


def options(found: Fleet) -> dict[str, Option]:
    return {o.key: o for o in found.problem.options}


def test_a_workload_alone_is_placed_on_what_would_be_chosen_for_it() -> None:
    one = workload()
    found = built(one)
    plan = place(found.problem)
    (placement,) = plan.placements
    chosen = choose(one.question).chosen
    assert chosen
    assert found.ways[placement.key].each["ns/m/chat"].identity == chosen.identity
    assert placement.key == "ns/m/chat@cpu/q4/llama-cpp"


def test_an_option_has_the_price_capacity_and_size_of_a_replica() -> None:
    found = built(workload())
    option = options(found)["ns/m/chat@cpu/q4/llama-cpp"]
    evaluated = found.ways[option.key].each["ns/m/chat"]
    assert option.cost == pytest.approx(4 * 0.05)
    assert option.accelerators == 4
    assert dict(option.capacity) == {"ns/m/chat": evaluated.tokens_per_second}
    assert (option.min_replicas, option.margin) == (1, 0.0)


def test_a_demand_says_how_much_how_urgent_and_whether_it_can_wait() -> None:
    chat, batch = workload(asked=of(CHAT | {"priority": 7})), workload("ns/other/batch", of(BATCH), load=9.0)
    demands = {d.key: d for d in built(chat, batch).problem.demands}
    assert (demands["ns/m/chat"].load, demands["ns/m/chat"].priority) == (100.0, 7)
    assert (demands["ns/m/chat"].deferrable, demands["ns/other/batch"].deferrable) == (False, True)
    assert demands["ns/m/chat"].utilization == pytest.approx(0.8)
    assert demands["ns/m/chat"].group == "ns/m"


def test_classes_of_a_model_may_share_a_placement_and_classes_of_two_models_may_not() -> None:
    chat, more = workload(asked=of(CHAT)), workload("ns/m/more", of(CHAT))
    both = [o for o in built(chat, more).problem.options if len(o.capacity) > 1]
    assert {tuple(o.capacity) for o in both} == {("ns/m/chat", "ns/m/more")}
    apart = built(chat, workload("ns/n/more", of(CHAT))).problem.options
    assert all(len(o.capacity) == 1 for o in apart)


def test_nothing_is_shared_where_a_placement_serves_one_class() -> None:
    both = [workload(asked=of(CHAT)), workload("ns/m/more", of(CHAT))]
    assert all(len(o.capacity) == 1 for o in fleet(both, ROOMS, Memo(), sharing=False).problem.options)


def test_a_pool_that_is_gone_since_stops_nobody_else() -> None:
    asked = question([make_pool("gone"), make_pool()], variants=(Q4, Q8))
    found = built(workload(asked=asked), workload("ns/n/chat"))
    assert {o.pool for o in found.problem.options} == {"cpu"}
    assert not place(found.problem).shortfalls


def test_two_small_demands_of_a_model_share_a_replica_when_that_is_cheaper() -> None:
    chat, more = workload(asked=of(CHAT), load=5.0), workload("ns/m/more", of(CHAT), load=5.0)
    (placement,) = place(built(chat, more).problem).placements
    assert set(placement.shares) == {"ns/m/chat", "ns/m/more"}
    assert placement.replicas == 1


def test_classes_whose_names_make_no_label_together_are_kept_apart() -> None:
    assert sets([workload(f"ns/m/{letter * 32}", of(CHAT)) for letter in "ab"]) == []
    assert sets([workload(f"ns/m/{letter * 31}", of(CHAT)) for letter in "ab"]) != []


def test_what_is_shared_stays_shared_unless_parting_saves_enough() -> None:
    keys = ("ns/m/chat", "ns/m/more")
    here = Sharing(frozenset(keys), ("cpu", "q4", "llama-cpp"), 1)
    found = options(built(*(workload(key, of(CHAT), 5.0, sharing=here) for key in keys)))
    together = found["ns/m/chat+ns/m/more@cpu/q4/llama-cpp"]
    assert (together.incumbent, together.opening) == (1, 0.0)
    assert all(o.opening > 0 for o in found.values() if o is not together)


def test_while_moves_are_paused_what_is_shared_can_only_stay() -> None:
    keys = ("ns/m/chat", "ns/m/more")
    here = Sharing(frozenset(keys), ("cpu", "q4", "llama-cpp"), 1)
    asked = replace(of(CHAT), move_saving=inf)
    found = options(built(*(workload(key, asked, 5.0, sharing=here) for key in keys)))
    assert set(found) == {"ns/m/chat+ns/m/more@cpu/q4/llama-cpp"}


@pytest.mark.parametrize(
    "other",
    [
        {"serving": {"maxBatchSize": 4, "kvCache": {"dtype": "Q8_0"}}},
        {"objective": "Latency"},
        {"modality": "Embedding"},
        {"priority": 1000},
        BATCH,
    ],
)
def test_classes_whose_pods_would_be_told_different_things_are_kept_apart(other: dict[str, Any]) -> None:
    assert sets([workload(asked=of(CHAT)), workload("ns/m/b", of(CHAT | other))]) == []


def test_while_moves_are_paused_only_what_runs_is_offered() -> None:
    here = ("cpu", "q8", "llama-cpp")
    running = {"incumbents": frozenset({here}), "running": {here: 2}, "move_saving": float("inf")}
    found = built(workload(asked=of(CHAT, **running)), workload("ns/m/b", of(CHAT, **running)))
    assert set(options(found)) == {"ns/m/chat@cpu/q8/llama-cpp", "ns/m/b@cpu/q8/llama-cpp"}


def test_the_strictest_target_binds_and_the_longest_request_fits() -> None:
    strict, long = of({"slo": {"tpot": "20ms"}}), of({"slo": {"ttft": "5s", "tpot": "90ms"}, "traffic": LONG})
    spec = merged([workload(asked=strict), workload("ns/m/long", long)]).workload
    assert spec.slo.tpot == strict.workload.slo.tpot
    assert spec.slo.ttft == long.workload.slo.ttft
    assert spec.traffic.longest >= long.workload.traffic.longest
    assert 48 < spec.traffic.input_tokens.p50 < 480


def test_batch_beside_interactive_requests_is_held_to_the_interactive_targets() -> None:
    slo = merged([workload(asked=of(CHAT)), workload("ns/m/batch", of(BATCH))]).workload.slo
    assert slo.deadline is None
    assert slo.tpot is not None


def test_a_shared_placement_has_no_more_slots_than_every_class_allows_by_itself() -> None:
    strict = of({"slo": {"tpot": "25ms"}, "serving": {"maxBatchSize": 64}})
    loose = of({"slo": {"tpot": "9s"}, "serving": {"maxBatchSize": 64}})
    found = built(workload(asked=strict), workload("ns/m/loose", loose))
    alone = {w.offered.key: w for w in found.ways.values() if w.mix is None}
    for way in found.ways.values():
        if way.mix:
            key = f"ns/m/chat@{'/'.join(way.mix.identity)}"
            if key in alone:
                assert way.mix.prediction.slots <= alone[key].each["ns/m/chat"].prediction.slots


def test_moving_has_to_save_what_one_workload_alone_would_ask_for() -> None:
    here = ("cpu", "q8", "llama-cpp")
    asked = of(CHAT, incumbents=frozenset({here}), running={here: 3})
    found = options(built(workload(asked=asked, load=2e4)))
    stays, moves = found["ns/m/chat@cpu/q8/llama-cpp"], found["ns/m/chat@cpu/q4/llama-cpp"]
    assert (stays.incumbent, stays.opening) == (3, 0.0)
    assert (moves.incumbent, moves.opening) == (0, pytest.approx(0.15 * 3 * stays.cost))


def test_starting_a_replica_costs_the_time_that_it_does_not_serve() -> None:
    found = built(workload())
    option = options(found)["ns/m/chat@cpu/q4/llama-cpp"]
    seconds = found.ways[option.key].each["ns/m/chat"].startup_seconds
    assert option.starting == pytest.approx(option.cost * seconds / 3600)
    assert seconds > 0


def test_all_of_a_pool_is_offered_and_not_only_what_is_free() -> None:
    full = workload(asked=of(CHAT, pools=(make_pool(free=0),)))
    assert options(built(full))
    assert built(full, rooms={"cpu": Room(2.0)}).problem.options == ()


def test_a_quota_bounds_the_replicas_of_a_namespace_whatever_the_pool_has() -> None:
    rooms = {"cpu": Room(4000.0, quotas={"ns": 8.0})}
    found = built(workload(), workload("other/m/chat"), rooms=rooms)
    assert options(found)["ns/m/chat@cpu/q4/llama-cpp"].max_replicas == 2
    assert {(o.key.partition("/")[0], o.quota) for o in found.problem.options} == {("ns", "cpu/ns"), ("other", "")}
    assert found.problem.quotas == (Quota("cpu/ns", 8.0),)


def test_what_runs_stays_though_the_quota_was_lowered_since() -> None:
    here = ("cpu", "q4", "llama-cpp")
    runs = workload(asked=of(CHAT, incumbents=frozenset({here}), running={here: 3}))
    found = built(runs, rooms={"cpu": Room(4000.0, quotas={"ns": 8.0})})
    assert found.problem.quotas == (Quota("cpu/ns", 12.0),)
    (placement,) = place(found.problem).placements
    assert placement.key == "ns/m/chat@cpu/q4/llama-cpp"


def test_another_goal_than_cost_is_weighed_at_the_price_of_its_best_candidate() -> None:
    asked = of({"objective": "Latency"}, pools=(make_pool(), make_pool("fast", cores=16, price="9")))
    found = built(workload(asked=asked), rooms=ROOMS | {"fast": Room(4000.0)})
    best = choose(asked).chosen
    assert best
    per_token = {o.key: o.cost / o.capacity["ns/m/chat"] for o in found.problem.options}
    assert min(per_token, key=lambda key: per_token[key]).startswith(f"ns/m/chat@{best.candidate.pool.name}/")


def test_what_is_estimated_with_an_interval_is_not_believed_in_full() -> None:
    asked = gpu_question([gpu_pool()])
    found = built(workload(asked=asked), rooms={"h100": Room(32.0)})
    assert found.problem.options
    assert all(0 < o.margin < 1 for o in found.problem.options)
    bold = built(workload(asked=replace(asked, robust_margin=0.0)), rooms={"h100": Room(32.0)})
    assert all(o.margin == 0 for o in bold.problem.options)


def test_what_another_option_beats_at_every_load_is_left_out() -> None:
    small = Option("a", "p", {"d": 10.0}, cost=1.0, accelerators=1)
    large = Option("b", "p", {"d": 19.0}, cost=2.0, accelerators=2)
    better = Option("c", "p", {"d": 25.0}, cost=2.0, accelerators=2)
    elsewhere = Option("e", "q", {"d": 1.0}, cost=9.0, accelerators=1)
    kept = undominated([small, large, better, elsewhere], {"x"}, "d")
    assert [o.key for o in kept] == ["a", "c", "e"]
    assert "b" in [o.key for o in undominated([small, large], {"b"}, "d")]


def test_for_its_load_a_whole_demand_is_offered_what_costs_least_or_takes_the_fewest_accelerators() -> None:
    demand = Demand("d", 30.0, whole=True)
    frugal = Option("a", "p", {"d": 10.0}, cost=1.0, accelerators=2)
    compact = Option("b", "p", {"d": 30.0}, cost=4.0, accelerators=4)
    wasteful = Option("c", "p", {"d": 20.0}, cost=3.0, accelerators=4)
    few = Option("e", "p", {"d": 29.0}, cost=0.1, accelerators=1, max_replicas=1)
    assert [o.key for o in cheapest([wasteful, few, compact, frugal], (), demand)] == ["a", "b"]
    assert [o.key for o in cheapest([few], (), demand)] == ["e"]
    assert [o.key for o in cheapest([wasteful, frugal], {"c"}, demand)] == ["a", "c"]


def test_of_what_costs_and_takes_as_much_at_its_load_a_whole_demand_is_offered_the_fastest_alone() -> None:
    slow, fast = (Option(key, "p", {"d": speed}, cost=1.0) for key, speed in (("a", 10.0), ("b", 25.0)))
    assert [o.key for o in cheapest([slow, fast], (), Demand("d", 8.0, whole=True))] == ["b"]
    assert [o.key for o in undominated([slow, fast], (), "d")] == ["b"]


@settings(deadline=None, max_examples=40)
@given(st.floats(0, 3000), st.integers(1, 4), st.booleans())
def test_leaving_options_out_makes_no_plan_dearer(load: float, pools: int, whole: bool) -> None:
    offered = [
        Option(f"{p}-{i}", f"p{p}", {"d": 10.0 * i**0.9 + p}, cost=1.0 * i + p, accelerators=i, max_replicas=20 - i)
        for p in range(pools)
        for i in (1, 2, 4)
    ]
    demand = Demand("d", load, utilization=0.8, whole=whole)
    kept = cheapest(offered, (), demand) if whole else undominated(offered, (), "d")
    rooms = tuple(PlacingPool(f"p{p}", 60.0) for p in range(pools))
    whole_plan, plan = (place(Problem((demand,), tuple(found), rooms)) for found in (offered, kept))
    assert plan.shortfalls == whole_plan.shortfalls
    assert plan.objective == pytest.approx(whole_plan.objective)


def test_few_replicas_of_a_small_option_do_not_beat_a_larger_one() -> None:
    small = Option("a", "p", {"d": 10.0}, cost=1.0, accelerators=1, max_replicas=1)
    large = Option("b", "p", {"d": 19.0}, cost=2.0, accelerators=2, max_replicas=1)
    assert len(undominated([small, large], (), "d")) == 2


@settings(deadline=None, max_examples=15)
@given(st.permutations(range(3)))
def test_the_problem_does_not_depend_on_the_order_of_workloads(order: list[int]) -> None:
    found = [workload(f"ns/m/c{i}", of(CHAT), load=10.0 * (i + 1)) for i in range(3)]
    assert built(*(found[i] for i in order)).problem == built(*found).problem


def test_what_no_candidate_can_serve_is_a_demand_with_its_reasons() -> None:
    found = built(workload(asked=of({"slo": {"tpot": "1ms"}})))
    assert found.problem.options == ()
    assert {r.reason for r in found.rejected["ns/m/chat"]} == {"SLOViolated"}
    (short,) = place(found.problem).shortfalls
    assert short.demand == "ns/m/chat"


def test_a_provider_is_offered_by_token_and_bounded_by_its_rate() -> None:
    asked = of(OPEN, pools=(provider(),), plan_unplaced=True)
    (found,) = built(workload(asked=asked)).problem.providers
    assert isinstance(found, Provider)
    assert dict(found.price) == {"ns/m/chat": 0.28}
    assert found.limit["ns/m/chat"] == pytest.approx(60000 / 112 / 60 * 64)
