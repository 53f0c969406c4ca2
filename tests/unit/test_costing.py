"""What is booked: dollars, joules, tokens, and whose they were."""

import json
from dataclasses import replace
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferfleet.costing import tenants
from inferfleet.costing.accounts import POWER, accounts, booked, used_watts, watts
from inferfleet.costing.growth import made, utilization
from inferfleet.costing.mean import MEAN_SECONDS, NOTHING, later, observed
from inferfleet.costing.tenants import MOST, OTHERS, Pot, claimed, emptied, filled, named, settle, split
from inferfleet.costing.types import Account, Rate, Sum, TenantAccount, Tokens, Use, Weights
from inferfleet.planning.unit import Unit
from inferfleet.scaling.signal import PodSample

GPU = Rate(accelerators=2.0, price=3.0, watts=1400.0, idle_watts=140.0)
"""Two accelerators of 3 USD an hour and 700 W."""
ACCOUNT = Account("ns", "demo", "chat", "h100")
shares = st.floats(0, 1)
amounts = st.floats(0, 1e9)


def use(**changes: object) -> Use:
    """A pod of two GPUs that serves chat."""
    base = Use("ns", "demo", "h100", "demo-chat-1", GPU, {"chat": 1.0})
    return replace(base, **changes)  # type: ignore[arg-type]


def sample(at: float, **values: float) -> PodSample:
    """A scrape of a pod of four slots and 100 tokens per second."""
    zero = dict.fromkeys(
        ("arrivals", "generated", "finished", "finished_tokens", "running", "waiting", "prompted", "arrived"), 0.0
    )
    return PodSample(**{"at": at, "slots": 4.0, "capacity": 100.0, **zero, **values})  # type: ignore[arg-type]


# --- dollars and joules --------------------------------------------------------------------


def test_a_replica_is_paid_for_every_second_and_what_it_does_not_use_is_idle_cost() -> None:
    busy = booked(use(utilization=0.25), 1800)
    assert busy.usd == 3.0, "two accelerators, half an hour, 3 USD an hour each"
    assert busy.idle_usd == 2.25
    assert (busy.accelerator_seconds, busy.used_seconds) == (3600, 900)
    booting = booked(use(), 1800)
    assert (booting.usd, booting.idle_usd) == (3.0, 3.0)


def test_a_pool_without_a_price_has_energy_and_no_dollars() -> None:
    free = booked(use(rate=replace(GPU, price=None), utilization=1.0), 10)
    assert (free.usd, free.idle_usd, free.joules) == (0, 0, 14_000)


def test_power_rises_from_idle_to_full_and_is_none_where_nobody_says_it() -> None:
    assert watts(GPU, 0.0) == 140
    assert watts(GPU, 1.0) == pytest.approx(1400)
    assert watts(GPU, 0.5) == pytest.approx(140 + 1260 * 0.5**0.5687)
    assert watts(replace(GPU, watts=None, idle_watts=None), 1.0) == 0


def test_the_curve_of_power_is_the_fitted_one_of_the_catalog() -> None:
    fitted = json.loads((files("inferfleet.catalog") / "performance.json").read_text())["power"]
    assert fitted == vars(POWER)


