"""Recorded runs of an autoscaled vLLM on H100 (data set wva_h100_autoscaling_runs). Reads."""

import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from inferfleet.sim.types import Floats, Ints

FOLDER = "wva_h100_autoscaling_runs"
FIRST_LOOK = 5.0
"""Seconds: a pod that is seen by then was there before the run."""


@dataclass(frozen=True)
class Recorded:
    """One run with its requests, by arrival. Seconds from the start of the load generator."""

    name: str
    at: Floats
    input: Ints
    output: Ints
    ttft: Floats
    """NaN: no token came."""
    itl: Floats
    """Mean of each request."""
    ups: Floats
    """When each further pod was ready."""
    downs: Floats
    """When each pod left."""
    initial: int
    """Pods that were ready before."""
    hit: float
    """Share of prompt tokens that were found in the prefix cache, over the run."""
    kv_tokens: float
    block: int
    """Tokens of a KV block."""


def read(data: Path) -> tuple[Recorded, ...]:
    """All runs that recorded their requests, by name. Raises FileNotFoundError where there is none."""
    folder = data / FOLDER
    found = (_run(path) for path in sorted(folder.glob("*.bundle.json.gz")))
    runs = tuple(run for run in found if run is not None)
    if not runs:
        raise FileNotFoundError(f"{folder} has no *.bundle.json.gz with requests")
    return runs


def _run(path: Path) -> Recorded | None:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        bundle = json.load(file)
    requests = sorted(bundle["requests"], key=lambda r: float(r["t_arr"]))
    if not requests:
        return None
    start = float(bundle["meta"]["harness_start_epoch"])
    counts = [(float(r["t"]) - start, int(r["ready"])) for r in bundle["replicas"]]
    capacity = bundle["derived"]["capacity"]
    return Recorded(
        name=path.name.removesuffix(".bundle.json.gz"),
        at=_numbers(requests, "t_arr") - start,
        input=np.array([int(r["in_tok"]) for r in requests], dtype=np.int64),
        output=np.array([max(1, int(r["out_tok"])) for r in requests], dtype=np.int64),
        ttft=_numbers(requests, "ttft"),
        itl=_numbers(requests, "itl_true") / 1e3,
        ups=_ups(counts, bundle["pods"], start),
        downs=np.array([(a + b) / 2 for a, b in _changes(counts, -1)]),
        initial=counts[0][1],
        hit=float(capacity["pfx_hit"]),
        kv_tokens=float(capacity["kv_tokens"]),
        block=int(capacity["block_size"]),
    )


def _numbers(requests: Iterable[Mapping[str, Any]], field: str) -> Floats:
    return np.array([np.nan if r[field] is None else float(r[field]) for r in requests], dtype=np.float64)


def _changes(counts: list[tuple[float, int]], sign: int) -> list[tuple[float, float]]:
    """Between which looks the count of ready pods grew (or fell), once for each pod."""
    found = []
    for (before, n), (after, m) in pairwise(counts):
        found += [(before, after)] * max(0, sign * (m - n))
    return found


def _ups(counts: list[tuple[float, int]], pods: Mapping[str, Any], start: float) -> Floats:
    """The middle of the time in which a pod became ready, as both recorders saw it.

    One counted ready pods, the other what each pod had: it was idle at one look and busy at the next.
    """
    spans = sorted(span for pod in pods.values() if (span := _began(pod["series"], start)))
    found = []
    for (low, high), (idle, busy) in zip(_changes(counts, 1), spans, strict=True):
        both = (max(low, idle), min(high, busy))
        found.append(sum(both) / 2 if both[0] < both[1] else (idle + busy) / 2)
    return np.array(found, dtype=np.float64)


def _began(series: list[Mapping[str, float]], start: float) -> tuple[float, float] | None:
    """Between which looks a pod got its first request; None for one that was there before."""
    looks = [(float(s["t"]) - start, float(s["run"]) + float(s["wait"])) for s in series]
    if looks[0][0] < FIRST_LOOK:
        return None
    busy = next((i for i, (_, load) in enumerate(looks) if load > 0), 0)
    interval = looks[1][0] - looks[0][0] if len(looks) > 1 else 0.0
    return (looks[busy - 1][0] if busy else looks[0][0] - interval, looks[busy][0])
