"""Statements of costs: from statuses and from sums to tables, JSON and FOCUS files."""

import csv
import io
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from inferfleet.costing.statement import from_prometheus as sums
from inferfleet.costing.statement.focus import COLUMNS, Payer, focus, number
from inferfleet.costing.statement.from_status import charges, facts, statement
from inferfleet.costing.statement.rows import Charge, Facts, Figures, Row, Statement, total, totals
from inferfleet.costing.statement.table import table
from inferfleet.kube.kinds import Obj
from inferfleet.metrics import Metrics

NOW = datetime(2026, 3, 31, 14, 25, 7, tzinfo=UTC)
PAYER = Payer("Platform team", "prod-eu")
COST = {
    "class": "chat",
    "pool": "h100",
    "accelerators": "4",
    "pricePerAcceleratorHour": "2.5",
    "costPerHour": "10",
    "costPerMonth": "7300",
    "costPer1MTokens": "1.4",
    "joulesPerToken": "0.8",
    "watts": 2400,
    "tokensPerSecond": 2000,
    "utilizationPercent": 75,
}
PLACEMENT = {"classes": ["chat"], "state": "Serving", "pool": "h100", "replicas": 2, "ready": 1}


def model(name: str = "demo", *costs: Mapping[str, object], namespace: str = "team", **spec: object) -> Obj:
    """A Model with a status, as kubectl prints it."""
    placement = PLACEMENT | {"name": f"{name}-chat-1", "variant": "fp8", "engine": "vllm"}
    status = {"placements": [placement], "costs": list(costs), "summary": {}}
    return {"kind": "Model", "metadata": {"name": name, "namespace": namespace}, "spec": spec, "status": status}


def row(text: str) -> list[str]:
    """Cells of a table's line."""
    return text.split()


# --- of statuses ---------------------------------------------------------------------------


def test_a_row_says_what_the_status_does() -> None:
    (found,) = statement([model("demo", COST)]).rows
    assert (found.namespace, found.model, found.class_, found.pool) == ("team", "demo", "chat", "h100")
    assert (found.replicas, found.usd_per_million, found.joules_per_token) == ("1/2", 1.4, 0.8)
    assert found.figures == Figures(None, 10.0, 7300.0, 1825.0, 2400.0, 7_200_000.0, 4.0, 3.0, 7_200_000.0, 7_200_000.0)
    assert found.figures.utilization == 0.75


def test_groups_add_up_and_weigh_tokens_by_how_many_there_were() -> None:
    other = COST | {"class": "code", "pool": "l4", "costPerMonth": "730", "costPerHour": "1", "tokensPerSecond": 500}
    rows = statement([model("a", COST), model("b", other, namespace="lab")]).rows
    found = totals(rows, "namespace")
    assert list(found) == ["lab", "team"]
    assert found["lab"].usd_per_month == 730
    both = total(rows)
    assert both.usd_per_month == 8030
    assert both.usd_per_million == pytest.approx(8030 / 730 / (2500 * 3600) * 1e6)
    assert list(totals(rows, "model")) == ["lab/b", "team/a"]


def test_what_is_not_known_of_one_pool_hides_nothing_of_another() -> None:
    unpriced = {k: v for k, v in COST.items() if not k.startswith(("cost", "price"))} | {"pool": "own"}
    found = statement([model("demo", COST, unpriced)])
    assert total(found.rows).usd_per_hour == 10
    assert found.rows[1].figures.usd_per_hour is None
    assert found.notes == ("no cost is known on pools without spec.price: own",)


def test_tokens_of_unknown_cost_or_power_make_those_of_others_no_cheaper() -> None:
    dark = {k: v for k, v in COST.items() if k not in ("costPerHour", "costPerMonth", "watts")} | {"pool": "own"}
    one, both = (total(statement([model("demo", COST, *more)]).rows) for more in ((), (dark,)))
    assert both.tokens_per_hour == 2 * (one.tokens_per_hour or 0)
    assert (both.usd_per_million, both.joules_per_token) == (one.usd_per_million, one.joules_per_token)


