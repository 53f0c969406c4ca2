"""A plan as aligned columns, for a terminal. Pure."""

from collections.abc import Iterable

from inferfleet.catalog.tables import aligned
from inferfleet.offline.render import words
from inferfleet.offline.types import PlacementRow, PoolRow, Report, WorkloadRow

Row = tuple[str, ...]
PLACEMENTS: Row = ("WORKLOAD", "PLACEMENT", "DEMAND", "REPLICAS", "USD/H", "USD/1M", "LATENCY", "HEADROOM", "STATE")
POOLS: Row = ("POOL", "HARDWARE", "USD/ACCEL-H", "NODES", "USED", "REPLICAS", "USD/H")


def plan(report: Report) -> str:
    """Placements, pools, what is broken, why the others were not chosen, and assumptions."""
    blocks = [
        aligned([PLACEMENTS, *(row for w in report.workloads for row in workload_rows(w))]),
        aligned([POOLS, *pool_rows(report)]),
        [words.summary(report)],
        titled("Broken", [f"{w.name}: {v.reason}: {v.message}" for w, v in report.violations]),
        titled("Why", [f"{w.name}: {w.reason}: {w.message}" for w in report.workloads if w.planned]),
        titled("Not chosen", [line for w in report.workloads for line in _rejected(w)]),
        *(titled(title, list(lines)) for title, lines in words.sections(report)),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def titled(title: str, lines: list[str]) -> list[str]:
    """Nothing where there are no lines."""
    return [f"{title}:", *(f"  {line}" for line in lines)] if lines else []


def workload_rows(w: WorkloadRow) -> Iterable[Row]:
    """Cells of its placements, or why it has none."""
    if not w.placements:
        yield w.name, words.DASH, words.demand(w), *([words.DASH] * 5), w.reason
    for placement in w.placements:
        yield w.name, *_placement(w, placement)


def _placement(w: WorkloadRow, p: PlacementRow) -> Row:
    figures = (words.cost(p), words.latencies(p), words.headroom(p)) if p.evaluated else (words.DASH,) * 3
    return p.words, words.demand(w), words.replicas(p), words.usd(p.usd_per_hour), *figures, words.state(w, p)


def pool_rows(report: Report) -> Iterable[Row]:
    """Cells."""
    for pool in report.pools:
        price = words.DASH if pool.price is None else f"{pool.price:f}"
        hardware = f"{pool.accelerator} ({pool.problem})" if pool.problem else pool.accelerator
        yield pool.name, hardware, price, *_amounts(pool)


def _amounts(pool: PoolRow) -> Row:
    replicas = str(pool.used) if pool.unit else words.DASH
    return words.nodes(pool), words.taken(pool), replicas, words.usd(pool.usd_per_hour)


def _rejected(w: WorkloadRow) -> Iterable[str]:
    """The best few of what was planned; the message of what was not has them already."""
    if not w.rejected:
        return
    yield f"{w.name}: {words.counts(w)}"
    for row in w.rejected[: words.SHOWN] if w.planned else ():
        yield f"  {row.words}: {row.reason}: {row.message}"
