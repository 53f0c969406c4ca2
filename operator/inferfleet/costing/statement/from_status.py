"""A statement of what Models' statuses say: rates of now. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from inferfleet.api.model_status import CostStatus, ModelStatus
from inferfleet.costing.statement.rows import UNPRICED, Charge, Facts, Figures, Row, Statement

Obj = Mapping[str, Any]
REGION = "topology.kubernetes.io/region"
"""Label of nodes, by which a pool selects them, or which a pool has itself."""


def statement(models: Iterable[Obj]) -> Statement:
    """Of all Models that have been observed; the others are noted."""
    rows, unseen = [], []
    for model in sorted(models, key=_name):
        status = _status(model)
        if status is None or not status.costs:
            unseen.append("/".join(_name(model)))
        rows += [_row(model, status, cost) for cost in status.costs] if status else []
    notes = [f"no costs are observed of {_listed(unseen)}: nothing runs, or the operator has not seen a minute yet"]
    unpriced = sorted({row.pool for row in rows if row.figures.usd_per_hour is None})
    return Statement(tuple(rows), (*(notes if unseen else ()), *([UNPRICED + ", ".join(unpriced)] if unpriced else ())))


def charges(models: Iterable[Obj], now: datetime) -> list[Charge]:
    """The running hour at the present rate, of what has a price."""
    start = now.replace(minute=0, second=0, microsecond=0)
    found = []
    for model in sorted(models, key=_name):
        status = _status(model)
        for cost in status.costs if status else ():
            accelerators, price = float(cost.accelerators), _number(cost.price_per_accelerator_hour)
            if price is not None and accelerators > 0:
                usd, where = accelerators * price, (*_name(model), cost.class_, cost.pool)
                found.append(Charge(*where, start, start + timedelta(hours=1), usd, accelerators, price))
    return found


def facts(objects: Iterable[Obj]) -> Facts:
    """Of Models and HardwarePools."""
    pools = [o for o in objects if o.get("kind") == "HardwarePool"]
    models = [o for o in objects if o.get("kind") == "Model"]
    regions = {o["metadata"]["name"]: region for o in pools if (region := _region(o))}
    tags = {_name(o): labels for o in models if (labels := (o["spec"].get("podMetadata") or {}).get("labels"))}
    return Facts(regions, tags)


def _region(pool: Obj) -> str:
    selector = ((pool.get("spec") or {}).get("nodes") or {}).get("selector") or {}
    labels = pool["metadata"].get("labels") or {}
    return str(labels.get(REGION) or selector.get(REGION) or "")


def _name(model: Obj) -> tuple[str, str]:
    return model["metadata"].get("namespace", "default"), model["metadata"]["name"]


def _status(model: Obj) -> ModelStatus | None:
    """None where nobody wrote one that can be read."""
    try:
        return ModelStatus.model_validate(model.get("status") or {})
    except ValidationError:
        return None


def _row(model: Obj, status: ModelStatus, cost: CostStatus) -> Row:
    month, used = _number(cost.cost_per_month), cost.utilization_percent / 100
    accelerators = float(cost.accelerators)
    figures = Figures(
        usd_per_hour=_number(cost.cost_per_hour),
        usd_per_month=month,
        idle_per_month=None if month is None else month * (1 - used),
        watts=cost.watts,
        accelerators=accelerators,
        used_accelerators=accelerators * used,
    ).of_tokens(cost.tokens_per_second * 3600.0)
    return Row(
        *_name(model),
        cost.class_,
        cost.pool,
        figures,
        replicas=_replicas(status, cost),
        usd_per_million=_number(cost.cost_per1_m_tokens),
        joules_per_token=_number(cost.joules_per_token),
    )


def _replicas(status: ModelStatus, cost: CostStatus) -> str:
    """Of the placements on the pool that serve the class, those that go included: they are paid, too."""
    there = [
        p for p in status.placements if p.pool == cost.pool and cost.class_ in p.classes and p.state != "Recommended"
    ]
    return f"{sum(p.ready for p in there)}/{sum(p.replicas for p in there)}"


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def _listed(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
