"""The books of the scaling loop, over pods, pools and samples as the controller holds them."""

from dataclasses import replace

import make
import pytest
from harness import NOW, SETTINGS, stores, world
from prometheus_client import CollectorRegistry, generate_latest

from inferfleet.catalog import loader
from inferfleet.costing.tenants import parse
from inferfleet.costing.types import Account, Charges, Rate, Sum, TenantAccount, Tokens, Weights
from inferfleet.fleet.costs import MOST_SECONDS, Costs, rate_of, terms
from inferfleet.fleet.observe import Stores, observe
from inferfleet.fleet.plan import make_plan
from inferfleet.fleet.types import Obj, Plan, PoolView
from inferfleet.fleet.validate import validate
from inferfleet.metrics import ENDS_SECONDS, Spent
from inferfleet.names import placement_id, placement_name
from inferfleet.planning.ways import accelerators_of
from inferfleet.scaling.signal import PodSample, Window

KEY = ("default", "demo")
CHAT = Account("default", "demo", "chat", "cpu")
ENGINE, VARIANT = "llama-cpp", "q8-0"
HALF_A_CORE = 0.5 * 0.05
"""USD for an hour of a replica of `make.pool`."""


def pod(number: int = 1, *, bound: bool = True, label: str = "chat", engine: str = ENGINE, phase: str = "") -> Obj:
    """A pod of the demo on pool cpu."""
    found = {"model": "demo", "class": label, "pool": "cpu", "variant": VARIANT, "engine": engine}
    labels = {f"inferfleet.io/{name}": value for name, value in found.items()}
    labels["inferfleet.io/placement"] = placement_id("cpu", VARIANT, engine, label)
    conditions = [{"type": "PodScheduled", "status": str(bound)}]
    return {
        "metadata": {"name": f"pod-{number}", "namespace": "default", "uid": f"uid-{number}", "labels": labels},
        "status": {"conditions": conditions, "phase": phase},
    }


def tenants(**tokens: int) -> dict[str, Tokens]:
    """What a page says on which tenants have generated these tokens since the start."""
    lines = (
        f'inferfleet:tenant_generation_tokens_total{{model_name="m",tenant="{name}"}} {count}\n'
        for name, count in tokens.items()
    )
    return parse("".join(lines).encode())


class Books:
    """Costs over a small world, driven round by round, two seconds each."""

    def __init__(self, *pods: Obj, pool: Obj | None = None, class_: Obj | None = None) -> None:
        self.costs, self.now, self.pods = Costs(loader.load()), 1000.0, list(pods)
        self._world = stores(world(make.node(), pool or make.pool(), class_ or make.workload_class()))
        self._windows: dict[str, Window] = {}

    @property
    def stores(self) -> Stores:
        return replace(self._world, pods={("default", p["metadata"]["name"]): p for p in self.pods})

    def scrape(self, uid: str, **values: float) -> None:
        """A pod of four slots and 100 tokens per second says this."""
        zero = dict.fromkeys(
            ("arrivals", "generated", "finished", "finished_tokens", "running", "waiting", "prompted", "arrived"), 0.0
        )
        sample = PodSample(**{"at": self.now, "slots": 4.0, "capacity": 100.0, **zero, **values})  # type: ignore[arg-type]
        self._windows[uid] = (*self._windows.get(uid, ()), sample)

    def round(self, seconds: float = 2.0) -> Charges:
        found = list(self.costs.round(self.stores, self._windows, self.now))
        self.now += seconds
        accounts = {account: total for each in found for account, total in each.accounts.items()}
        return Charges(accounts, {account: total for each in found for account, total in each.tenants.items()})


# --- who pays what -------------------------------------------------------------------------


def test_what_is_allocated_is_paid_booting_and_leaving_included() -> None:
    leaving = pod(2)
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    books = Books(pod(1), leaving, pod(3, bound=False), pod(4, phase="Failed"))
    books.round()
    found = books.round().accounts[CHAT]
    assert found.usd == pytest.approx(2 * HALF_A_CORE * 2 / 3600)
    assert found.idle_usd == found.usd
    assert found.accelerator_seconds == 2.0


