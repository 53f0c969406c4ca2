"""What a replay comes to, in figures: what every output is rendered from. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from inferfleet.sim.operator_law import Said
from inferfleet.sim.result import Outcome, Result
from inferfleet.sim.types import Floats, Slo

MILLION = 1e6
SCALE_CHANGE = 300.0
"""Seconds around a worst moment in which decisions are shown."""


@dataclass(frozen=True)
class Replayed:
    """A simulated workload."""

    name: str
    """`assistants/llama:chat`."""
    placement: str
    traffic: str
    percentile: int
    """Share of requests, in percent, that the class wants within its targets."""
    slo: Slo
    result: Result
    said: tuple[Said, ...]
    """Decisions of the law; none of a static fleet."""
    replicas: int | None
    """Of a static fleet; None: the law decided."""
    seed: int
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bins:
    """The run in equal parts. Rates per second; replicas are means, what is wanted is the most."""

    edges: Floats
    requests: Floats
    tokens: Floats
    """Input and output tokens of the requests that arrive."""
    ready: Mapping[str, Floats]
    """By pool."""
    booting: Floats
    wanted: Floats
    attainment: Floats
    """NaN where nothing arrived."""


def bins(found: Replayed, count: int) -> Bins:
    """In so many parts."""
    result, trace = found.result, found.result.trace
    end = max(result.end, 1.0)
    edges = np.linspace(0.0, end, count + 1)
    width = end / count
    met = result.met(found.slo)
    arrived = np.histogram(trace.at, edges)[0]
    good = np.histogram(trace.at[met], edges)[0]
    tokens = np.histogram(trace.at, edges, weights=(trace.input + trace.output).astype(np.float64))[0]
    return Bins(
        edges=edges,
        requests=arrived / width,
        tokens=tokens / width,
        ready={pool.name: _mean(result, pool.name, "ready", edges) for pool in result.pools},
        booting=sum((_mean(result, pool.name, "booting", edges) for pool in result.pools), np.zeros(count)),
        wanted=sum((_most(result, pool.name, edges) for pool in result.pools), np.zeros(count)),
        attainment=np.where(arrived > 0, good / np.maximum(arrived, 1), np.nan),
    )


def _steps(result: Result, pool: str, field: str) -> tuple[Floats, Floats]:
    """Since when, and how many: of several changes at one moment the last."""
    last = {c.at: float(getattr(c, field)) for c in result.timeline if c.pool == pool}
    return np.array(list(last)), np.array(list(last.values()))


def _mean(result: Result, pool: str, field: str, edges: Floats) -> Floats:
    at, count = _steps(result, pool, field)
    whole = np.concatenate(([0.0], np.cumsum(count[:-1] * np.diff(at))))
    index = np.searchsorted(at, edges, side="right") - 1
    until = whole[index] + count[index] * (edges - at[index])
    found: Floats = np.diff(until) / np.diff(edges)
    return found


def _most(result: Result, pool: str, edges: Floats) -> Floats:
    at, count = _steps(result, pool, "wanted")
    found = np.empty(len(edges) - 1)
    for i, (low, high) in enumerate(pairwise(edges)):
        first = max(0, int(np.searchsorted(at, low, side="right")) - 1)
        found[i] = count[first : max(first + 1, int(np.searchsorted(at, high)))].max()
    return found


def figures(found: Replayed) -> dict[str, object]:
    """All that is said of a replay; JSON as it is. Times in seconds; None where nothing is known."""
    result, trace = found.result, found.result.trace
    tokens = int(trace.output[result.outcome == Outcome.DONE].sum())
    counts = {outcome.name.lower(): int((result.outcome == outcome).sum()) for outcome in Outcome}
    total = sum(_mean(result, p.name, "ready", np.array([0.0, max(result.end, 1.0)])) for p in result.pools)
    worst = result.worst(found.slo)
    return {
        "workload": found.name,
        "placement": found.placement,
        "traffic": found.traffic,
        "seed": found.seed,
        "replicas": "law" if found.replicas is None else found.replicas,
        "seconds": round(result.end, 3),
        "requests": len(trace),
        "inputTokens": int(trace.input.sum()),
        "outputTokens": int(trace.output.sum()),
        "outcomes": counts,
        "attainment": round(result.attainment(found.slo), 6),
        "asked": found.percentile / 100,
        "targets": _targets(found.slo),
        "ttft": _percentiles(result, "ttft"),
        "tpot": _percentiles(result, "itl"),
        "replicaHours": {name: round(hours, 4) for name, hours in result.hours.items()},
        "usd": round(result.dollars, 4),
        "usdPerMillionOutputTokens": round(result.dollars / tokens * MILLION, 4) if tokens else None,
        "meanReplicas": round(float(np.sum(total)), 3),
        "changes": result.changes,
        "reversals": result.reversals,
        "preempted": result.preempted,
        "worst": {"start": worst.start, "seconds": 300.0, "attainment": worst.attainment, "requests": worst.requests},
        "assumptions": list(found.assumptions),
    }


def _targets(slo: Slo) -> dict[str, float]:
    given = {"ttft": slo.ttft, "tpot": slo.itl, "endToEnd": slo.end_to_end}
    return {name: value for name, value in given.items() if np.isfinite(value)}


def _percentiles(result: Result, values: str) -> dict[str, float | None]:
    found = {f"p{p}": result.percentile(values, p) for p in (50, 95, 99)}
    return {name: round(value, 6) if np.isfinite(value) else None for name, value in found.items()}


def timeline(found: Replayed, count: int) -> list[dict[str, object]]:
    """One entry for each part of the run."""
    b = bins(found, count)
    return [
        {
            "start": round(float(b.edges[i]), 3),
            "requestsPerSecond": round(float(b.requests[i]), 4),
            "tokensPerSecond": round(float(b.tokens[i]), 2),
            "wanted": int(b.wanted[i]),
            "booting": round(float(b.booting[i]), 3),
            "ready": {name: round(float(values[i]), 3) for name, values in b.ready.items()},
            "attainment": None if np.isnan(b.attainment[i]) else round(float(b.attainment[i]), 6),
        }
        for i in range(count)
    ]


def decisions(found: Replayed) -> list[dict[str, object]]:
    """Of the law: those that changed how many replicas it told, or why."""
    return [
        {
            "at": round(s.at, 3),
            "replicas": s.decision.replicas,
            "wanted": s.decision.wanted,
            "reason": s.decision.reason,
            "message": s.decision.message,
        }
        for s in found.said
    ]


def around(found: Replayed, start: float) -> list[Said]:
    """Decisions about a worst moment: the last before it, and the first within it that changed replicas."""
    before = [s for s in found.said if s.at <= start][-1:]
    inside, last = [], before[0].decision.replicas if before else None
    for said in found.said:
        if start < said.at <= start + SCALE_CHANGE and said.decision.replicas != last:
            inside.append(said)
            last = said.decision.replicas
    return [*before, *inside[:4]]
