"""The tables and figures of all cells. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from e2e.bench.autoscaler.baselines.arms import arms
from e2e.bench.autoscaler.cells import Cell
from e2e.bench.autoscaler.jobs import Best, Frame
from e2e.bench.autoscaler.ours import Routed
from e2e.bench.record import table


@dataclass(frozen=True)
class Outcome:
    """All of one trace."""

    name: str
    frame: Frame
    cells: Mapping[str, tuple[Cell, ...]]
    """By arm (with a star: tuned), a cell for each seed."""
    best: Best | None
    long: bool
    held_out: bool
    several_pools: bool
    routed: Routed | None = None

    def cost(self, cells: Sequence[Cell]) -> float:
        """Mean replica-hours; dollars where pools differ."""
        return fmean(one.dollars if self.several_pools else one.hours for one in cells)

    @property
    def ours(self) -> tuple[Cell, ...]:
        """A cell for each seed."""
        return self.cells["ours"]

    @property
    def over_optimum(self) -> float | None:
        """Cost of ours over the confirmed schedule's, on its seed."""
        found = self.best.schedule if self.best else None
        return self.cost(self.ours[:1]) / self.cost([found]) if found else None

    @property
    def over_bound(self) -> float | None:
        """Over the lower bound."""
        if self.best is None:
            return None
        least = self.best.least_dollars if self.several_pools else self.best.least
        return self.cost(self.ours[:1]) / least if least > 0 else None

    @property
    def over_static(self) -> float:
        """Over the smallest static fleet in hindsight."""
        return self.cost(self.ours) / self.cost(self.frame.static)

    @property
    def beaten_by(self) -> tuple[str, ...]:
        """Arms that cost less at no less attainment."""
        mine = attained(self.ours), self.cost(self.ours)
        others = {**self.cells, "static": self.frame.static}
        return tuple(
            name
            for name, cells in others.items()
            if name != "ours" and attained(cells) >= mine[0] and self.cost(cells) < mine[1]
        )

    @property
    def best_baseline(self) -> str | None:
        """The cheapest that reaches the goal, else the one that attains most; static fleets aside."""
        others = {name: cells for name, cells in self.cells.items() if name != "ours"}
        good = {name: cells for name, cells in others.items() if attained(cells) >= self.frame.goal}
        if good:
            return min(good, key=lambda name: self.cost(good[name]))
        return max(others, key=lambda name: attained(others[name]), default=None)


def attained(cells: Sequence[Cell]) -> float:
    """Mean share."""
    return fmean(one.attainment for one in cells)


def titled(name: str) -> str:
    """Of an arm, as the tables say it."""
    if name in ("ours", "static"):
        return {"ours": "**Inferfleet**", "static": "smallest static, in hindsight"}[name]
    title = arms()[name.removesuffix("*")].title
    return f"{title}, tuned" if name.endswith("*") else title


def section(found: Outcome) -> str:
    """One trace."""
    rows = [_row(found, "static", found.frame.static), _row(found, "ours", found.ours)]
    rows += [_row(found, name, cells) for name, cells in found.cells.items() if name != "ours"]
    if found.best and not found.name.endswith("_7d"):
        rows.insert(0, _optimum(found, found.best))
    head = [
        "controller",
        "setting",
        "attainment %",
        "cost, $" if found.several_pools else "replica-hours",
        "over optimum",
        "over static",
        "reversals a day",
        "worst 5 min %",
        "",
    ]
    lost = found.beaten_by
    words = [
        f"### {found.name}{' (held out)' if found.held_out else ''}",
        f"Ceiling {100 * found.frame.ceiling:.2f} %, goal {100 * found.frame.goal:.2f} %.{_bound(found)}"
        + (f" Beats ours: {', '.join(map(titled, lost))}." if lost else ""),
        table(head, rows),
    ]
    if found.routed:
        words.append(_routed(found.routed))
    return "\n\n".join(words)


def _routed(found: Routed) -> str:
    static, ours = found.static, found.ours
    return (
        f"Were requests sent to the replica with the fewest in flight, {static.level:g} replicas would be enough at "
        f"all times ({100 * static.attainment:.2f} %, {static.hours:.1f} replica-hours), and ours would reach "
        f"{100 * ours.attainment:.2f} % with {ours.hours:.1f}."
    )


def _bound(found: Outcome) -> str:
    if not found.best:
        return ""
    unit = "$" if found.several_pools else "replica-hours"
    least = found.best.least_dollars if found.several_pools else found.best.least
    return f" No schedule needs less than {least:.2f} {unit} (lower bound)."


def _row(found: Outcome, name: str, cells: Sequence[Cell]) -> list[str]:
    level = f"{cells[0].level:g}" if cells[0].level else ""
    best = found.best.schedule if found.best else None
    cost = found.cost(cells)
    return [
        titled(name),
        level,
        _span([100 * one.attainment for one in cells], 2),
        _span([one.dollars if found.several_pools else one.hours for one in cells], 1),
        f"{cost / found.cost([best]):.2f}" if best else "-",
        f"{cost / found.cost(found.frame.static):.2f}",
        f"{fmean(one.reversals for one in cells):.0f}",
        f"{100 * min(one.worst for one in cells):.1f}",
        "beats ours" if name in found.beaten_by else _goal(found, cells),
    ]


