"""What names and labels of the silicon sample mean here. Pure."""

import re
from collections.abc import Mapping

from inferfleet.catalog.hardware_entries import Accelerator
from inferfleet.catalog.loader import Catalog
from inferfleet.performance.shape import UNMARKED
from inferfleet.performance.types import Speculation

ENGINES: Mapping[str, str] = {"trtllm": "tensorrt-llm", "vllm": "vllm", "sglang": "sglang"}
SYSTEMS: Mapping[str, str] = {
    "a100_sxm": "nvidia-a100-80gb",
    "h100_sxm": "nvidia-h100-80gb",
    "h200_sxm": "nvidia-h200-141gb",
    "b200_sxm": "nvidia-b200-180gb",
    "b300_sxm": "nvidia-b300-288gb",
    "gb200": "nvidia-b200-180gb",
    "gb300": "nvidia-b300-288gb",
    "l40s": "nvidia-l40s",
    "l4": "nvidia-l4",
    "mi300x": "amd-mi300x",
    "mi325x": "amd-mi300x",
    "mi355x": "amd-mi300x",
}
OTHERWISE: Mapping[str, tuple[float, float, float, float]] = {
    "gb200": (8e12, 192e9, 10 / 9, 1200.0),
    "gb300": (8e12, 288e9, 10 / 9, 1400.0),
    "mi325x": (6e12, 256e9, 1.0, 1000.0),
    "mi355x": (8e12, 288e9, 1.925, 1400.0),
}
"""Memory bandwidth, memory, times the arithmetic, watts of what differs from its entry of the catalog (data sheets)."""
RACKS = ("gb200", "gb300")
NODE = 8
MODELS: Mapping[str, str] = {
    "kimi-k2.": "kimi-k2",
    "deepseek-v3.": "deepseek-v3",
    "deepseek-v3-0324": "deepseek-v3",
    "glm-5.": "glm-5",
    "minimax-m2": "minimax-m2.5",
}
"""Releases with the architecture of another entry, or nearly."""
FASTER = (("1.2.0rc6.post3", ""), ("1.1.0rc2.post2", "2026-01-14"))
"""Versions and days of TensorRT-LLM whose rows of DeepSeek-R1 are up to twice as fast as their neighbours: almost
surely multi-token prediction, which nothing marks. No day: all."""
GUESSED = Speculation(UNMARKED, 1, 0.85)
"""One token ahead, of which 85 to 90 % hold (arXiv:2412.19437, section 5.4.3)."""
RELEASED: Mapping[str, str] = {
    "1.0.0rc3": "2025-07-15",
    "0.5.1.post1": "2025-08-24",
    "0.5.6.post2": "2025-12-11",
    "0.5.8.post1": "2026-02-05",
    "0.12.0": "2025-12-03",
}
"""About the day of versions in rows that have none."""
SWEEP = re.compile(r"$|db-dump/|source_file=\d{4}-\d\d-\d\d\.csv")
"""Sources that send ten rounds in a closed loop, as is taken of rows without a source; of others nobody says."""


def name_of(path: str) -> str:
    """Of a model, without who published it."""
    return path.rsplit("/", 1)[-1].lower().removeprefix("meta-")


def model_of(path: str, catalog: Catalog) -> str | None:
    """The longest entry whose name the path begins with."""
    name = name_of(path)
    name = next((entry for release, entry in MODELS.items() if name.startswith(release)), name)
    known = [entry for entry in catalog.models if name == entry or name.startswith(f"{entry}-")]
    return max(known, key=len, default=None)


def accelerator_of(system: str, catalog: Catalog) -> Accelerator | None:
    """By the sample's name or the catalog's."""
    entry = catalog.accelerators.get(SYSTEMS.get(system, system))
    if entry is None or system not in OTHERWISE:
        return entry
    bandwidth, memory, times, watts = OTHERWISE[system]
    faster = {kind: value * times if isinstance(value, float) else value for kind, value in entry.operations.items()}
    changed = {"name": system, "operations": faster, "memory_bandwidth": bandwidth, "memory": memory}
    return entry.model_copy(update={**changed, "tdp_watts": watts})


def guesses(backend: str, path: str, version: str, day: str) -> bool:
    """Whether a row is one of `FASTER`."""
    if (backend, name_of(path)) != ("trtllm", "deepseek-r1"):
        return False
    return any(version == known and said in ("", day) for known, said in FASTER)
