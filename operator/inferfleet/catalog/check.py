"""What entries say of entries in other files: names that must exist. Pure."""

from collections.abc import Iterator, Mapping

from inferfleet.catalog.engine_entries import GGUF, EngineEntry
from inferfleet.catalog.hardware_entries import Accelerator
from inferfleet.catalog.near import unknown
from inferfleet.catalog.quantization_entries import Quantization


def across(
    accelerators: Mapping[str, Accelerator],
    engines: Mapping[str, EngineEntry],
    quantizations: Mapping[str, Quantization],
) -> list[str]:
    """One sentence for each name that is not there."""
    return [
        *(line for entry in accelerators.values() for line in _engines(entry, engines)),
        *(line for entry in engines.values() for line in _formats(entry, quantizations)),
    ]


def _engines(entry: Accelerator, engines: Mapping[str, EngineEntry]) -> Iterator[str]:
    for name in entry.engines:
        if name not in engines:
            yield f"hardware.yaml: entry {entry.name}: engines: {unknown(name, engines)}"


def _formats(entry: EngineEntry, quantizations: Mapping[str, Quantization]) -> Iterator[str]:
    named = {name for platform in entry.platforms for known in platform.quantizations.values() for name in known}
    for name in sorted(named - {GGUF, *quantizations}):
        yield f"engines.yaml: entry {entry.name}: platforms: {unknown(name, quantizations)}"
