"""CapacityProfiles: the ledger written down, so that it outlives a restart and serves other Models. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from inferfleet.api.base import GROUP, VERSION
from inferfleet.api.capacity_profile import CapacityProfileSpec
from inferfleet.api.quantities import format_cpu, parse_quantity
from inferfleet.fleet.profile_status import read
from inferfleet.fleet.types import Obj, Plan
from inferfleet.planning.content import alternatives, current, first, settings, told, version
from inferfleet.planning.ledger import content_name
from inferfleet.planning.types import Evaluated, Measured, Question
from inferfleet_runtime.engines import ENGINES, EngineProfile

AHEAD = 86_400.0
"""Seconds that a time may be ahead of ours: clocks differ, and a day begins earlier in the east."""


def profile_objects(plan: Plan) -> dict[str, Obj]:
    """The profile of every chosen placement, without a status, by name."""
    found = {}
    for workload in plan.workloads:
        for placement in workload.placements:
            if placement.evaluated and workload.valid:
                traffic = workload.valid.spec.traffic
                lengths = (traffic.input_tokens.p50, traffic.output.p50)
                question = workload.valid.question
                found[placement.evaluated.profile] = _profile(placement.evaluated, question, lengths)
    return found


def _profile(chosen: Evaluated, question: Question, lengths: tuple[int, int]) -> Obj:
    candidate = chosen.candidate
    differing = settings(candidate, question)
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "CapacityProfile",
        "metadata": {"name": chosen.profile},
        "spec": {
            "architecture": question.architecture_key,
            "quantization": candidate.variant.quantization,
            "engine": candidate.engine,
            "accelerator": candidate.pool.accelerator_name,
            "accelerators": format_cpu(parse_quantity(candidate.accelerators)),
            "slots": chosen.prediction.slots,
            "inputTokens": lengths[0],
            "outputTokens": lengths[1],
        }
        | ({"settings": dict(differing)} if differing else {})
        | ({"engineVersion": made} if (made := _version(chosen, question)) else {}),
    }


def _version(chosen: Evaluated, q: Question) -> str:
    """In words also where names say nothing of it."""
    candidate = chosen.candidate
    names = (candidate.engine, *alternatives(candidate, q.workload.modality))
    return version(candidate, q) or first(names, q.engines)


def ledger(
    profiles: Iterable[Obj], now: datetime, max_age: float, engines: Mapping[str, EngineProfile] = ENGINES
) -> dict[str, Measured]:
    """Capacity by content; what is older than `max_age` seconds, or of the future, is not believed. What the operator
    measured is about that version of the engine; what somebody declares is taken for that of this release.

    What the operator measured goes before what somebody declared: it was seen here. Of several about the same the
    newest holds, and of one day the first by name, so that the order of a list decides nothing.
    """
    found: dict[str, _Known] = {}
    for obj in sorted(profiles, key=lambda o: str(o.get("metadata", {}).get("name", ""))):
        try:
            said = _said(obj, engines)
        except ValueError:
            continue  # written by somebody else, and of no use
        for name, known in said:
            if _believed(known, now, max_age) and (name not in found or known.before(found[name])):
                found[name] = known
    return {name: known.aged(now) for name, known in found.items()}


@dataclass(frozen=True)
class _Known:
    """A capacity and when it was measured."""

    measured: Measured
    since: datetime

    def aged(self, now: datetime) -> Measured:
        """The capacity, with the seconds since then."""
        return replace(self.measured, age=max(0.0, (now - self.since).total_seconds()))

    def before(self, other: "_Known") -> bool:
        """Whether it goes before the other, of the same content."""
        return self._rank > other._rank

    @property
    def _rank(self) -> tuple[bool, datetime]:
        return self.measured.source != "Declared", self.since


def _said(obj: Obj, engines: Mapping[str, EngineProfile]) -> list[tuple[str, _Known]]:
    """What was measured and what is declared, each with the content that it is about. Raises ValueError."""
    spec = CapacityProfileSpec.model_validate(obj.get("spec", {}))
    names = _engines(spec)
    found = []
    if measured := _found(obj):
        engine = told(spec.engine_version or first(names, engines), names, engines)
        found.append((_content(spec, engine), measured))
    if declared := _declared(spec):
        found.append((_content(spec, current(names, engines)), declared))
    return found


def _believed(known: _Known, now: datetime, max_age: float) -> bool:
    age = (now - known.since).total_seconds()
    return -AHEAD <= age <= max_age


def _content(spec: CapacityProfileSpec, engine: str) -> str:
    return content_name(
        (spec.architecture, spec.quantization, spec.engine),
        (spec.accelerator, float(parse_quantity(spec.accelerators))),
        spec.slots,
        (spec.input_tokens, spec.output_tokens),
        spec.settings,
        engine,
    )


def _engines(spec: CapacityProfileSpec) -> tuple[str, ...]:
    """Whose speed it is."""
    others = spec.settings.get("mayUse", "")
    return (spec.engine, *(others.split("_") if others else ()))


def _found(obj: Obj) -> _Known | None:
    found = read(obj.get("status", {}))
    return _Known(*found) if found else None


def _declared(spec: CapacityProfileSpec) -> _Known | None:
    if spec.declared is None:
        return None
    try:
        since = datetime.fromisoformat(spec.declared.as_of).replace(tzinfo=UTC)
    except ValueError:
        return None  # a day that no month has
    return _Known(Measured(float(spec.declared.tokens_per_second), "Declared"), since)