def test_models_that_nobody_has_observed_are_noted_and_a_strange_status_is_none() -> None:
    strange = model("strange") | {"status": {"costs": "dear"}}
    found = statement([model(f"m{i}") for i in range(6)] + [strange])
    assert found.rows == ()
    assert found.notes[0].startswith(
        "no costs are observed of team/m0, team/m1, team/m2, team/m3, team/m4 and 2 more: "
    )


def test_a_table_has_a_row_for_each_workload_and_pool_and_what_they_add_up_to() -> None:
    cheap = COST | {"class": "code", "pool": "cpu", "costPerHour": "0.018", "costPerMonth": "13"}
    text = table(statement([model("demo", COST, cheap)]), "pool")
    cells = [line.split() for line in text.splitlines()]
    assert cells[0] == row("MODEL CLASS POOL REPLICAS ACCEL USD/H USD/MONTH IDLE/MONTH USD/1M J/TOKEN USED")
    assert cells[1] == row("team/demo chat h100 1/2 4 10 7300 1825 1.4 0.8 75%")
    assert cells[2] == row("team/demo code cpu 0/0 4 0.018 13 3.25 1.4 0.8 75%")
    assert cells[4] == row("POOL ACCEL USD/H USD/MONTH IDLE/MONTH USD/1M J/TOKEN USED")
    assert cells[-1] == row("total 8 10 7313 1828 0.696 1.2 75%")


# --- of sums -------------------------------------------------------------------------------

KEY = ("team", "demo", "chat", "h100")
ANSWERS = {
    "cost_usd": {KEY: 240.0},
    "idle_cost_usd": {KEY: 60.0},
    "energy_joules": {KEY: 1e8},
    "accelerator_seconds": {KEY: 4 * 86_400.0, ("team", "old", "chat", "h100"): 0.0},
    "used_accelerator_seconds": {KEY: 3 * 86_400.0},
    "tokens": {(*KEY, "input"): 5e8, (*KEY, "output"): 1e8},
}
DAY = sums.Period(NOW - timedelta(days=1), NOW, 86_400.0)


def test_sums_of_a_period_become_rates_and_a_projected_month() -> None:
    found = sums.statement(ANSWERS, DAY)
    (only,) = found.rows
    assert (only.model, only.figures.usd, only.figures.usd_per_hour) == ("demo", 240, 10)
    assert only.figures.usd_per_month == 7300
    assert only.figures.idle_per_month == 1825
    assert only.figures.usd_per_million == pytest.approx(2.4)
    assert only.figures.joules_per_token == pytest.approx(1.0)
    assert (only.figures.accelerators, only.figures.utilization) == (4, 0.75)
    assert found.notes == ()
    assert table(found, "namespace").startswith("2026-03-30 14:25 to 2026-03-31 14:25 UTC\n")


def test_a_history_that_is_shorter_than_asked_is_noted_and_projected_from_what_there_is() -> None:
    month = sums.Period(NOW - timedelta(days=30), NOW, 86_400.0)
    found = sums.statement(ANSWERS, month)
    assert found.rows[0].figures.usd_per_month == 7300
    assert found.notes == ("Prometheus has 1.0 of the 30.0 days: sums are of these, months are projected from them",)


def test_where_nothing_is_generated_tokens_are_those_that_were_read() -> None:
    answers = ANSWERS | {"tokens": {(*KEY, "input"): 24e6}}
    assert sums.statement(answers, DAY).rows[0].figures.usd_per_million == pytest.approx(10.0)


def test_use_without_a_price_has_no_dollars_rather_than_none_to_pay() -> None:
    found = sums.statement(ANSWERS | {"cost_usd": {KEY: 0.0}, "idle_cost_usd": {}}, DAY)
    assert found.rows[0].figures.usd is None
    assert found.notes == ("no cost is known on pools without spec.price: h100",)