def test_the_first_round_books_nothing_and_a_late_one_no_more_than_half_a_minute() -> None:
    books = Books(pod())
    assert books.round(seconds=3600).accounts[CHAT].usd == 0, "another leader may have booked it"
    assert books.round().accounts[CHAT].usd == pytest.approx(HALF_A_CORE * MOST_SECONDS / 3600)


def test_tokens_and_use_follow_the_scrapes() -> None:
    books = Books(pod())
    books.scrape("uid-1", generated=1000, prompted=100)
    assert books.round().accounts[CHAT].generated == 0
    books.scrape("uid-1", generated=1100, prompted=150)
    found = books.round().accounts[CHAT]
    assert (found.prompted, found.generated) == (50, 100)
    assert found.idle_usd == pytest.approx(found.usd / 2)
    assert books.round().accounts[CHAT].generated == 0, "the same scrape is not booked twice"


def test_a_class_that_only_reads_is_used_by_prompt_tokens() -> None:
    books = Books(pod(), class_=make.workload_class(modality="Embedding"))
    books.scrape("uid-1")
    books.round()
    books.scrape("uid-1", prompted=100)
    found = books.round().accounts[CHAT]
    assert found.used_seconds == pytest.approx(0.5 * found.accelerator_seconds)


def test_a_replica_over_several_pieces_costs_all_of_them() -> None:
    books = Books(pod(engine="vllm.tp4.pp2"))
    books.round()
    assert books.round().accounts[CHAT].usd == pytest.approx(8 * HALF_A_CORE * 2 / 3600)
    assert [accelerators_of(how) for how in ("vllm", "vllm.tp4", "vllm.dp2.ep8", "new.xx3")] == [1, 4, 2, 1]


def test_a_pod_of_a_pool_that_is_gone_has_no_price_and_is_still_counted() -> None:
    stray = pod()
    stray["metadata"]["labels"]["inferfleet.io/pool"] = "sold"
    books = Books(stray)
    books.round()
    found = books.round().accounts[Account("default", "demo", "chat", "sold")]
    assert (found.usd, found.joules, found.accelerator_seconds) == (0, 0, 2)


def test_pods_whose_labels_were_meddled_with_are_nobodys() -> None:
    stranger = pod()
    del stranger["metadata"]["labels"]["inferfleet.io/pool"]
    books = Books(stranger)
    books.round()
    assert books.round().accounts == {}


def test_a_placement_for_several_classes_is_split_evenly_while_nobody_knows_better() -> None:
    books = Books(pod(label="chat_code"))
    books.round()
    found = books.round().accounts
    assert {account.class_: total.usd for account, total in found.items()} == {
        "chat": pytest.approx(HALF_A_CORE / 3600),
        "code": pytest.approx(HALF_A_CORE / 3600),
    }


def test_the_rate_of_a_pool_is_its_price_and_its_own_power_before_the_presets() -> None:
    cluster = world(make.pool(power={"maxWatts": 10}))
    (view,) = (PoolView(n, {}, s.spec) for n, s in _views(stores(cluster)).items())
    assert rate_of(view, loader.load()) == Rate(0.5, 0.05, 5.0, 0.5)
    gpus = make.pool(price=None, accelerator="nvidia-h100-80gb", nodes={"acceleratorsPerNode": 8})
    (view,) = _views(stores(world(gpus))).values()
    assert rate_of(view, loader.load()) == Rate(1.0, None, 700.0, 70.0)
    (view,) = _views(stores(world(make.pool()))).values()
    assert rate_of(view, loader.load()).watts is None, "the preset of these CPUs states no power"


def _views(held: Stores) -> dict[str, PoolView]:
    from inferfleet.fleet.observe import read_pools

    return {name: view for name, view in read_pools(held).items() if isinstance(view, PoolView)}


