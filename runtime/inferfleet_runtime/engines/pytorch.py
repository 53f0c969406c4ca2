"""What the engines that run on PyTorch have in common. Pure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inferfleet_runtime.contract import RuntimeConfig

Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class TorchSettings:
    """What the engine's process is told, as JSON."""

    folder: str
    """Of the model, in Hugging Face's layout."""
    threads: int
    device: Literal["cpu", "cuda"]


def torch_settings(config: RuntimeConfig, folder: Path) -> TorchSettings:
    """Derived from the configuration; raises nothing."""
    cuda = config.device is not None and config.device.kind == "cuda"
    return TorchSettings(str(folder), config.threads, "cuda" if cuda else "cpu")


def precision(stored: str, device: Literal["cpu", "cuda"]) -> Precision:
    """In what the weights are computed; `stored` is their type in a safetensors header.

    Two bytes stay two bytes, as the planner counted them; but a CPU computes BF16 and not F16, for which
    it has neither instructions nor all of PyTorch's operations.
    """
    if stored == "F16":
        return "float16" if device == "cuda" else "bfloat16"
    return "bfloat16" if stored == "BF16" else "float32"
