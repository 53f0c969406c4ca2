"""CapacityProfiles: the ledger written down, so that it outlives a restart and serves other Models. Pure."""

from collections.abc import Mapping
from datetime import datetime

from inferfleet.api.base import GROUP, VERSION, timestamp
from inferfleet.api.quantities import format_cpu, parse_quantity
from inferfleet.fleet.status import two_digits
from inferfleet.fleet.types import Obj, Plan
from inferfleet.planning.types import Evaluated, Measured

CHANGE = 0.15
"""Relative change that is worth a write: below it is the noise of a measurement."""


def profile_objects(plan: Plan) -> dict[str, Obj]:
    """The profile of every chosen placement, without a status, by name."""
    found = {}
    for workload in plan.workloads:
        for placement in workload.placements:
            if placement.evaluated and workload.valid:
                traffic = workload.valid.spec.traffic
                lengths = (traffic.input_tokens.p50, traffic.output_tokens.p50)
                found[placement.evaluated.profile] = _profile(
                    placement.evaluated, workload.valid.question.architecture_key, lengths
                )
    return found


def _profile(chosen: Evaluated, architecture: str, lengths: tuple[int, int]) -> Obj:
    candidate = chosen.candidate
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "CapacityProfile",
        "metadata": {"name": chosen.profile},
        "spec": {
            "architecture": architecture,
            "quantization": candidate.variant.quantization,
            "engine": candidate.engine,
            "accelerator": candidate.pool.accelerator_name,
            "accelerators": format_cpu(parse_quantity(candidate.pool.cores)),
            "slots": chosen.prediction.slots,
            "inputTokens": lengths[0],
            "outputTokens": lengths[1],
        },
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
