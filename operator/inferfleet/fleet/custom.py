"""Hardware that a pool describes itself, as the catalog would. Pure."""

from inferfleet.api.hardware_pool import CustomAccelerator
from inferfleet.catalog.loader import Accelerator
from inferfleet.names import digest


def custom_name(facts: CustomAccelerator) -> str:
    """The same for the same facts, so that measurements hold for every pool that has them."""
    return f"custom-{digest(facts.model_dump(mode='json'))}"


def custom_accelerator(name: str, facts: CustomAccelerator) -> Accelerator:
    """As an entry of the catalog, but without sources: the pool is who says it."""
    return Accelerator(
        name=name,
        kind=facts.kind,
        engines=tuple(facts.engines),
        memory=facts.memory or None,
        memory_bandwidth=float(facts.memory_bandwidth),
        operations={key: float(value) for key, value in facts.operations.items()},
        vendor=facts.vendor,
        resource_name=facts.resource_name,
        tdp_watts="NotVerified" if facts.watts is None else float(facts.watts),
    )
