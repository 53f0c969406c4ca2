"""What a full pool cannot hold goes to others, and never makes the whole slower."""

from dataclasses import replace
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from questions import OFFER, OPEN, gpu_pool, gpu_question, make_pool, question

from inferfleet.api.external import External
from inferfleet.planning.choose import choose
from inferfleet.planning.spill import Offer, Share, as_replicas, carries, spill
from inferfleet.planning.types import Evaluated


def chosen() -> Evaluated:
    found = choose(question()).chosen
    assert found
    return found


ONE = chosen()


def way(speed: float, free: int) -> Evaluated:
    """A candidate of this speed in a pool with room for so many."""
    pool = replace(ONE.candidate.pool, name=f"pool-{speed}", free=free)
    return replace(ONE, candidate=replace(ONE.candidate, pool=pool), tokens_per_second=speed)


def test_what_does_not_fit_goes_to_the_next_best() -> None:
    first = Share(way(100, 2), 2)
    found = spill(first, 500, [Offer(way(101, 2)), Offer(way(102, 9))], 10)
    assert [s.replicas for s in found] == [2, 1]


def test_nothing_is_spilled_where_all_fits() -> None:
    assert spill(Share(way(100, 5), 5), 500, [Offer(way(100, 9))], 10) == ()


def test_slower_hardware_takes_as_many_replicas_as_make_up_for_it() -> None:
    """Every pod gets the same share of the requests: ten that do 50 carry what five do that do 100."""
    first = Share(way(100, 3), 3)
    (share,) = spill(first, 500, [Offer(way(50, 20))], 20)
    assert share.replicas == 7


def test_hardware_that_would_slow_down_more_than_it_adds_is_left_out() -> None:
    assert spill(Share(way(100, 3), 3), 500, [Offer(way(10, 20))], 20) == ()


def test_what_runs_is_used_though_its_pool_has_shrunk() -> None:
    (share,) = spill(Share(way(100, 2), 2), 400, [Offer(way(100, 0), running=2)], 10)
    assert share.replicas == 2


SPEEDS = st.sampled_from([10.0, 50.0, 99.0, 100.0, 130.0])


@given(
    first=st.tuples(SPEEDS, st.integers(0, 6)),
    offers=st.lists(st.tuples(SPEEDS, st.integers(0, 6)), max_size=4),
    wanted=st.integers(1, 20),
    most=st.integers(6, 20),
)
def test_shares_stay_within_bounds_and_only_add(
    first: tuple[float, int], offers: list[tuple[float, int]], wanted: int, most: int
) -> None:
    start, needed = Share(way(*first), first[1]), wanted * first[0]
    shares = (start, *spill(start, needed, [Offer(way(speed, free)) for speed, free in offers], most))
    assert sum(s.replicas for s in shares) <= max(most, first[1])
    assert all(0 < s.replicas <= s.evaluated.candidate.free for s in shares[1:])
    assert carries(shares) >= carries((start,))
    slowest = min(s.speed for s in shares)
    assert sum(s.replicas for s in shares) <= max(first[1], ceil(needed / slowest - 1e-9))
    assert as_replicas(shares, start.evaluated) * first[0] <= carries(shares) * (1 + 1e-6)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_as_many_of_one_speed_are_as_many_replicas(count: int) -> None:
    assert as_replicas((Share(way(100, 9), count),), way(100, 9)) == count


def test_what_can_begin_is_found_though_the_best_cannot() -> None:
    """The fastest spreads a replica over all that a pool has, so that three of it fit nowhere."""
    pools = [gpu_pool(name, free=2, nodes=1, accelerators_per_node=2) for name in ("a", "b")]
    answer = choose(gpu_question(pools, spec={"objective": "Latency"}, min_replicas=3))
    assert answer.chosen
    assert answer.chosen.candidate.free == 2


PARTED = [make_pool("dear", price="0.05"), make_pool("cheap", price="0.01", free=2)]
DEAR = {e.identity: 5 for e in choose(question(PARTED[:1])).possible[:1]}
"""Runs there."""


def test_a_cheaper_pool_takes_the_part_that_it_has_room_for() -> None:
    answer = choose(question(PARTED, running=DEAR, incumbents=frozenset(DEAR)))
    assert answer.chosen
    assert answer.chosen.candidate.pool.name == "cheap"


def test_a_part_is_taken_only_where_the_program_for_the_fleet_agrees() -> None:
    """It knows who else needs that pool: to take the part all the same would move the workload to and fro."""
    (dear,) = DEAR
    answer = choose(question(PARTED, running=DEAR, incumbents=frozenset(DEAR), assigned=dear))
    assert answer.chosen
    assert answer.chosen.identity == dear
    assert answer.several


@pytest.mark.parametrize("first", [True, False])
def test_a_provider_without_limits_beside_what_runs_is_no_obstacle(*, first: bool) -> None:
    offer = {k: v for k, v in OFFER.items() if k != "limits"} | {"architecture": "llama-3.1-8b"}
    given = {"endpoint": "https://api.example.com/v1", "credentialsKey": "k", "models": [offer]}
    away = make_pool("away", accelerator="", price=None, engines=(), memory=0, free=0, nodes=0)
    away = replace(away, external=External.model_validate(given))
    (running,) = {e.identity for e in choose(gpu_question()).possible[:1]}
    pools = [away, gpu_pool()] if first else [gpu_pool(), away]
    answer = choose(gpu_question(pools, spec=OPEN, incumbents=frozenset({running}), running={running: 3}))
    assert answer.chosen
    assert "away" in {e.candidate.pool.name for e in answer.possible}