def _goal(found: Outcome, cells: Sequence[Cell]) -> str:
    return "" if attained(cells) >= found.frame.goal else "misses the goal"


def _optimum(found: Outcome, best: Best) -> list[str]:
    if best.schedule is None:
        return ["schedule that knows all", "", "none that was tried met the goal", "-", "-", "-", "-", "-", ""]
    return ["schedule that knows all", *_row(found, "static", [best.schedule])[1:-1], ""]


def _span(values: Sequence[float], digits: int) -> str:
    """The mean, and least and most over seeds."""
    mean = f"{fmean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def figures(found: Sequence[Outcome]) -> dict[str, float]:
    """Flat, as they are written."""
    keys: dict[str, float] = {}
    for one in found:
        keys[f"{one.name}_attainment_percent"] = round(100 * attained(one.ours), 3)
        keys[f"{one.name}_replica_hours"] = round(fmean(cell.hours for cell in one.ours), 2)
        keys[f"{one.name}_over_static"] = round(one.over_static, 3)
        if one.routed:
            keys[f"{one.name}_least_in_flight_static"] = one.routed.static.level
        if one.over_optimum and one.over_bound:
            keys[f"{one.name}_over_optimum"] = round(one.over_optimum, 3)
            keys[f"{one.name}_over_bound"] = round(one.over_bound, 3)
    return keys | _worst([one for one in found if one.long]) | _special({one.name: one for one in found})


def _worst(found: Sequence[Outcome]) -> dict[str, float]:
    if not found:
        return {}
    optimum = [one.over_optimum for one in found if one.over_optimum]
    bound = [one.over_bound for one in found if one.over_bound]
    keys = {
        "worst_attainment_percent": round(min(100 * attained(one.ours) for one in found), 3),
        "worst_below_goal_points": round(max(100 * (one.frame.goal - attained(one.ours)) for one in found), 3),
        "worst_over_static": round(max(one.over_static for one in found), 3),
    }
    if optimum and bound:
        keys |= {"worst_over_optimum": round(max(optimum), 3), "worst_over_bound": round(max(bound), 3)}
    return keys


def _special(found: Mapping[str, Outcome]) -> dict[str, float]:
    keys: dict[str, float] = {}
    if ramp := found.get("ramp"):
        keys["ramp_replicas"] = round(fmean(one.mean_replicas for one in ramp.ours), 3)
    if burst := found.get("zero_burst_zero"):
        keys["zero_burst_zero_lost"] = max(one.lost for one in burst.ours)
        keys["zero_burst_zero_first_wait_seconds"] = round(max(one.first_wait for one in burst.ours), 2)
        keys["zero_burst_zero_longest_wait_seconds"] = round(max(one.longest_wait for one in burst.ours), 2)
    if mixed := found.get("interactive_and_batch"):
        keys["batch_on_time_percent"] = round(100 * fmean(one.on_time for one in mixed.ours), 3)
    if constant := found.get("constant"):
        keys["constant_changes_after_an_hour"] = max(_changes(one, 3600.0, 1e9) for one in constant.ours)
    if blind := found.get("blind"):
        keys["blind_changes"] = max(_changes(one, 1530.0, 2100.0) for one in blind.ours)
    ratios = [
        fmean(cell.reversals for cell in one.ours) / fmean(cell.reversals for cell in one.cells["hpa*"])
        for one in found.values()
        if one.long and "hpa*" in one.cells and any(cell.reversals for cell in one.cells["hpa*"])
    ]
    if ratios:
        keys["worst_reversals_over_hpa"] = round(max(ratios), 3)
    return keys


def _changes(cell: Cell, start: float, end: float) -> int:
    return sum(1 for at in cell.decided if start <= at < end)


PROMISED: Mapping[str, tuple[str, float]] = {
    "gate_attainment_points": ("at most", 2.0),
    "gate_itl_p50_percent": ("at most", 3.0),
    "gate_itl_p99_percent": ("at most", 10.0),
    "gate_ttft_p50_percent": ("at most", 15.0),
    "gate_ttft_p95_percent": ("at most", 25.0),
    "worst_below_goal_points": ("at most", 0.0),
    "worst_over_optimum": ("at most", 1.10),
    "worst_over_static": ("at most", 0.75),
    "ramp_attainment_percent": ("at least", 98.0),
    "ramp_replicas": ("at most", 5.5),
    "worst_reversals_over_hpa": ("at most", 0.5),
    "constant_changes_after_an_hour": ("at most", 0.0),
    "zero_burst_zero_lost": ("at most", 0.0),
    "zero_burst_zero_first_wait_seconds": ("at most", 185.0),
    "blind_changes": ("at most", 0.0),
    "decide_100_models_ms": ("at most", 50.0),
    "scrape_pages_per_second": ("at least", 1000.0),
}


def promises(keys: Mapping[str, float]) -> str:
    """What was aimed at and what came out."""
    rows = []
    for name, (side, limit) in PROMISED.items():
        if name in keys:
            kept = keys[name] <= limit if side == "at most" else keys[name] >= limit
            rows.append([f"`{name}`", f"{side} {limit:g}", f"{keys[name]:g}", "kept" if kept else "missed"])
    return table(["figure", "aimed at", "measured", ""], rows)