@given(shares, shares)
def test_more_use_never_takes_less_power_nor_less_of_it_for_use(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert watts(GPU, low) <= watts(GPU, high)
    assert used_watts(GPU, low) <= used_watts(GPU, high) + 1e-9
    assert 0 <= used_watts(GPU, high) <= watts(GPU, high)


@given(st.lists(st.tuples(shares, st.sampled_from(["chat", "code", "both"])), max_size=8), st.floats(0, 60))
def test_splitting_by_class_loses_and_adds_nothing(pods: list[tuple[float, str]], seconds: float) -> None:
    split_as = {"chat": {"chat": 1.0}, "code": {"code": 1.0}, "both": {"chat": 0.3, "code": 0.7}}
    uses = [use(utilization=u, shares=split_as[kind]) for u, kind in pods]
    found = accounts(uses, seconds).values()
    assert sum(s.usd for s in found) == pytest.approx(6.0 * seconds / 3600 * len(pods))
    assert sum(s.idle_usd for s in found) == pytest.approx(sum(6.0 * seconds / 3600 * (1 - u) for u, _ in pods))


# --- tokens and utilization ----------------------------------------------------------------


def test_tokens_between_two_scrapes_count_and_those_of_a_first_one_do_not() -> None:
    first, second = sample(0, generated=500, prompted=50), sample(2, generated=620, prompted=80)
    assert made(None, first) == Tokens()
    assert made(first, second) == Tokens(30, 120)
    assert made(second, second) == Tokens(), "nothing new was heard"


def test_a_container_that_was_restarted_counts_from_zero() -> None:
    assert made(sample(0, generated=500, prompted=50), sample(2, generated=20, prompted=60)) == Tokens(10, 20)


def test_utilization_is_the_larger_of_tokens_over_capacity_and_busy_slots() -> None:
    before = sample(0)
    assert utilization(before, sample(2, generated=100), Unit.GENERATED) == 0.5
    assert utilization(before, sample(2, generated=100, running=3), Unit.GENERATED) == 0.75
    assert utilization(before, sample(2, generated=1000), Unit.GENERATED) == 1
    assert utilization(before, sample(2, prompted=100, generated=1000), Unit.PROMPT) == 0.5
    assert utilization(None, sample(2, generated=100, running=1), Unit.GENERATED) == 0.25
    assert utilization(before, sample(2, generated=100, capacity=0), Unit.GENERATED) == 0
    assert utilization(None, None, Unit.GENERATED) == 0


# --- tenants -------------------------------------------------------------------------------

PAGE = """# TYPE inferfleet:tenant_prompt_tokens_total counter
inferfleet:tenant_prompt_tokens_total{model_name="a \\"}, b",tenant="acme"} 120.0
inferfleet:tenant_prompt_tokens_total{model_name="demo",tenant="big.corp-1"} 1e3
inferfleet:tenant_generation_tokens_total{model_name="demo",tenant="acme"} 40.0
inferfleet:tenant_generation_tokens_created{model_name="demo",tenant="acme"} 1.7e9
inferfleet:tenant_generation_tokens_total{model_name="demo",tenant="odd"} NaN
vllm:generation_tokens_total{model_name="demo"} 99
"""


@pytest.mark.parametrize("page", [PAGE, PAGE.replace("\n", "\r\n")], ids=["LF", "CRLF"])
def test_tenants_are_read_from_a_page(page: str) -> None:
    assert tenants.parse(page.encode()) == {"acme": Tokens(120, 40), "big.corp-1": Tokens(1000, 0)}
    assert tenants.parse(b'vllm:generation_tokens_total{tenant="x"} 1\n') == {}


def test_a_tenant_claims_what_grew_and_nothing_of_a_pod_seen_for_the_first_time() -> None:
    now = {"acme": Tokens(120, 40), "new": Tokens(5, 5), "quiet": Tokens(1, 1)}
    assert claimed(None, now) == {}
    assert claimed({"acme": Tokens(100, 10), "quiet": Tokens(1, 1)}, now) == {
        "acme": Tokens(20, 30),
        "new": Tokens(5, 5),
    }


def test_the_two_hundred_and_first_tenant_is_one_of_the_others() -> None:
    known, found = named(frozenset(), {f"t{i:03}": Tokens(1, 1) for i in range(MOST + 5)})
    assert len(known) == MOST
    assert found[OTHERS] == Tokens(5, 5)
    again, found = named(known, {"t000": Tokens(2, 0), "late": Tokens(1, 0)})
    assert again == known
    assert found == {"t000": Tokens(2, 0), OTHERS: Tokens(1, 0)}


def test_a_tenant_pays_the_share_of_its_tokens_weighed_by_their_prices() -> None:
    weights = Weights(prompted=1, generated=3)
    pot = filled(Pot(), use(utilization=0.5, tokens=Tokens(100, 100), weights=weights), 3600)
    assert (pot.usd, pot.weight) == (3.0, 400), "half of 6 USD an hour"
    reader, writer = Tokens(100, 0), Tokens(0, 50)
    left, paid = settle(pot, {"reader": (reader, weights.of(reader)), "writer": (writer, weights.of(writer))})
    assert paid["reader"].usd == pytest.approx(3.0 * 100 / 400)
    assert paid["writer"].usd == pytest.approx(3.0 * 150 / 400)
    assert (left.usd, left.weight) == (pytest.approx(3.0 * 150 / 400), 150)


def test_a_long_request_claims_in_the_end_what_was_used_for_it_before() -> None:
    pot = Pot()
    for _ in range(10):
        pot = filled(pot, use(utilization=1.0, tokens=Tokens(0, 100)), 36)
    left, paid = settle(pot, {"acme": (Tokens(0, 1000), 1000.0)})
    assert paid["acme"].usd == pytest.approx(0.6)
    assert left == Pot()


def test_what_nobody_claims_is_forgotten_and_a_claim_for_nothing_costs_nothing() -> None:
    pot = Pot(usd=1.0, joules=100.0, weight=10.0)
    assert emptied(pot, 3600).usd == pytest.approx(1 / 2.718281828)
    assert settle(Pot(), {"acme": (Tokens(), 0.0)}) == (Pot(), {"acme": Sum()})


@given(amounts, amounts, st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1e6)))
def test_tenants_together_never_pay_more_than_was_used(usd: float, weight: float, asked: dict[str, float]) -> None:
    left, paid = settle(Pot(usd, 0.0, weight), {t: (Tokens(0, w), w) for t, w in asked.items()})
    assert sum(s.usd for s in paid.values()) + left.usd == pytest.approx(usd)
    assert left.usd >= -1e-6 * usd
    assert left.weight >= 0


