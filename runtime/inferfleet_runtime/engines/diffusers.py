"""diffusers: pictures and videos of a pipeline in Hugging Face's layout. Pure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.engines.profile import EngineProfile

DIFFUSERS = EngineProfile(
    name="diffusers",
    serves=frozenset({"F32", "F16", "BF16"}),
    quantizes_to=frozenset(),
    # CUDA too, where `RuntimeConfig.device` says so; what is placed by kind is what was run
    platforms=frozenset({"cpu"}),
    modalities=frozenset({"Image", "Video"}),
    schemes=frozenset({"file", "https", "oci", "hf", "s3", "gs"}),
    # resident memory of both processes with pipelines of 1 to 7 MB (PyTorch 2.14, x86): 840 MiB with pictures of
    # 64x64, 940 with 512x512, 1030 at the peak; the activations of a large model come on top
    process_overhead_bytes=1100 * 2**20,
    kv_bytes_per_element=0,
    context_step_tokens=1,
    startup_budget_seconds=60.0,
    wants="directory",
    placed=False,
)

Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class DiffusionSettings:
    """What the engine's process is told, as JSON."""

    folder: str
    """With `model_index.json`."""
    threads: int
    device: Literal["cpu", "cuda"]


def diffusion_settings(config: RuntimeConfig, folder: Path) -> DiffusionSettings:
    """Derived from the configuration; raises nothing."""
    cuda = config.device is not None and config.device.kind == "cuda"
    return DiffusionSettings(str(folder), config.threads, "cuda" if cuda else "cpu")


def precision(stored: str, device: Literal["cpu", "cuda"]) -> Precision:
    """In what the weights are computed; `stored` is their type in a safetensors header.

    Two bytes stay two bytes, as the planner counted them; but a CPU computes BF16 and not F16, for which
    it has neither instructions nor all of PyTorch's operations.
    """
    if stored == "F16":
        return "float16" if device == "cuda" else "bfloat16"
    return "bfloat16" if stored == "BF16" else "float32"