def test_tenants_have_what_they_used() -> None:
    key = ("team", "demo", "chat", "acme")
    answers = {
        "tenant_cost_usd": {key: 24.0},
        "tenant_energy_joules": {key: 1e6},
        "tenant_tokens": {(*key, "output"): 1e6},
    }
    found = sums.by_tenant(answers, DAY)
    assert found.rows[0].tenant == "acme"
    cells = [line.split() for line in table(found, "tenant").splitlines()]
    assert cells[2] == row("MODEL CLASS TENANT USD USD/H USD/MONTH USD/1M J/TOKEN")
    assert cells[3] == row("team/demo chat acme 24.00 1.00 730.00 24 1")
    assert cells[-1] == row("total 24.00 1.00 730.00 24 1")


@pytest.mark.parametrize("counter", [*sums.ACCOUNTS, *sums.TENANTS])
def test_questions_are_promql_of_counters_and_labels_that_exist(counter: str) -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    labels = (sums.ACCOUNTS | dict(sums.TENANTS))[counter]
    promql_parser.parse(sums.question(counter, labels, 3600, "team"))
    promql_parser.parse(sums.coverage(3600))
    (collector,) = {c for c, names in registry._collector_to_names.items() if f"inferfleet_{counter}_total" in names}
    assert set(labels) == set(getattr(collector, "_labelnames"))  # noqa: B009


def test_queries_of_the_handbook_are_promql_of_counters_that_exist() -> None:
    page = (Path(__file__).parents[2] / "docs/cost.md").read_text()
    queries = re.findall(r"```promql\n(.*?)```", page, re.DOTALL)
    registry = CollectorRegistry()
    Metrics(registry)
    there = {f"{family.name}_total" for family in registry.collect()}
    assert len(queries) >= 4
    for query in queries:
        promql_parser.parse(query)
        assert set(re.findall(r"inferfleet_[a-z_]+", query)) <= there


# --- FOCUS ---------------------------------------------------------------------------------

MANDATORY = {
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart",
    "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd", "ChargePeriodStart", "ContractedCost",
    "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName",
    "ServiceCategory", "ServiceName",
}  # fmt: skip
"""Of FOCUS 1.2, by the feature levels of its columns."""
MAY_BE_NULL = {"ChargeClass", "RegionId", "RegionName"} | {name for name in COLUMNS if name.startswith("x_")}
"""Of what is here, for usage that is no correction."""
NUMBERS = {name for name in COLUMNS if name.endswith(("Cost", "Price", "Quantity"))}
TIMES = {name for name in COLUMNS if name.endswith(("PeriodStart", "PeriodEnd"))}
NUMERIC = re.compile(r"-?[0-9]+(\.[0-9]+)?")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def conforms(line: Mapping[str, str]) -> None:
    """What FOCUS 1.2 demands of a line of usage, as far as its columns are here."""
    assert {name for name, value in line.items() if not value} <= MAY_BE_NULL
    for name in NUMBERS - {"x_IdleCost"}:
        assert NUMERIC.fullmatch(line[name]), (name, line[name])
    for name in TIMES:
        assert TIME.fullmatch(line[name]), (name, line[name])
    assert line["BillingPeriodStart"] <= line["ChargePeriodStart"] < line["ChargePeriodEnd"] <= line["BillingPeriodEnd"]
    quantity, price = Decimal(line["PricingQuantity"]), Decimal(line["ListUnitPrice"])
    assert quantity * price == Decimal(line["ListCost"]) == Decimal(line["ContractedCost"])
    assert re.fullmatch(r"[A-Z]{3}", line["BillingCurrency"])
    assert line["ChargeCategory"] in ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
    assert line["ChargeFrequency"] in ("One-Time", "Recurring", "Usage-Based")
    assert line["PricingCategory"] in ("Standard", "Dynamic", "Committed", "Other")
    assert isinstance(json.loads(line["Tags"]), dict)


def test_a_file_has_every_mandatory_column_in_order_and_its_own_under_a_prefix() -> None:
    header = focus([], PAYER, Facts()).splitlines()[0].split(",")
    assert set(header) >= MANDATORY
    assert header == [*sorted(n for n in header if not n.startswith("x_")), *sorted(n for n in header if n[:2] == "x_")]
    assert all(re.fullmatch(r"(x_)?[A-Z][A-Za-z0-9]{0,47}", name) for name in header)