def test_what_a_tenant_pays_is_split_among_the_classes_of_a_placement() -> None:
    found = split({"acme": Sum(usd=1.0)}, use(shares={"chat": 0.25, "code": 0.75}))
    assert found[TenantAccount("ns", "demo", "code", "acme")].usd == 0.75


# --- means ---------------------------------------------------------------------------------


def test_nothing_is_said_in_the_first_minute() -> None:
    assert observed(ACCOUNT, later(NOTHING, Sum(usd=1.0), 59), 2.0, GPU) is None
    assert observed(ACCOUNT, later(NOTHING, Sum(usd=1.0), 60), 2.0, GPU) is not None


def test_a_constant_load_costs_by_hour_and_by_token_what_it_does() -> None:
    mean = NOTHING
    for _ in range(3600):
        mean = later(mean, booked(use(utilization=0.5, tokens=Tokens(400, 200)), 2.0), 2.0)
    found = observed(ACCOUNT, mean, 2.0, GPU)
    assert found
    assert found.usd_per_hour == pytest.approx(6.0)
    assert found.usd_per_month == pytest.approx(4380)
    assert found.utilization == pytest.approx(0.5)
    assert found.tokens_per_second == pytest.approx(100)
    assert found.usd_per_million == pytest.approx(6.0 / 360_000 * 1e6)
    assert found.watts == pytest.approx(watts(GPU, 0.5))
    assert found.joules_per_token == pytest.approx(watts(GPU, 0.5) / 100)


def test_the_mean_forgets_and_a_load_that_ended_has_no_price_of_a_token() -> None:
    mean = later(NOTHING, booked(use(tokens=Tokens(0, 1000)), 100), 100)
    for _ in range(100):
        mean = later(mean, booked(use(), 100), 100)
    found = observed(ACCOUNT, mean, 2.0, GPU)
    assert found
    assert (found.usd_per_million, found.joules_per_token) == (None, None)
    assert found.usd_per_hour == pytest.approx(6.0)
    assert mean.seconds < MEAN_SECONDS * 1.1


def test_without_price_or_power_there_is_no_figure_rather_than_a_zero() -> None:
    mean = later(NOTHING, booked(use(tokens=Tokens(10, 10)), 100), 100)
    bare = observed(ACCOUNT, mean, 2.0, Rate(2.0, None, None))
    assert bare
    assert (bare.usd_per_hour, bare.usd_per_month, bare.usd_per_million) == (None, None, None)
    assert (bare.watts, bare.joules_per_token) == (None, None)


def test_where_only_prompts_are_read_prompt_tokens_have_the_price() -> None:
    mean = later(NOTHING, booked(use(tokens=Tokens(1_000_000, 0)), 3600), 3600)
    found = observed(ACCOUNT, mean, 2.0, GPU)
    assert found
    assert found.usd_per_million == pytest.approx(6.0)
