"""What is booked, and to whom. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import add
from types import MappingProxyType

HOUR = 3600.0
MONTH_HOURS = 730.0
"""A twelfth of a year, as cloud providers count a month."""


@dataclass(frozen=True)
class Rate:
    """What one replica costs for as long as it is allocated."""

    accelerators: float
    """For CPUs, cores."""
    price: float | None
    """USD for one accelerator-hour; None: its pool states none."""
    watts: float | None
    """Of all its accelerators when nothing of them is idle; None where nobody says."""
    idle_watts: float | None = None
    """Of all its accelerators when nothing runs."""

    @property
    def usd_per_hour(self) -> float | None:
        """Of one replica."""
        return None if self.price is None else self.price * self.accelerators


@dataclass(frozen=True)
class Tokens:
    """As counted by pods."""

    prompted: float = 0.0
    generated: float = 0.0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.prompted + other.prompted, self.generated + other.generated)


@dataclass(frozen=True)
class Weights:
    """What a token of each kind counts where a cost is shared out by tokens: its planned price, say."""

    prompted: float = 1.0
    generated: float = 1.0

    def of(self, tokens: Tokens) -> float:
        """All of them together."""
        return self.prompted * tokens.prompted + self.generated * tokens.generated


@dataclass(frozen=True, order=True)
class Account:
    """Whose cost it is."""

    namespace: str
    model: str
    class_: str
    pool: str


@dataclass(frozen=True, order=True)
class TenantAccount:
    """Whose use it was."""

    namespace: str
    model: str
    class_: str
    tenant: str


@dataclass(frozen=True)
class Sum:
    """What was booked. All of it grows with time."""

    usd: float = 0.0
    idle_usd: float = 0.0
    """Of these, for capacity that made no tokens."""
    joules: float = 0.0
    accelerator_seconds: float = 0.0
    used_seconds: float = 0.0
    """Of these, the part that was used."""
    prompted: float = 0.0
    generated: float = 0.0

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(*map(add, self._amounts, other._amounts))

    def __mul__(self, share: float) -> "Sum":
        return self if share == 1.0 else Sum(*(amount * share for amount in self._amounts))

    @property
    def _amounts(self) -> tuple[float, ...]:
        """All, in order: `dataclasses.fields` would take ten times as long, and there are thousands a round."""
        seconds = (self.accelerator_seconds, self.used_seconds)
        return (self.usd, self.idle_usd, self.joules, *seconds, self.prompted, self.generated)


@dataclass(frozen=True)
class Use:
    """One pod in one interval."""

    namespace: str
    model: str
    pool: str
    placement: str
    """Its Deployment."""
    rate: Rate
    shares: Mapping[str, float]
    """By class that it serves; together 1."""
    utilization: float = 0.0
    """0 to 1."""
    tokens: Tokens = Tokens()
    """Made in the interval."""
    weights: Weights = Weights()
    tenants: Mapping[str, Tokens] = field(default_factory=lambda: MappingProxyType({}))
    """Claimed in the interval, some of them perhaps made before."""


@dataclass(frozen=True)
class Charges:
    """What an interval added."""

    accounts: Mapping[Account, Sum]
    tenants: Mapping[TenantAccount, Sum]
