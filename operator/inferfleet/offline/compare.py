"""What changes between two plans of one fleet. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from inferfleet.offline.types import PlacementRow, Report, Violation, WorkloadKey, WorkloadRow

SAME, CHANGED, VIOLATED = 0, 2, 3
NOTICED = 0.0005
"""Share of a target: less headroom lost or won is not told."""


@dataclass(frozen=True)
class Headroom:
    """Of one latency target, before and after, as shares of what is allowed."""

    name: str
    before: float | None
    after: float | None

    @property
    def changed(self) -> bool:
        """By enough to be told."""
        if self.before is None or self.after is None:
            return self.before is not self.after
        return abs(self.before - self.after) > NOTICED


@dataclass(frozen=True)
class Change:
    """One workload in both plans."""

    kind: str
    """Added, Removed, Placed, Unplaced, Moved, Resized, Repriced, Retimed, Broken or Same."""
    before: WorkloadRow | None
    after: WorkloadRow | None
    headroom: tuple[Headroom, ...] = ()
    new: tuple[Violation, ...] = ()
    """That the old plan did not have."""
    old: tuple[Violation, ...] = ()
    """That both have."""

    @property
    def row(self) -> WorkloadRow:
        """The newer one that there is."""
        found = self.after or self.before
        assert found
        return found

    @property
    def usd_per_hour(self) -> Decimal:
        """Difference."""
        return _cost(self.after) - _cost(self.before)


@dataclass(frozen=True)
class Comparison:
    """Two plans beside each other."""

    changes: tuple[Change, ...]
    before: Report
    after: Report
    budget: Decimal | None = None
    """USD per hour that the new plan may cost; None: any."""

    @property
    def told(self) -> tuple[Change, ...]:
        """Without what is the same."""
        return tuple(c for c in self.changes if c.kind != "Same")

    @property
    def usd_per_hour(self) -> Decimal:
        """Difference."""
        return self.after.usd_per_hour - self.before.usd_per_hour

    @property
    def over_budget(self) -> bool:
        """Whether the new plan costs more than it may."""
        return self.budget is not None and self.after.usd_per_hour > self.budget

    @property
    def violated(self) -> bool:
        """Whether the new plan breaks anything, whatever the old one did."""
        return bool(self.after.violations) or self.over_budget

    @property
    def status(self) -> int:
        """Of the process."""
        if self.violated:
            return VIOLATED
        return CHANGED if self.told else SAME


def compare(before: Report, after: Report, budget: Decimal | None = None) -> Comparison:
    """By namespace, Model and class."""
    old, new = _by_key(before), _by_key(after)
    keys = sorted({*old, *new})
    return Comparison(tuple(_change(old.get(key), new.get(key)) for key in keys), before, after, budget)


def _by_key(report: Report) -> Mapping[WorkloadKey, WorkloadRow]:
    return {w.key: w for w in report.workloads}


def _change(before: WorkloadRow | None, after: WorkloadRow | None) -> Change:
    known = {(v.reason, v.binding) for v in (before.violations if before else ())}
    now = after.violations if after else ()
    new = tuple(v for v in now if (v.reason, v.binding) not in known)
    headroom = tuple(_headroom(before, after)) if before and after else ()
    kind = _kind(before, after)
    if kind == "Same" and new:
        kind = "Broken"
    elif kind == "Same" and any(h.changed for h in headroom):
        kind = "Retimed"
    return Change(kind, before, after, headroom, new, tuple(v for v in now if v not in new))


def _kind(before: WorkloadRow | None, after: WorkloadRow | None) -> str:
    if before is None or after is None:
        return "Added" if before is None else "Removed"
    if bool(before.staying) != bool(after.staying):
        return "Placed" if after.staying else "Unplaced"
    if {p.identity for p in before.staying} != {p.identity for p in after.staying}:
        return "Moved"
    if [p.replicas for p in before.staying] != [p.replicas for p in after.staying]:
        return "Resized"
    return "Same" if _figures(before) == _figures(after) else "Repriced"


def _figures(row: WorkloadRow) -> tuple[Decimal, list[Decimal | None]]:
    return row.usd_per_hour, [p.cost for p in row.staying]


def _headroom(before: WorkloadRow, after: WorkloadRow) -> Iterable[Headroom]:
    old, new = _least(before.staying), _least(after.staying)
    for name in dict.fromkeys([*old, *new]):
        yield Headroom(name, old.get(name), new.get(name))


def _least(placements: Iterable[PlacementRow]) -> dict[str, float]:
    """By target; of several placements the tightest."""
    found: dict[str, float] = {}
    for placement in placements:
        for target in placement.targets:
            if target.headroom is not None:
                found[target.name] = min(found.get(target.name, target.headroom), target.headroom)
    return found


def _cost(row: WorkloadRow | None) -> Decimal:
    return row.usd_per_hour if row else Decimal(0)
