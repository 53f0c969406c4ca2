"""What the placement program is given and what it returns. Pure.

Units are the caller's as long as they agree: loads and capacities in tokens per second of a demand's own unit,
costs in USD per hour (or joules per second, or whatever is to be least). Keys order everything: the sequence
of inputs never matters.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf


@dataclass(frozen=True)
class Demand:
    """What has to be served: one class of one model."""

    key: str
    load: float
    """Tokens per second. Zero: nothing is asked for now; an option is chosen all the same, with its minimum."""
    group: str = ""
    """The model it belongs to, for the caller alone: what may serve what is said by the options."""
    priority: int = 0
    """Higher is served first when not all fits."""
    deferrable: bool = False
    """Batch work: waits before anything interactive, and fills what interactive replicas leave idle, headroom too."""
    utilization: float = 1.0
    """Share of a replica's capacity that may be planned for it; the rest is headroom against bursts. In (0, 1]."""
    whole: bool = False
    """Whether one option must carry it alone."""


@dataclass(frozen=True)
class Option:
    """One way to serve one or several demands by replicas: a placement that could be."""

    key: str
    pool: str
    capacity: Mapping[str, float]
    """The demands it may serve: tokens per second of one replica by key, as if it served that one alone; positive."""
    cost: float
    """USD per replica-hour, at least zero."""
    accelerators: float = 1.0
    """Of the pool, per replica."""
    min_replicas: int = 0
    """When it is used at all; an option that carries load has at least one."""
    max_replicas: int | None = None
    incumbent: int = 0
    """Replicas that run now."""
    opening: float = 0.0
    """USD per hour for using it when nothing of it runs now: the cost of switching, spread over the plan's life."""
    starting: float = 0.0
    """USD per hour for each replica more than run now."""
    margin: float = 0.0
    """Share of the capacity not believed, for the error of its prediction. In [0, 1)."""
    preemptible: bool = False
    quota: str = ""
    """Key of the quota that its accelerators count towards; empty: none."""

    def hourly(self, replicas: int) -> float:
        """USD per hour of so many replicas, the starts among them included, its opening not."""
        return self.cost * replicas + self.starting * max(0, replicas - self.incumbent)


@dataclass(frozen=True)
class Provider:
    """One way to serve demands outside the fleet: priced by token, bounded by a rate."""

    key: str
    price: Mapping[str, float]
    """The demands it may serve: USD per million tokens by key."""
    limit: Mapping[str, float] = field(default_factory=dict)
    """Tokens per second that rate limits allow if it serves that demand alone; absent: no limit. Shares add up."""
    incumbent: bool = False
    """Whether it serves now."""
    opening: float = 0.0
    """As of an Option."""


@dataclass(frozen=True)
class Pool:
    """Accelerators that all options of the pool share."""

    key: str
    accelerators: float = inf
    """May be used in all: what stands, and what may be added."""
    existing: float | None = None
    """Standing now; None: all. What is used beyond them has to be added first."""
    growing: float = 0.0
    """USD per hour more for each accelerator beyond the existing."""


@dataclass(frozen=True)
class Quota:
    """Most of a pool that the options under it may use together: what a tenant is allowed."""

    key: str
    accelerators: float


@dataclass(frozen=True)
class Problem:
    """A fleet at one time. Keys are unique within each tuple; options and providers share one space of keys."""

    demands: tuple[Demand, ...]
    options: tuple[Option, ...]
    pools: tuple[Pool, ...]
    providers: tuple[Provider, ...] = ()
    quotas: tuple[Quota, ...] = ()


@dataclass(frozen=True)
class Settings:
    """How hard to try, and what else must hold."""

    time_limit: float = 10.0
    """Seconds for the solver. Results that end by this limit depend on the machine; those that end by `gap` do not."""
    gap: float = 0.0
    """Stop when the cost is proven to be within this share of the best."""
    max_moves: int | None = None
    """Options newly opened for demands that something serves already; None: no limit."""
    preemptible_share: float = 1.0
    """Most of an interactive demand that preemptible options may carry."""
    exact_arcs: int = 1000
    """Fleets with more pairs of a demand and an option are decomposed by prices instead of solved as one program."""


class Status(StrEnum):
    """How a plan came to be."""

    OPTIMAL = "Optimal"
    """Proven to be within the gap asked for."""
    TIME_LIMITED = "TimeLimited"
    """The best found in time; the gap says how good at worst."""
    DECOMPOSED = "Decomposed"
    """By prices of pools; the gap says how good at worst."""
    INCREMENTAL = "Incremental"
    """One change at the prices of the last plan of the whole fleet."""
    GREEDY = "Greedy"
    """No solver answered: one demand after the other, the cheapest that fits."""


class Binding(StrEnum):
    """What stopped a demand from being served in full."""

    NO_OPTION = "NoOption"
    """Nothing may serve it."""
    POOL_CAPACITY = "PoolCapacity"
    QUOTA = "Quota"
    RATE_LIMIT = "RateLimit"
    MAX_REPLICAS = "MaxReplicas"
    MOVE_LIMIT = "MoveLimit"
    PREEMPTIBLE_SHARE = "PreemptibleShare"


@dataclass(frozen=True)
class Placement:
    """An option or provider that is used."""

    key: str
    replicas: int
    """Zero for a provider, and for an option whose demands ask for nothing."""
    shares: Mapping[str, float]
    """Of each demand that it carries, in (0, 1], by key, sorted."""


@dataclass(frozen=True)
class Limit:
    """A constraint that binds: what kind, and of which pool, quota, option, provider or demand."""

    binding: Binding
    key: str


@dataclass(frozen=True)
class Shortfall:
    """A demand that is not served in full."""

    demand: str
    share: float
    """That waits, in (0, 1]."""
    limits: tuple[Limit, ...]
    """Every one that would have to give way; never empty."""
    message: str
    """What is short, where and what to do, in one sentence."""


@dataclass(frozen=True)
class Plan:
    """The answer: never nothing, whatever the time limit."""

    placements: tuple[Placement, ...]
    """By key."""
    shortfalls: tuple[Shortfall, ...]
    """By key of the demand; empty while all is served."""
    objective: float
    """USD per hour of what is used, switching and growing included."""
    bound: float
    """No plan that serves as much costs less."""
    status: Status
    prices: Mapping[str, float] = field(default_factory=dict)
    """USD per accelerator-hour that one more accelerator of a scarce pool would save; other pools are absent."""

    @property
    def gap(self) -> float:
        """Share of the objective that is not proven to be needed; 0 where it is proven best."""
        return max(0.0, (self.objective - self.bound) / self.objective) if self.objective > 0 else 0.0
