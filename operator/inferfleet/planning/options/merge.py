"""Several classes of a Model on one placement: what it would have to meet. Pure.

The strictest of all targets and limits binds. Lengths are those of a mean request of the mix, so that a class of long
prompts shows in what the others' tokens wait for; the longest requests of any class must fit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from itertools import combinations
from math import isinf

from inferfleet.api.common import Lengths, Traffic
from inferfleet.api.workload_class import Limits, QuantizationPolicy, Slo, WorkloadClassSpec
from inferfleet.names import shared
from inferfleet.placing.types import Demand
from inferfleet.planning.types import Question
from inferfleet.planning.unit import counted

LONGEST = 63
"""Characters of a value of a label, which names all classes that a pod serves."""
ALL_SETS_UP_TO = 4
"""Classes of a Model of which every set is tried; of more, runs of neighbours by how strict they are."""


@dataclass(frozen=True)
class Workload:
    """One class of one Model, with what is asked of it."""

    key: str
    group: str
    """The Model: `namespace/name`."""
    question: Question
    load: float
    """Tokens per second of the class's unit."""
    whole: bool = True
    """Whether one placement must carry it alone, as the operator deploys it."""
    weight: float | None = None
    """Its part in the requests of a mix, against the others' (all 0: as many of each); None: by its load. What pods are
    told of a mix must not move with the traffic.
    """
    alone: bool = False
    """Whether it shares with nobody."""
    sharing: "Sharing | None" = None
    """What it is on together with others now."""

    @property
    def demand(self) -> Demand:
        """For the program."""
        spec = self.question.workload
        return Demand(
            key=self.key,
            load=self.load,
            group=self.group,
            priority=spec.priority,
            deferrable=spec.slo.deadline is not None,
            utilization=float(spec.scaling.target_utilization),
            whole=self.whole,
        )

    @property
    def namespace(self) -> str:
        """Of the Model."""
        return self.group.partition("/")[0]

    @property
    def requests(self) -> float:
        """Requests per second."""
        return self.load / counted(self.question.workload).p50


@dataclass(frozen=True)
class Sharing:
    """A placement for several workloads that runs."""

    members: frozenset[str]
    """Keys of the workloads."""
    identity: tuple[str, str, str]
    replicas: int


def sets(workloads: Sequence[Workload]) -> list[tuple[Workload, ...]]:
    """Of two and more workloads of one Model that one placement may serve, in a stable order."""
    ordered = sorted((w for w in workloads if not w.alone), key=lambda w: (_strictness(w), w.key))
    return [found for found in _tried(ordered) if alike(found) and len(_label(found)) <= LONGEST]


def _label(found: Sequence[Workload]) -> str:
    return shared(w.key.rpartition("/")[2] for w in found)


def _tried(ordered: Sequence[Workload]) -> Iterator[tuple[Workload, ...]]:
    for size in range(2, len(ordered) + 1):
        if len(ordered) <= ALL_SETS_UP_TO:
            yield from combinations(ordered, size)
        else:
            yield from (tuple(ordered[i : i + size]) for i in range(len(ordered) - size + 1))


def _strictness(w: Workload) -> tuple[bool, timedelta]:
    slo = w.question.workload.slo
    return slo.deadline is not None, slo.tpot or slo.end_to_end or slo.ttft or timedelta.max


def alike(found: Sequence[Workload]) -> bool:
    """Whether pods could be told one thing, for the least money: the same engine settings, no other goal, no pause.

    Nothing tells their requests apart there, so none comes first, and none has a deadline that others have not.
    """
    first, *others = (w.question for w in found)
    members = {w.key for w in found}
    settled = (w for w in found if w.question.incumbents or (w.sharing and w.sharing.members != members))
    paused = any(isinf(w.question.move_saving) for w in settled)
    return first.workload.objective == "Cost" and not paused and all(_settings(q) == _settings(first) for q in others)


