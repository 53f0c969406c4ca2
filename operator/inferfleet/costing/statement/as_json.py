"""A statement for programs. Pure."""

import json
from typing import Any

from inferfleet.costing.statement.rows import Figures, Row, Statement, total, totals

DIGITS = 6
"""Significant: more would be noise of the scrapes."""


def as_json(statement: Statement, by: str) -> str:
    """Everything; what is not known is null. USD, watts, tokens per hour."""
    body = {
        "period": {
            "start": statement.start.isoformat() if statement.start else None,
            "end": statement.end.isoformat() if statement.end else None,
        },
        "currency": "USD",
        "rows": [_row(row) for row in statement.rows],
        "totals": {name: _figures(figures) for name, figures in totals(statement.rows, by).items()},
        "total": _figures(total(statement.rows)),
        "notes": list(statement.notes),
    }
    return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _row(row: Row) -> dict[str, Any]:
    figures = _figures(row.figures)
    stated = {"usdPer1MTokens": row.usd_per_million, "joulesPerToken": row.joules_per_token}
    return {
        "namespace": row.namespace,
        "model": row.model,
        "class": row.class_,
        "pool": row.pool or None,
        "tenant": row.tenant or None,
        "replicas": row.replicas or None,
        **figures,
        **{name: value for name, value in stated.items() if value is not None},
    }


def _figures(f: Figures) -> dict[str, float | None]:
    named = {
        "accelerators": f.accelerators,
        "usd": f.usd,
        "usdPerHour": f.usd_per_hour,
        "usdPerMonth": f.usd_per_month,
        "idleUsdPerMonth": f.idle_per_month,
        "usdPer1MTokens": f.usd_per_million,
        "joulesPerToken": f.joules_per_token,
        "watts": f.watts,
        "tokensPerHour": f.tokens_per_hour,
        "utilization": f.utilization,
    }
    return {name: None if value is None else float(f"{value:.{DIGITS}g}") for name, value in named.items()}
