"""Formats of weights. Pure."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from inferfleet.catalog.entry import Entry, Part

Arithmetic = Literal["FP32", "BF16", "FP16", "FP8", "INT8", "FP4"]
"""Number formats that hardware multiplies in, as `operations` of an accelerator names its peaks."""
Positive = Annotated[float, Field(gt=0)]


class Block(Part):
    """A layout: so many weights, with the scales they share, in so many bytes."""

    weights: Positive
    bytes: Positive


class Quantization(Entry):
    """A format of weights: what it costs in memory and which arithmetic it uses."""

    title: str = ""
    aliases: tuple[str, ...] = ()
    """Other names for it, which `inferfleet catalog show` understands."""
    family: Literal["Float", "Integer", "GGUFBlock", "KQuant", "IQuant", "Ternary"] | None = None
    bits: Positive | None = None
    """Of one weight, nominally, without scales."""
    activation_bits: Positive | None = None
    """Of activations where they are quantized, too; else they stay in 16 bits."""
    containers: tuple[Literal["GGUF", "Safetensors", "OpenVINO"], ...] = ()
    bytes_per_weight: Positive
    """With scales and zero points."""
    block: Block | None = None
    mixture: tuple[str, ...] = ()
    """Block types of a mixture, whose average depends on the model."""
    layout: str
    compute_type: Arithmetic | None = None
    """What the weights are multiplied in where hardware has it."""
    fallback_type: Arithmetic | None = None
    """What kernels expand them to where hardware lacks `compute_type`: memory is saved, arithmetic is not."""
    loss: str = ""
    """How much quality it costs, in words: only a benchmark of the model says it in numbers."""

    @model_validator(mode="after")
    def _block_agrees(self) -> Self:
        average = self.block.bytes / self.block.weights if self.block else self.bytes_per_weight
        if abs(average - self.bytes_per_weight) > 1e-6:
            raise ValueError(f"bytesPerWeight is {self.bytes_per_weight}, but block makes it {average:.9g}")
        return self