def _settings(q: Question) -> tuple[object, ...]:
    spec = q.workload
    serving = spec.serving.model_copy(update={"max_batch_size": 1})
    same = (q.architecture_key, spec.modality, spec.objective, serving, spec.traffic.media, q.pin, q.variants)
    return (*same, spec.priority, spec.slo.deadline)


def merged(found: Sequence[Workload]) -> Question:
    """The question of one placement for all of them. What runs serves each class alone, so nothing of it is kept."""
    first = found[0].question
    shared = frozenset.intersection(*(frozenset(p.name for p in w.question.pools) for w in found))
    return replace(
        first,
        workload=_class(found),
        pools=tuple(p for p in first.pools if p.name in shared),
        min_replicas=max(w.question.min_replicas for w in found),
        max_replicas=sum(w.question.max_replicas for w in found),
        guaranteed=sum(w.question.guaranteed for w in found),
        incumbents=frozenset(),
        running={},
        slots={},
    )


def _class(found: Sequence[Workload]) -> WorkloadClassSpec:
    specs = [w.question.workload for w in found]
    scaling = specs[0].scaling
    utilization = min(s.scaling.target_utilization for s in specs)
    most = min(s.serving.max_batch_size for s in specs)
    update = {
        "traffic": _traffic(found),
        "slo": _slo([s.slo for s in specs]),
        "limits": _limits([s.limits for s in specs]),
        "quantization": _quantization([s.quantization for s in specs if s.quantization]),
        "serving": specs[0].serving.model_copy(update={"max_batch_size": most}),
        "scaling": scaling.model_copy(update={"target_utilization": utilization}),
        "priority": max(s.priority for s in specs),
    }
    return specs[0].model_copy(update=update)


def _traffic(found: Sequence[Workload]) -> Traffic:
    traffics = [w.question.workload.traffic for w in found]
    weights = [w.requests if w.weight is None else w.weight for w in found]
    weights = weights if sum(weights) else [1.0] * len(found)
    update = {
        "input_tokens": _mean([t.input_tokens for t in traffics], weights),
        "output_tokens": _mean([t.output for t in traffics], weights) if traffics[0].output_tokens else None,
        "shared_prefix_tokens": min(t.shared_prefix_tokens for t in traffics),
    }
    return traffics[0].model_copy(update=update)


def _mean(lengths: Sequence[Lengths], weights: Sequence[float]) -> Lengths:
    mean = sum(n.p50 * w for n, w in zip(lengths, weights, strict=True)) / sum(weights)
    p50 = max(1, round(mean))
    return Lengths(p50=p50, p95=max(p50, *(n.p95 for n in lengths)))


def _slo(slos: Sequence[Slo]) -> Slo:
    """Of batch beside interactive requests the interactive targets bind: they are shorter than any deadline."""
    interactive = [s for s in slos if s.deadline is None]
    update = {name: _least(slos, name) for name in ("ttft", "tpot", "end_to_end")}
    return slos[0].model_copy(update=update | {"deadline": None if interactive else _least(slos, "deadline")})


def _limits(limits: Sequence[Limits]) -> Limits:
    names = ("cost_per1_m_tokens", "joules_per_token", "accuracy_loss_percent")
    update = {name: _least(limits, name) for name in names}
    return limits[0].model_copy(update=update | {"allow_external": all(x.allow_external for x in limits)})


def _least(found: Sequence[object], name: str) -> timedelta | Decimal | None:
    given = [value for one in found if (value := getattr(one, name)) is not None]
    return min(given, default=None)


def _quantization(policies: Sequence[QuantizationPolicy]) -> QuantizationPolicy | None:
    if not policies:
        return None
    lists = [p.allow for p in policies if p.allow is not None]
    both = sorted(set.intersection(*map(set, lists))) if lists else None
    return policies[0].model_copy(update={"allow": both, "require_evidence": any(p.require_evidence for p in policies)})
