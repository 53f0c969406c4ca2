"""What a statement of costs has, whatever it was read from. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from types import MappingProxyType

from inferfleet.costing.types import MONTH_HOURS

MILLION = 1e6
UNPRICED = "no cost is known on pools without spec.price: "


@dataclass(frozen=True)
class Figures:
    """Amounts that can be added up. None: not known, which is not 0."""

    usd: float | None = None
    """Of the whole period; of a status, which has none, None."""
    usd_per_hour: float | None = None
    usd_per_month: float | None = None
    """Of 730 hours like those that were seen."""
    idle_per_month: float | None = None
    """The part of it for what was not used."""
    watts: float | None = None
    tokens_per_hour: float | None = None
    """Generated; prompt tokens where nothing is generated."""
    accelerators: float | None = None
    used_accelerators: float | None = None
    priced_tokens: float | None = None
    """Those of `tokens_per_hour` whose cost is known: the others have no part in the price of a token."""
    powered_tokens: float | None = None
    """Those whose power is known."""

    @property
    def usd_per_million(self) -> float | None:
        """USD per million of these tokens, idle time included."""
        if self.usd_per_month is None or not self.priced_tokens:
            return None
        return self.usd_per_month / MONTH_HOURS / self.priced_tokens * MILLION

    @property
    def joules_per_token(self) -> float | None:
        """Idle time included."""
        return None if self.watts is None or not self.powered_tokens else self.watts * 3600 / self.powered_tokens

    @property
    def utilization(self) -> float | None:
        """0 to 1."""
        if self.used_accelerators is None or not self.accelerators:
            return None
        return self.used_accelerators / self.accelerators

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(*(_plus(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)))

    def of_tokens(self, per_hour: float) -> "Figures":
        """With the tokens that these amounts were for."""
        return replace(
            self,
            tokens_per_hour=per_hour,
            priced_tokens=None if self.usd_per_month is None else per_hour,
            powered_tokens=None if self.watts is None else per_hour,
        )


def _plus(one: float | None, other: float | None) -> float | None:
    """What is not known of one pool hides nothing that is known of another."""
    known = [value for value in (one, other) if value is not None]
    return sum(known) if known else None


@dataclass(frozen=True)
class Row:
    """One workload on one pool, or one tenant of a workload."""

    namespace: str
    model: str
    class_: str
    pool: str
    """Empty for a tenant: its tokens are not told apart by pool."""
    figures: Figures
    tenant: str = ""
    replicas: str = ""
    """ready/wanted; empty where only sums are known."""
    usd_per_million: float | None = None
    """As stated by what was read, which knows more digits than its other figures; None: from these."""
    joules_per_token: float | None = None


@dataclass(frozen=True)
class Charge:
    """What one workload cost on one pool in a time: a line of a bill."""

    namespace: str
    model: str
    class_: str
    pool: str
    start: datetime
    end: datetime
    usd: float
    accelerator_hours: float
    price: float | None = None
    """USD for one accelerator-hour, where it is known exactly; None: what the two numbers above say."""
    extra: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Further amounts by the name of a column."""


@dataclass(frozen=True)
class Facts:
    """What a bill says of its objects beside money, as far as it is known."""

    regions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """By pool."""
    tags: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    """Labels of users, by namespace and model."""


@dataclass(frozen=True)
class Statement:
    """All rows of it, in order."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    """What the reader should know before he believes it."""
    start: datetime | None = None
    """Of the period that was added up; None: these are rates of now."""
    end: datetime | None = None


GROUPS: Mapping[str, Callable[[Row], str]] = MappingProxyType(
    {
        "namespace": lambda row: row.namespace,
        "model": lambda row: f"{row.namespace}/{row.model}",
        "class": lambda row: row.class_,
        "pool": lambda row: row.pool,
        "tenant": lambda row: row.tenant,
    }
)
"""What rows can be added up by."""


def totals(rows: Iterable[Row], by: str) -> dict[str, Figures]:
    """By the group's name, in order."""
    found: dict[str, Figures] = {}
    for row in rows:
        name = GROUPS[by](row)
        found[name] = found.get(name, Figures()) + row.figures
    return dict(sorted(found.items()))


def total(rows: Iterable[Row]) -> Figures:
    """Of all."""
    return sum((row.figures for row in rows), Figures())
