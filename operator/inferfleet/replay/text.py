"""A replay for a terminal. Pure."""

from collections.abc import Sequence

import numpy as np

from inferfleet.api import figures as numbers
from inferfleet.offline.render.words import number
from inferfleet.replay.report import Replayed, around, bins, figures
from inferfleet.sim.result import Outcome, Result
from inferfleet.sim.types import Floats

BLOCKS = "▁▂▃▄▅▆▇█"
COLUMNS = 72
_OUTCOMES = {
    Outcome.LOST: "lost with their replica",
    Outcome.UNSERVED: "never served: no replica was there",
    Outcome.TOO_LONG: "too long for a whole replica",
}


def render(found: Replayed) -> str:
    """With a line for each thing that has one, the timeline, and the worst moment."""
    rows = [*_head(found), "", *_rows(found), "", *_timeline(found), "", *_worst(found)]
    if found.assumptions:
        rows += ["", "Assumed:", *(f"  {line}" for line in found.assumptions)]
    return "\n".join(rows) + "\n"


def clock(seconds: float) -> str:
    """`0d 07:30`, or `07:30:05` in the first day."""
    days, rest = divmod(round(seconds), 86_400)
    hours, minutes = divmod(rest // 60, 60)
    return f"{days}d {hours:02}:{minutes:02}" if days else f"{hours:02}:{minutes:02}:{rest % 60:02}"


def _head(found: Replayed) -> list[str]:
    who = "the operator's law" if found.replicas is None else number(found.replicas, "static replica")
    trace, result = found.result.trace, found.result
    return [
        f"{found.name}: {found.placement}, {who}",
        f"{found.traffic}: {len(trace):,} requests in {clock(result.end)}, {trace.input.sum() / len(trace):,.0f} "
        f"tokens in and {trace.output.sum() / len(trace):,.0f} out on average, seed {found.seed}",
    ]


def _rows(found: Replayed) -> list[str]:
    result, said = found.result, figures(found)
    targets = ", ".join(_target_words(found))
    tokens = said["usdPerMillionOutputTokens"]
    each = f", {numbers.figures(float(str(tokens)))} per 1M output tokens" if tokens is not None else ""
    rows = [
        ("attainment", f"{result.attainment(found.slo):.2%} of requests ({found.percentile} % asked) within {targets}"),
        ("TTFT", _percentiles(result, "ttft")),
        ("TPOT", _percentiles(result, "itl")),
        ("replicas", f"{_hours(result)}; {said['meanReplicas']} ready on average"),
        ("cost", f"{result.dollars:,.2f} USD{each}"),
        ("changes", f"{result.changes}, of which {result.reversals} go back on the one before"),
    ]
    failed = [f"{n} {words}" for outcome, words in _OUTCOMES.items() if (n := int((result.outcome == outcome).sum()))]
    if failed:
        rows.append(("failed", "; ".join(failed)))
    if result.preempted:
        rows.append(("preempted", f"{result.preempted} times for want of KV cache"))
    return [f"  {name:<11}{words}" for name, words in rows]


def _target_words(found: Replayed) -> list[str]:
    slo = found.slo
    given = (("TTFT", slo.ttft), ("TPOT", slo.itl), ("the whole request", slo.end_to_end))
    return [f"{name} {numbers.latency(value)}" for name, value in given if np.isfinite(value)]


def _percentiles(result: Result, values: str) -> str:
    found = ((p, result.percentile(values, p)) for p in (50, 95, 99))
    return ", ".join(f"p{p} {numbers.latency(value) if np.isfinite(value) else '-'}" for p, value in found)


def _hours(result: Result) -> str:
    used = [(name, hours) for name, hours in result.hours.items() if hours] or list(result.hours.items())[:1]
    return ", ".join(f"{numbers.figures(hours)} replica-hours on {name}" for name, hours in used)


def _timeline(found: Replayed) -> list[str]:
    b = bins(found, COLUMNS)
    ready = sum(b.ready.values(), np.zeros(COLUMNS))
    top = max(float(b.wanted.max()), float(ready.max()), 1.0)
    rows = [("requests/s", b.requests, float(b.requests.max())), ("wanted", b.wanted, top), ("ready", ready, top)]
    if sum(1 for values in b.ready.values() if values.any()) > 1:
        rows += [(f"  {name}", values, top) for name, values in b.ready.items() if values.any()]
    lines = [f"  {_cut(name):<11}{sparkline(v, high)}  {_range(v)}" for name, v, high in rows]
    lines.append(f"  {'attainment':<11}{_attained(b.attainment)}  {_range(b.attainment * 100, ' %')}")
    middle = clock(found.result.end / 2)
    end = clock(found.result.end)
    gap = COLUMNS // 2 - len("0")
    return [*lines, f"  {'':<11}0{middle:>{gap + len(middle) // 2}}{end:>{COLUMNS - 1 - gap - len(middle) // 2}}"]


def _cut(name: str) -> str:
    return name if len(name) <= 10 else f"{name[:9]}~"


def sparkline(values: Floats, high: float) -> str:
    """Eighths of the highest; what is nothing is a dot."""
    if high <= 0:
        return "." * len(values)
    return "".join("." if v <= 0 else BLOCKS[min(7, int(v / high * 8 - 1e-9))] for v in values)


def _attained(values: Floats) -> str:
    """From 90 % up, where it matters; what is below is a cross, where nothing came a blank."""
    return "".join(
        " " if np.isnan(v) else "x" if v < 0.9 else BLOCKS[min(7, int((v - 0.9) / 0.1 * 8 - 1e-9))] for v in values
    )


def _range(values: Floats, unit: str = "") -> str:
    known = values[~np.isnan(values)]
    if not len(known):
        return ""
    return f"{numbers.figures(round(float(known.min()), 4))} to {numbers.figures(round(float(known.max()), 4))}{unit}"


def _worst(found: Replayed) -> Sequence[str]:
    worst = found.result.worst(found.slo)
    if not worst.requests:
        return []
    end = clock(worst.start + 300)
    rows = [
        f"Worst five minutes: {clock(worst.start)} to {end}, {worst.attainment:.1%} of {worst.requests:,} requests "
        "within the targets"
    ]
    for said in around(found, worst.start):
        rows.append(f"  {clock(said.at)}  {number(said.decision.replicas, 'replica')}, {said.decision.reason}")
        rows.append(f"            {said.decision.message}")
    return rows
