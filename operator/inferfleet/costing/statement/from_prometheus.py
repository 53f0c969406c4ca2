"""A statement of what Prometheus has added up: the questions, and what the answers mean. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from inferfleet.costing.statement.rows import UNPRICED, Charge, Figures, Row, Statement
from inferfleet.costing.types import HOUR, MONTH_HOURS

Labels = tuple[str, ...]
Answer = Mapping[Labels, float]
"""Values by those of the labels that were asked for, in their order."""
ACCOUNT = ("namespace", "model", "workload_class", "pool")
TENANT = ("namespace", "model", "workload_class", "tenant")
DIRECTION = "direction"
ACCOUNTS: Mapping[str, Labels] = {
    "cost_usd": ACCOUNT,
    "idle_cost_usd": ACCOUNT,
    "energy_joules": ACCOUNT,
    "accelerator_seconds": ACCOUNT,
    "used_accelerator_seconds": ACCOUNT,
    "tokens": (*ACCOUNT, DIRECTION),
}
"""Counters of `metrics.Spent` by their names without prefix and suffix, and labels to add up by."""
TENANTS: Mapping[str, Labels] = {
    "tenant_cost_usd": TENANT,
    "tenant_energy_joules": TENANT,
    "tenant_tokens": (*TENANT, DIRECTION),
}
STEP = 300
"""Seconds between two looks at whether there was an operator: a month has 9,000 of them."""
DAY = timedelta(days=1)
_SPARSE = 0.95
"""A period with less of it observed is noted."""


def question(counter: str, labels: Labels, seconds: int, namespace: str = "") -> str:
    """PromQL: growth of a counter in the seconds before the time that it is asked for, over all operators.

    Two of them never book the same time, so that their counters can be added.
    """
    chosen = f'{{namespace="{namespace}"}}' if namespace else ""
    return f"sum by ({', '.join(labels)}) (increase(inferfleet_{counter}_total{chosen}[{seconds}s]))"


def coverage(seconds: int) -> str:
    """PromQL: in how many steps of the period there was an operator."""
    return f"count_over_time(count(inferfleet_leader)[{seconds}s:{STEP}s])"


@dataclass(frozen=True)
class Period:
    """What is asked for, and how much of it was observed."""

    start: datetime
    end: datetime
    seen: float
    """Seconds."""

    @property
    def seconds(self) -> float:
        """From start to end."""
        return (self.end - self.start).total_seconds()

    @property
    def hours(self) -> float:
        """That were observed: what a mean by the hour is made of."""
        return min(self.seen, self.seconds) / HOUR

    @property
    def notes(self) -> tuple[str, ...]:
        """Where a reader would take a part for the whole."""
        if self.seen >= _SPARSE * self.seconds:
            return ()
        seen, asked = self.seen / DAY.total_seconds(), self.seconds / DAY.total_seconds()
        return (
            f"Prometheus has {seen:.1f} of the {asked:.1f} days: sums are of these, months are projected from them",
        )


def statement(answers: Mapping[str, Answer], period: Period) -> Statement:
    """By workload and pool. `answers` by the name of the counter."""
    accounts = sorted({key[: len(ACCOUNT)] for answer in answers.values() for key in answer})
    rows = [row for key in accounts if (row := _row(key, answers, period))]
    unpriced = sorted({row.pool for row in rows if row.figures.usd is None})
    notes = (*period.notes, *([UNPRICED + ", ".join(unpriced)] if unpriced else ()))
    return Statement(tuple(rows), notes, period.start, period.end)


def by_tenant(answers: Mapping[str, Answer], period: Period) -> Statement:
    """By workload and tenant: what was used, without idle cost."""
    tenants = sorted({key[: len(TENANT)] for answer in answers.values() for key in answer})
    rows = []
    for key in tenants:
        namespace, model, class_, tenant = key
        usd, joules = answers["tenant_cost_usd"].get(key), answers["tenant_energy_joules"].get(key)
        figures = _rates(usd, joules, _tokens(answers["tenant_tokens"], key), period)
        rows.append(Row(namespace, model, class_, "", figures, tenant=tenant))
    return Statement(tuple(rows), period.notes, period.start, period.end)


def _row(key: Labels, answers: Mapping[str, Answer], period: Period) -> Row | None:
    """None of a series that is there and did not grow: what has ended before the period began."""
    held = answers["accelerator_seconds"].get(key, 0.0)
    if held <= 0:
        return None
    namespace, model, class_, pool = key
    usd = answers["cost_usd"].get(key) or None
    rates = _rates(usd, answers["energy_joules"].get(key) or None, _tokens(answers["tokens"], key), period)
    idle = answers["idle_cost_usd"].get(key, 0.0)
    seconds = period.hours * HOUR
    figures = replace(
        rates,
        idle_per_month=None if usd is None else idle / period.hours * MONTH_HOURS,
        accelerators=held / seconds,
        used_accelerators=answers["used_accelerator_seconds"].get(key, 0.0) / seconds,
    )
    return Row(namespace, model, class_, pool, figures)


def _rates(usd: float | None, joules: float | None, tokens: float, period: Period) -> Figures:
    hours = period.hours
    return Figures(
        usd=usd,
        usd_per_hour=None if usd is None else usd / hours,
        usd_per_month=None if usd is None else usd / hours * MONTH_HOURS,
        watts=None if joules is None else joules / (hours * HOUR),
    ).of_tokens(tokens / hours)


def _tokens(answer: Answer, key: Labels) -> float:
    """Those that were generated; where none were, those that were read."""
    return answer.get((*key, "output"), 0.0) or answer.get((*key, "input"), 0.0)


# --- days, for bills -----------------------------------------------------------------------


def midnight(at: datetime) -> datetime:
    """The beginning of its day, UTC."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def charges(answers: Mapping[str, Answer], start: datetime, end: datetime) -> list[Charge]:
    """Of one day, or a part of it, what has a price."""
    found = []
    for key, usd in sorted(answers["cost_usd"].items()):
        hours = answers["accelerator_seconds"].get(key, 0.0) / HOUR
        if usd <= 0 or hours <= 0:
            continue
        extra = {
            "x_IdleCost": answers["idle_cost_usd"].get(key, 0.0),
            "x_EnergyJoules": answers["energy_joules"].get(key, 0.0),
            "x_InputTokens": answers["tokens"].get((*key, "input"), 0.0),
            "x_OutputTokens": answers["tokens"].get((*key, "output"), 0.0),
        }
        namespace, model, class_, pool = key
        found.append(Charge(namespace, model, class_, pool, start, end, usd, hours, extra=extra))
    return found


def whole_days(start: datetime, end: datetime) -> list[datetime]:
    """The first moments of all days that lie in the time."""
    first, last = midnight(start), midnight(end)
    return [first + DAY * i for i in range((last - first).days)]
