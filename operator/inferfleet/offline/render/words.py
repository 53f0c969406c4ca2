"""Figures and phrases that every form shares. Pure."""

from collections.abc import Iterable
from decimal import Decimal

from inferfleet.api.figures import figures, latency
from inferfleet.offline.types import PlacementRow, PoolRow, Report, Target, WorkloadRow

NAMES = {"ttft": "TTFT", "tpot": "TPOT", "endToEnd": "end to end", "deadline": "deadline"}
DASH = "-"
CENT = Decimal("0.0001")
SHOWN = 3
"""Rejected candidates that are told by name; the others are counted."""


def usd(amount: Decimal | None) -> str:
    """To a hundredth of a cent: replicas of a tenth of a core cost so little."""
    if amount is None:
        return DASH
    text = f"{amount.quantize(CENT):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def signed(amount: Decimal) -> str:
    """`+1.2`, `-0.4` or `0`."""
    text = usd(amount)
    return f"+{text}" if amount > 0 and text != "0" else text.replace("-0", "0") if text == "-0" else text


def percent(share: float | None, digits: int = 0) -> str:
    """Whole percent, or with so many digits of them."""
    return DASH if share is None else f"{round(share * 100, digits or None)}%"


def target(t: Target) -> str:
    """`120 of 200 ms`-like: what is expected, and what is allowed of it."""
    return latency(t.expected) if t.allowed is None else f"{latency(t.expected)} of {latency(t.allowed)}"


def bound(placement: PlacementRow) -> list[Target]:
    """Targets that the class sets; where it sets none, what a request takes."""
    given = [t for t in placement.targets if t.allowed is not None]
    return given or [t for t in placement.targets if t.name == "endToEnd"]


def latencies(placement: PlacementRow) -> str:
    """`TTFT 120 ms of 200 ms, TPOT 20 ms of 40 ms`."""
    return ", ".join(f"{NAMES[t.name]} {target(t)}" for t in bound(placement)) or DASH


def headroom(placement: PlacementRow) -> str:
    """The tightest target's."""
    shares = [t.headroom for t in placement.targets if t.headroom is not None]
    return percent(min(shares)) if shares else DASH


def cost(placement: PlacementRow) -> str:
    """USD per million tokens."""
    return DASH if placement.cost is None else f"{placement.cost:f}"


def replicas(placement: PlacementRow) -> str:
    """A provider has none."""
    return DASH if placement.provider else str(placement.replicas)


def counts(row: WorkloadRow) -> str:
    """`SLOViolated 4, MemoryDoesNotFit 2`."""
    return ", ".join(f"{reason} {number}" for reason, number in row.counts.items())


def state(row: WorkloadRow, placement: PlacementRow) -> str:
    """What becomes of it: nothing runs yet without a snapshot, so that Starting is all that there is to say."""
    said = "not deployed by this release" if row.undeployed else placement.state
    return f"{said}; figures are a guess" if placement.guess else said


def nodes(pool: PoolRow) -> str:
    """How many may be used; a provider has none."""
    return DASH if not pool.unit else "as needed" if pool.nodes is None else str(pool.nodes)


def taken(pool: PoolRow) -> str:
    """`5 of 8`, `2 of 320 cores`, `0.4 cores`."""
    if not pool.unit:
        return DASH
    cores = " cores" if pool.unit == "cores" else ""
    return figures(pool.taken) + ("" if pool.room is None else f" of {figures(pool.room)}") + cores


def demand(row: WorkloadRow) -> str:
    """Tokens per second, of the class's unit."""
    return f"{figures(row.demand)} tok/s" if row.demand else DASH


def summary(report: Report) -> str:
    """`3 workloads, 2 placed, 1 violation: 1.24 USD per hour`."""
    placed = sum(len(w.classes) for w in report.workloads if w.staying)
    broken = len(report.violations)
    told = f", {number(broken, 'violation')}" if broken else ""
    all_of_them = number(sum(len(w.classes) for w in report.workloads), "workload")
    return f"{all_of_them}, {placed} placed{told}: {usd(report.usd_per_hour)} USD per hour"


def number(many: int, what: str) -> str:
    """`1 workload`, `2 workloads`."""
    return f"{many} {what}{'' if many == 1 else 's'}"


def sections(report: Report) -> Iterable[tuple[str, tuple[str, ...]]]:
    """What was taken for granted, and what is odd about the input."""
    if report.assumptions:
        yield "Assumptions", report.assumptions
    if report.notes:
        yield "Notes", report.notes