def test_models_are_booked_apart_and_one_that_has_no_pods_any_more_is_forgotten() -> None:
    other = pod(2)
    other["metadata"]["labels"]["inferfleet.io/model"] = "other"
    books = Books(pod(), other)
    for _ in range(31):
        found = books.round()
    assert {account.model: total.usd for account, total in found.accounts.items()} == {
        "demo": pytest.approx(HALF_A_CORE * 2 / 3600),
        "other": pytest.approx(HALF_A_CORE * 2 / 3600),
    }
    assert [o.account for o in books.costs.observed(KEY) or ()] == [CHAT]
    del books.pods[0]
    assert {account.model for account in books.round().accounts} == {"other"}
    assert books.costs.observed(KEY) == ()


# --- tenants -------------------------------------------------------------------------------


def test_a_tenant_pays_what_was_used_for_its_tokens() -> None:
    books = Books(pod())
    books.scrape("uid-1")
    books.costs.heard({"uid-1": tenants(acme=1000)})
    assert books.round().tenants == {}, "what it had before we looked was booked by another"
    books.scrape("uid-1", generated=100)
    books.costs.heard({"uid-1": tenants(acme=1050, new=50)})
    charges = books.round()
    used = charges.accounts[CHAT].usd - charges.accounts[CHAT].idle_usd
    acme = charges.tenants[TenantAccount("default", "demo", "chat", "acme")]
    assert acme.generated == 50
    assert acme.usd == pytest.approx(used / 2)
    assert charges.tenants[TenantAccount("default", "demo", "chat", "new")].usd == pytest.approx(used / 2)


def test_a_scrape_that_fails_loses_no_tokens_of_a_tenant() -> None:
    books = Books(pod())
    for tokens in (0, None, 60):
        books.scrape("uid-1", generated=tokens or 0)
        books.costs.heard({} if tokens is None else {"uid-1": tenants(acme=tokens)})
        charges = books.round()
    assert charges.tenants[TenantAccount("default", "demo", "chat", "acme")].generated == 60


# --- what a plan knows ---------------------------------------------------------------------


def planned(*classes: str, **demand: int) -> Plan:
    """Of the demo with these classes."""
    workloads = [
        {"class": c, "demand": {"requestsPerSecond": demand[c]}} if c in demand else {"class": c} for c in classes
    ]
    cluster = world(make.node(), make.pool(), *map(make.workload_class, classes), make.model(workloads=workloads))
    seen = observe(KEY, stores(cluster), NOW, 1e9)
    assert seen
    return make_plan(seen, validate(seen, loader.load(), SETTINGS), {})


def test_a_plan_tells_what_tokens_of_each_kind_cost() -> None:
    plan = planned("chat")
    ((placement,),) = (w.placements for w in plan.workloads)
    found = terms(plan.workloads[0])[placement.name]
    assert placement.evaluated
    assert placement.evaluated.costs
    assert found.weights == Weights(float(placement.evaluated.costs.input), float(placement.evaluated.costs.output))
    assert found.shares is None


def test_classes_on_one_placement_share_its_cost_as_they_declare_tokens() -> None:
    chat, code = planned("chat", "code", chat=1, code=3).workloads
    assert chat.valid
    assert code.valid
    both = replace(chat, class_="chat_code", valid=replace(chat.valid, members=(chat.valid, code.valid)))
    (found,) = terms(both).values()
    assert found.shares == {"chat": 0.25, "code": 0.75}


