"""A statement as aligned columns, for a terminal. Pure."""

from collections.abc import Iterable

from inferfleet.api.figures import figures
from inferfleet.catalog.tables import aligned
from inferfleet.costing.statement.rows import Figures, Row, Statement, total, totals

Cells = tuple[str, ...]
DASH = "-"
NOW: Cells = ("REPLICAS", "ACCEL", "USD/H", "USD/MONTH", "IDLE/MONTH", "USD/1M", "J/TOKEN", "USED")
SUMS: Cells = ("ACCEL", "USD", "USD/H", "USD/MONTH", "IDLE/MONTH", "USD/1M", "J/TOKEN", "USED")
USED: Cells = ("USD", "USD/H", "USD/MONTH", "USD/1M", "J/TOKEN")


def table(statement: Statement, by: str) -> str:
    """All rows, what they add up to by a group, and in all."""
    summed, tenants = statement.start is not None, by == "tenant"
    headings: Cells = ("MODEL", "CLASS", *(("TENANT", *USED) if tenants else ("POOL", *(SUMS if summed else NOW))))
    blocks = [
        _period(statement),
        aligned([headings, *(_row(row, summed, tenants) for row in statement.rows)]),
        aligned([(by.upper(), *_total_headings(headings)), *_totals(statement.rows, by, summed, tenants)]),
        [f"note: {note}" for note in statement.notes],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _period(statement: Statement) -> list[str]:
    if statement.start is None or statement.end is None:
        return []
    return [f"{statement.start:%Y-%m-%d %H:%M} to {statement.end:%Y-%m-%d %H:%M} UTC"]


def _total_headings(headings: Cells) -> Cells:
    return tuple(heading for heading in headings[3:] if heading != "REPLICAS")


def _totals(rows: Iterable[Row], by: str, summed: bool, tenants: bool) -> Iterable[Cells]:
    rows = tuple(rows)
    for name, figures_ in totals(rows, by).items():
        yield name, *_amounts(figures_, summed, tenants)
    yield "total", *_amounts(total(rows), summed, tenants)


def _row(row: Row, summed: bool, tenants: bool) -> Cells:
    who = (f"{row.namespace}/{row.model}", row.class_, row.tenant if tenants else row.pool)
    replicas = () if summed else (row.replicas,)
    stated = (row.usd_per_million, row.joules_per_token)
    return (*who, *replicas, *_amounts(row.figures, summed, tenants, stated))


def _amounts(
    f: Figures, summed: bool, tenants: bool, stated: tuple[float | None, float | None] = (None, None)
) -> Cells:
    per_million, per_token = stated
    tokens = (
        _amount(f.usd_per_million if per_million is None else per_million),
        _amount(f.joules_per_token if per_token is None else per_token),
    )
    usd = _usd if summed else _amount  # a status has two digits: cents would pretend to more
    money = (*((usd(f.usd),) if summed else ()), usd(f.usd_per_hour), usd(f.usd_per_month))
    if tenants:
        return (*money, *tokens)
    return (_amount(f.accelerators), *money, usd(f.idle_per_month), *tokens, _percent(f.utilization))


def _usd(amount: float | None) -> str:
    """Cents of what is at least a dollar; of less three digits."""
    if amount is None:
        return DASH
    return f"{amount:.2f}" if abs(amount) >= 1 else figures(amount)


def _amount(value: float | None) -> str:
    return DASH if value is None else figures(value)


def _percent(share: float | None) -> str:
    return DASH if share is None else f"{share * 100:.0f}%"
