"""CapacityProfiles: the ledger written down, so that it outlives a restart and serves other Models. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import ValidationError

from inferfleet.api.base import GROUP, VERSION, timestamp
from inferfleet.api.capacity_profile import CapacityProfileSpec, CapacityProfileStatus
from inferfleet.api.quantities import format_cpu, parse_quantity, two_digits
from inferfleet.fleet.types import Obj, Plan
from inferfleet.planning.content import settings
from inferfleet.planning.ledger import content_name
from inferfleet.planning.types import Evaluated, Measured, Question

CHANGE = 0.15
"""Relative change that is worth a write: below it is the noise of a measurement."""

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
        | ({"settings": dict(differing)} if differing else {}),
    }


def profile_status(obj: Obj, measured: Measured, stored: Mapping[str, Measured], now: datetime) -> Obj | None:
    """The status to apply, or None when what is stored is near enough."""
    old = stored.get(obj["metadata"]["name"])
    value = two_digits(measured.tokens_per_second)
    if value <= 0 or (old and abs(value - old.tokens_per_second) <= CHANGE * old.tokens_per_second):
        return None
    status = {
        "tokensPerSecond": value,
        "source": measured.source,
        "measuredAt": timestamp(now),
    }
    return {key: obj[key] for key in ("apiVersion", "kind", "metadata")} | {"status": status}


def ledger(profiles: Iterable[Obj], now: datetime, max_age: float) -> dict[str, Measured]:
    """Capacity by content; what is older than `max_age` seconds, or of the future, is not believed.

    What the operator measured goes before what somebody declared: it was seen here. Of several about the same the
    newest holds, and of one day the first by name, so that the order of a list decides nothing.
    """
    found: dict[str, _Known] = {}
    for obj in sorted(profiles, key=lambda o: str(o.get("metadata", {}).get("name", ""))):
        try:
            spec = CapacityProfileSpec.model_validate(obj.get("spec", {}))
            name = _content(spec)
        except ValueError:
            continue  # written by somebody else, and of no use
        for known in (_measured(obj), _declared(spec)):
            if known and _believed(known, now, max_age) and (name not in found or known.before(found[name])):
                found[name] = known
    return {name: known.measured for name, known in found.items()}


@dataclass(frozen=True)
class _Known:
    """A capacity and when it was measured."""

    measured: Measured
    since: datetime

    def before(self, other: "_Known") -> bool:
        """Whether it goes before the other, of the same content."""
        return self._rank > other._rank

    @property
    def _rank(self) -> tuple[bool, datetime]:
        return self.measured.source != "Declared", self.since


def _believed(known: _Known, now: datetime, max_age: float) -> bool:
    age = (now - known.since).total_seconds()
    return -AHEAD <= age <= max_age


def _content(spec: CapacityProfileSpec) -> str:
    return content_name(
        (spec.architecture, spec.quantization, spec.engine),
        (spec.accelerator, float(parse_quantity(spec.accelerators))),
        spec.slots,
        (spec.input_tokens, spec.output_tokens),
        spec.settings,
    )


def _measured(obj: Obj) -> _Known | None:
    try:
        status = CapacityProfileStatus.model_validate(obj.get("status", {}))
        since = datetime.fromisoformat(status.measured_at)
    except (ValidationError, ValueError):
        return None  # not measured yet
    if status.tokens_per_second <= 0 or since.tzinfo is None:
        return None
    source: Literal["Observed", "Benchmarked"] = "Observed" if status.source == "Observed" else "Benchmarked"
    return _Known(Measured(float(status.tokens_per_second), source), since)


def _declared(spec: CapacityProfileSpec) -> _Known | None:
    if spec.declared is None:
        return None
    try:
        since = datetime.fromisoformat(spec.declared.as_of).replace(tzinfo=UTC)
    except ValueError:
        return None  # a day that no month has
    return _Known(Measured(float(spec.declared.tokens_per_second), "Declared"), since)
