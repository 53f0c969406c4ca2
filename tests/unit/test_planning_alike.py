"""Workloads that ask the same thing are judged once, and each gets the options that it would get alone."""

from dataclasses import replace
from math import inf
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from make import parsed_class
from questions import Q4, Q8, make_pool, question

from inferfleet.planning.choose import choose
from inferfleet.planning.evaluate.memo import Memo
from inferfleet.planning.options.alike import alike
from inferfleet.planning.options.build import Room, fleet
from inferfleet.planning.options.merge import Workload
from inferfleet.planning.types import Measured, Question

ROOMS = {"cpu": Room(400.0, quotas={"ns1": 12.0}), "slow": Room(24.0)}
POOLS = (make_pool(), make_pool("slow", cores=2, price="0.01"))
CHAT, LONG = parsed_class(slo={"ttft": "2s", "tpot": "90ms"}), parsed_class(slo={"ttft": "9s", "tpot": "300ms"})
RUNS = {("cpu", "q8", "llama-cpp"): 2}
CHANGES: list[dict[str, Any]] = [
    {},
    {"workload": LONG},
    {"incumbents": frozenset(RUNS), "running": RUNS},
    {"incumbents": frozenset(RUNS), "running": RUNS, "move_saving": inf},
    {"min_replicas": 3},
    {"variants": (Q4,)},
    {"pools": POOLS[:1]},
    {"pools": POOLS[1:]},
]


def asked(change: dict[str, Any], speed: float | None) -> Question:
    made = question(variants=(Q4, Q8), pools=list(POOLS), workload=CHAT)
    measured = {} if speed is None else {_profile(made): Measured(speed, "Observed")}
    return replace(made, ledger=measured, **change)


def _profile(about: Question) -> str:
    chosen = choose(about).chosen
    assert chosen
    return chosen.profile


workloads = st.lists(
    st.tuples(st.sampled_from(CHANGES), st.sampled_from([None, 5.0, 900.0]), st.floats(0, 2000), st.booleans()),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=30)
@given(workloads)
def test_a_workload_is_offered_in_a_fleet_what_it_is_offered_alone(drawn: list[Any]) -> None:
    found = [
        Workload(f"ns{i % 2}/m{i}/c", f"ns{i % 2}/m{i}", asked(c, s), n, w) for i, (c, s, n, w) in enumerate(drawn)
    ]
    alone = [fleet([one], ROOMS, Memo()) for one in found]
    fleets = fleet(found, ROOMS, Memo())
    options = sorted((o for each in alone for o in each.problem.options), key=lambda o: o.key)
    assert sorted(fleets.problem.options, key=lambda o: o.key) == options
    assert fleets.rejected == {key: refused for each in alone for key, refused in each.rejected.items()}


def test_what_the_ledger_says_counts_and_not_whose_copy_of_it_a_workload_holds() -> None:
    fast, same, slow = (asked({}, speed) for speed in (900.0, 900.0, 5.0))
    other = replace(same, ledger={**same.ledger, "of-another-model": Measured(1.0, "Observed")})
    found = [Workload(f"ns/m{i}/c", f"ns/m{i}", q, 9.0) for i, q in enumerate((fast, same, other, slow))]
    groups = [[w.key for w in group] for group in alike(found, frozenset(), Memo())]
    assert groups == [["ns/m0/c", "ns/m1/c", "ns/m2/c"], ["ns/m3/c"]]
