"""Plans and comparisons as JSON. Money is text, as in the API; latencies are seconds, shares between 0 and 1. Pure."""

import json
from decimal import Decimal
from math import isfinite
from typing import Any

from inferfleet.offline.compare import Change, Comparison
from inferfleet.offline.render import words
from inferfleet.offline.types import PlacementRow, PoolRow, Report, Violation, WorkloadRow

DIGITS = 6
"""Significant: what is beyond is rounding, which need not be the same on every processor."""


def plan(report: Report) -> str:
    """The whole report."""
    return _dumped(plan_body(report))


def diff(found: Comparison) -> str:
    """Changes, with both sides of each."""
    body = {
        "changed": bool(found.told),
        "violated": found.violated,
        "usdPerHour": {
            "before": words.usd(found.before.usd_per_hour),
            "after": words.usd(found.after.usd_per_hour),
            "change": words.signed(found.usd_per_hour),
            "allowed": None if found.budget is None else words.usd(found.budget),
        },
        "changes": [_change(c) for c in found.told],
        "violations": [
            {"workload": c.row.name, "new": v in c.new} | _violation(v) for c in found.changes for v in (*c.new, *c.old)
        ],
        "assumptions": list(found.after.assumptions),
        "notes": list(found.after.notes),
    }
    return _dumped(body)


def plan_body(report: Report) -> dict[str, Any]:
    """As a value."""
    return {
        "summary": {
            "workloads": sum(len(w.classes) for w in report.workloads),
            "placed": sum(len(w.classes) for w in report.workloads if w.staying),
            "violations": len(report.violations),
            "usdPerHour": words.usd(report.usd_per_hour),
        },
        "workloads": [workload(w) for w in report.workloads],
        "pools": [_pool(p) for p in report.pools],
        "assumptions": list(report.assumptions),
        "notes": list(report.notes),
    }


def workload(w: WorkloadRow) -> dict[str, Any]:
    """One workload."""
    namespace, model, _ = w.key
    return {
        "namespace": namespace,
        "model": model,
        "class": "+".join(w.classes),
        "classes": list(w.classes),
        "planned": w.planned,
        "reason": w.reason,
        "message": w.message,
        "objective": w.objective,
        "demand": {"tokensPerSecond": _rounded(w.demand), "unit": w.unit},
        "usdPerHour": words.usd(w.usd_per_hour),
        "placements": [_placement(p) for p in w.placements],
        "violations": [_violation(v) for v in w.violations],
        "rejectedCounts": dict(w.counts),
        "rejected": [
            {
                "pool": r.pool,
                "variant": r.variant,
                "engine": r.engine,
                "reason": r.reason,
                "bindingConstraint": r.binding,
                "message": r.message,
            }
            for r in w.rejected
        ],
        "notDeployed": w.undeployed or None,
        "declaredAt": None if w.place is None else f"{w.place.file}:{w.place.line}",
    }


def _placement(p: PlacementRow) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": p.name,
        "state": p.state,
        "pool": p.pool,
        "variant": p.variant,
        "engine": p.engine,
        "replicas": p.replicas,
        "usdPerHour": None if p.usd_per_hour is None else words.usd(p.usd_per_hour),
    }
    if not p.evaluated:
        return body
    return body | {
        "accelerators": p.accelerators,
        "slots": p.slots,
        "tokensPerSecond": _rounded(p.tokens_per_second),
        "capacitySource": p.capacity_source,
        "guess": p.guess or None,
        "costPer1MTokens": None if p.cost is None else f"{p.cost:f}",
        "costPer1MInputTokens": None if p.input_cost is None else f"{p.input_cost:f}",
        "costPer1MOutputTokens": None if p.output_cost is None else f"{p.output_cost:f}",
        "joulesPerToken": _rounded(p.joules_per_token),
        "targets": [
            {
                "name": t.name,
                "expectedSeconds": _rounded(t.expected),
                "highSeconds": _rounded(t.high),
                "allowedSeconds": _rounded(t.allowed),
                "headroom": _rounded(t.headroom),
            }
            for t in p.targets
        ],
    }


def _pool(p: PoolRow) -> dict[str, Any]:
    return {
        "name": p.name,
        "hardware": p.accelerator,
        "perAcceleratorHour": None if p.price is None else f"{p.price:f}",
        "nodes": p.nodes,
        "unit": p.unit or None,
        "taken": _rounded(p.taken),
        "room": _rounded(p.room),
        "replicas": p.used,
        "usdPerHour": words.usd(p.usd_per_hour),
        "problem": p.problem or None,
    }


def _change(c: Change) -> dict[str, Any]:
    return {
        "workload": c.row.name,
        "change": c.kind,
        "usdPerHour": words.signed(c.usd_per_hour),
        "headroom": [
            {"target": h.name, "before": _rounded(h.before), "after": _rounded(h.after)}
            for h in c.headroom
            if h.changed
        ],
        "before": None if c.before is None else _side(c.before),
        "after": None if c.after is None else _side(c.after),
    }


def _side(w: WorkloadRow) -> dict[str, Any]:
    return {
        "reason": w.reason,
        "message": w.message,
        "usdPerHour": words.usd(w.usd_per_hour),
        "placements": [_placement(p) for p in w.staying],
    }


def _violation(v: Violation) -> dict[str, Any]:
    return {"reason": v.reason, "bindingConstraint": v.binding, "message": v.message}


def _rounded(value: float | Decimal | None) -> float | None:
    """None also of what is infinite, which JSON has no word for."""
    return None if value is None or not isfinite(value) else float(f"{value:.{DIGITS}g}")


def _dumped(body: dict[str, Any]) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"