def test_a_status_makes_the_running_hour_at_the_exact_price() -> None:
    pool = {
        "kind": "HardwarePool",
        "metadata": {"name": "h100"},
        "spec": {"nodes": {"selector": {"topology.kubernetes.io/region": "eu-west-1"}}},
    }
    mine = model("demo", COST | {"accelerators": "3"}, podMetadata={"labels": {"example.com/cost-centre": "4711"}})
    (line,) = lines(focus(charges([mine], NOW), PAYER, facts([mine, pool])))
    conforms(line)
    assert (line["BilledCost"], line["PricingQuantity"], line["ListUnitPrice"]) == ("7.5", "3", "2.5")
    assert (line["ChargePeriodStart"], line["ChargePeriodEnd"]) == ("2026-03-31T14:00:00Z", "2026-03-31T15:00:00Z")
    assert (line["BillingPeriodStart"], line["BillingPeriodEnd"]) == ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")
    assert line["RegionId"] == "eu-west-1"
    assert line["SubAccountId"] == "team"
    assert json.loads(line["Tags"]) == {
        "example.com/cost-centre": "4711",
        "inferfleet.io/class": "chat",
        "inferfleet.io/model": "demo",
        "inferfleet.io/pool": "h100",
    }


def test_what_has_no_price_or_no_pods_is_no_line_of_a_bill() -> None:
    unpriced = {k: v for k, v in COST.items() if k != "pricePerAcceleratorHour"}
    assert charges([model("a", unpriced), model("b", COST | {"accelerators": "0"})], NOW) == []
    assert sums.charges(ANSWERS | {"cost_usd": {KEY: 0.0}}, NOW, NOW) == []


def test_a_day_of_sums_is_a_line_with_idle_cost_tokens_and_energy() -> None:
    start = datetime(2026, 12, 31, tzinfo=UTC)
    (line,) = lines(focus(sums.charges(ANSWERS, start, start + sums.DAY), PAYER, Facts()))
    conforms(line)
    assert line["BillingPeriodEnd"] == line["ChargePeriodEnd"] == "2027-01-01T00:00:00Z"
    assert (line["PricingQuantity"], line["ListUnitPrice"], line["EffectiveCost"]) == ("96", "2.5", "240")
    assert (line["x_IdleCost"], line["x_EnergyJoules"]) == ("60", "100000000")
    assert (line["x_InputTokens"], line["x_OutputTokens"]) == ("500000000", "100000000")


@given(
    st.floats(1e-3, 1e7),
    st.floats(1e-3, 1e6),
    st.datetimes(datetime(2020, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC)),
    st.text(max_size=20),
)
def test_every_line_conforms_whatever_the_amounts_names_and_days(
    usd: float, hours: float, at: datetime, name: str
) -> None:
    start = sums.midnight(at)
    charge = Charge("team", f"m{name}", "chat", "pool", start, start + sums.DAY, usd, hours)
    (line,) = lines(focus([charge], PAYER, Facts()))
    conforms(line)
    assert float(line["BilledCost"]) == pytest.approx(usd, rel=1e-2, abs=hours * 1e-6)


@pytest.mark.parametrize(
    ("value", "text"), [("0", "0"), ("10", "10"), ("1E+3", "1000"), ("0.500000", "0.5"), ("1E-7", "0.0000001")]
)
def test_numbers_have_no_exponent_and_no_zeros_at_the_end(value: str, text: str) -> None:
    assert number(Decimal(value)) == text


def test_days_begin_at_midnight_utc() -> None:
    assert sums.whole_days(NOW - timedelta(days=2), NOW) == [
        datetime(2026, 3, 29, tzinfo=UTC),
        datetime(2026, 3, 30, tzinfo=UTC),
    ]
    assert sums.whole_days(NOW - timedelta(hours=1), NOW) == []


def test_an_empty_statement_is_a_table_of_headings() -> None:
    assert table(Statement(()), "namespace").splitlines()[-1].split()[0] == "total"
    assert total([Row("a", "b", "c", "d", Figures())]) == Figures()
