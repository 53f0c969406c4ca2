"""Why one Model is served as it is, in full. Pure."""

from collections.abc import Iterable, Sequence

from inferfleet.api.figures import figures, latency
from inferfleet.offline.render import words
from inferfleet.offline.types import PlacementRow, RejectedRow, Report, WorkloadRow

LOST = ("WorseForFleet", "CostAboveBest", "LatencyAboveBest", "EnergyAboveBest", "ThroughputBelowBest")
"""Reasons of candidates that could serve, and were not the best."""


def explain(report: Report, workloads: Sequence[WorkloadRow], said: Sequence[str] = ()) -> str:
    """`said`: what the operator of a cluster says itself."""
    blocks = ["\n".join(_workload(w)) for w in workloads]
    told = [("The operator says", said)] if said else []
    for title, lines in (*told, *words.sections(report)):
        blocks.append("\n".join([f"{title}:", *(f"  {line}" for line in lines)]))
    return "\n\n".join(blocks) + "\n"


def _workload(w: WorkloadRow) -> Iterable[str]:
    yield w.name
    if w.place:
        yield f"  declared at {w.place.file}:{w.place.line}"
    if w.demand:
        yield f"  planned for {figures(w.demand)} {w.unit} tokens/s; objective {w.objective}"
    yield f"  {w.reason}: {w.message}"
    for placement in w.placements:
        yield from _placement(w, placement)
    for violation in w.violations:
        if w.planned:  # else its message says it already
            yield f"  broken: {violation.reason}: {violation.message}"
    if w.undeployed:
        yield f"  not acted on: {w.undeployed}"
    yield from _others(w)


def _placement(w: WorkloadRow, p: PlacementRow) -> Iterable[str]:
    yield f"  {words.state(w, p)}: {p.words}, {words.number(p.replicas, 'replica')}, {words.usd(p.usd_per_hour)} USD/h"
    if not p.evaluated:
        return
    speed = f"{figures(p.tokens_per_second)} tokens/s ({p.capacity_source.lower()})"
    yield f"    a replica: {p.accelerators}, {words.number(p.slots, 'slot')}, {speed}"
    energy = "" if p.joules_per_token is None else f", {figures(p.joules_per_token)} J per token"
    yield f"    {words.cost(p)} USD per 1M tokens{energy}"
    for target in p.targets:
        allowed = "no target" if target.allowed is None else f"{latency(target.allowed)} allowed"
        left = "" if target.headroom is None else f", {words.percent(target.headroom)} left"
        yield f"    {words.NAMES[target.name]}: {latency(target.expected)} expected, {allowed}{left}"


def _others(w: WorkloadRow) -> Iterable[str]:
    able = [r for r in w.rejected if r.reason in LOST]
    unable = [r for r in w.rejected if r.reason not in LOST]
    if able:
        yield "  could serve, too:"
        yield from (f"    {r.words}: {r.message}" for r in able)
    if unable:
        yield f"  cannot serve ({words.number(len(unable), 'candidate')}):"
    groups: dict[str, list[RejectedRow]] = {}
    for r in unable:
        groups.setdefault(r.reason, []).append(r)
    for reason, group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        yield f"    {reason} ({len(group)}):"
        yield from _by_message(group)


def _by_message(rejected: Sequence[RejectedRow]) -> Iterable[str]:
    """The same words of several candidates once."""
    groups: dict[str, list[str]] = {}
    for r in rejected:
        groups.setdefault(r.message, []).append(r.words)
    for message, names in groups.items():
        yield f"      {message}"
        yield f"        {'; '.join(names)}"