def test_the_planned_power_goes_before_that_of_the_pool() -> None:
    plan = planned("chat")
    (workload,) = plan.workloads
    (placement,) = workload.placements
    assert placement.evaluated
    known = replace(placement.evaluated, prediction=replace(placement.evaluated.prediction, watts=7.0))
    plan = replace(plan, workloads=(replace(workload, placements=(replace(placement, evaluated=known),)),))
    mine = pod()
    mine["metadata"]["labels"] |= dict(
        zip(("inferfleet.io/pool", "inferfleet.io/variant", "inferfleet.io/engine"), placement.identity, strict=True)
    )
    mine["metadata"]["labels"]["inferfleet.io/placement"] = placement_id(*placement.identity)
    assert placement_name("demo", "chat", placement_id(*placement.identity)) == placement.name
    books = Books(mine, pool=make.pool(power={"maxWatts": 20}))
    books.costs.plan(KEY, plan)
    books.scrape("uid-1")
    books.round()
    books.scrape("uid-1", running=4)
    (found,) = books.round().accounts.values()
    assert found.joules == pytest.approx(14.0)
    books.costs.plan(KEY, None)
    (found,) = books.round().accounts.values()
    assert found.joules == pytest.approx(20.0), "the design power of half a core, since nothing is planned any more"


# --- what status is told -------------------------------------------------------------------


def test_nothing_is_said_before_a_minute_was_seen_and_then_what_is_there() -> None:
    books = Books(pod())
    for _ in range(31):
        assert books.costs.observed(KEY) is None
        books.round()
    (found,) = books.costs.observed(KEY) or ()
    assert found.account == CHAT
    assert found.usd_per_hour == pytest.approx(HALF_A_CORE)
    assert books.costs.observed(("default", "other")) == ()
    books.pods = []
    books.round()
    assert books.costs.observed(KEY) == ()


def test_accelerators_are_those_of_now_and_the_month_is_a_mean() -> None:
    books = Books(pod(1))
    for _ in range(40):
        books.round()
    books.pods = [pod(n) for n in range(1, 5)]
    books.round()
    (found,) = books.costs.observed(KEY) or ()
    assert found.accelerators == 2.0
    assert HALF_A_CORE < (found.usd_per_hour or 0) < 1.2 * HALF_A_CORE


# --- as metrics ----------------------------------------------------------------------------


def test_charges_become_counters_with_the_labels_of_the_fleets_other_series() -> None:
    registry = CollectorRegistry()
    spent = Spent(registry)
    charges = Charges(
        {CHAT: Sum(1.0, 0.25, 10.0, 4.0, 3.0, 7.0, 9.0)},
        {TenantAccount("default", "demo", "chat", "acme"): Sum(usd=0.5, joules=5.0, prompted=1.0, generated=2.0)},
    )
    spent.add(charges)
    spent.add(charges)
    text = generate_latest(registry).decode()
    where = 'model="demo",namespace="default",pool="cpu",workload_class="chat"'
    assert f"inferfleet_cost_usd_total{{{where}}} 2.0" in text
    assert f"inferfleet_idle_cost_usd_total{{{where}}} 0.5" in text
    assert f"inferfleet_energy_joules_total{{{where}}} 20.0" in text
    assert f"inferfleet_accelerator_seconds_total{{{where}}} 8.0" in text
    assert f"inferfleet_used_accelerator_seconds_total{{{where}}} 6.0" in text
    assert f'inferfleet_tokens_total{{direction="output",{where}}} 18.0' in text
    tenant = 'model="demo",namespace="default",tenant="acme",workload_class="chat"'
    assert f"inferfleet_tenant_cost_usd_total{{{tenant}}} 1.0" in text
    assert f'inferfleet_tenant_tokens_total{{direction="input",{tenant}}} 2.0' in text


def test_the_series_of_a_model_that_is_gone_end_after_prometheus_has_read_them() -> None:
    registry = CollectorRegistry()
    spent = Spent(registry)
    spent.add(Charges({CHAT: Sum(usd=1.0), replace(CHAT, model="stays"): Sum(usd=1.0)}, {}))
    for now, there in ((0.0, True), (ENDS_SECONDS - 1, True), (ENDS_SECONDS, False)):
        spent.keep([("default", "stays")], now)
        text = generate_latest(registry).decode()
        assert ('model="demo"' in text) is there
        assert 'model="stays"' in text
    spent.add(Charges({CHAT: Sum(usd=3.0)}, {}))
    assert 'inferfleet_cost_usd_total{model="demo",namespace="default",pool="cpu",workload_class="chat"} 3.0' in (
        generate_latest(registry).decode()
    )
