"""What requests for pictures and videos have in common: sizes, bounds and how much work they are. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, isfinite
from typing import Any, Literal, Protocol

from inferfleet_runtime.api import checks
from inferfleet_runtime.api.errors import ApiError, unsupported
from inferfleet_runtime.api.work import Work

LARGEST = 4
"""Times the usual picture and the usual steps that a request may ask for: the memory request is sized for the usual."""
MAX_PROMPT_BYTES = 32_000
_MAX_SEED = 2**63 - 1
_MAX_GUIDANCE = 100.0
_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
_SHOWN = 64


@dataclass(frozen=True)
class Shape:
    """What one generation is made of."""

    width: int
    height: int
    """Both in pixels."""
    steps: int
    """Denoising steps."""
    frames: int = 1
    fps: float = 1.0
    """Frames a second; of no meaning where there is one frame."""


@dataclass(frozen=True)
class Pipeline:
    """What is known of a model once it is loaded."""

    modality: Literal["Image", "Video"]
    usual: Shape
    """The defaults of its authors."""
    grid: int
    """Pixels: width and height must be multiples of it."""
    frame_grid: int = 1
    """Frames for which the model computes one; the first frame stands alone."""
    options: frozenset[str] = frozenset()
    """Of `guidance_scale` and `negative_prompt`, those that it has."""
    picks_fps: bool = False
    """Whether the model is told the frames a second, as opposed to the player alone."""

    def tokens(self, shape: Shape) -> int:
        """Image tokens: cells of the grid that are computed, in all frames."""
        cells = (shape.width // self.grid) * (shape.height // self.grid)
        return cells * (1 + ceil((shape.frames - 1) / self.frame_grid))


@dataclass(frozen=True)
class Generation:
    """One picture or one video, as the engine is asked for it."""

    prompt: str
    shape: Shape
    seed: int
    negative_prompt: str | None = None
    guidance_scale: float | None = None
    """None: what the pipeline has as its default."""
    format: Literal["png", "jpeg", "webp", "mp4"] = "png"
    compression: int | None = None
    """Quality of JPEG and WebP in percent; None: the encoder's default."""


@dataclass(frozen=True)
class MediaLimits:
    """What a request is held against."""

    names: frozenset[str]
    """Values of `model` that mean this one."""
    pipeline: Pipeline
    usual: Shape = field(kw_only=True)
    """Of the workload class, or else of the model's authors."""

    def work(self, shape: Shape, prompt: str) -> Work:
        """In tokens at the usual number of steps: twice the steps are twice the work."""
        output = ceil(self.pipeline.tokens(shape) * shape.steps / self.usual.steps)
        return Work(checks.text_tokens(prompt), output)

    def part(self, shape: Shape) -> float:
        """Of the usual generation: how many of these it is worth."""
        tokens = self.pipeline.tokens
        return tokens(shape) * shape.steps / (tokens(self.usual) * self.usual.steps)


def check_names(body: Mapping[str, Any], known: frozenset[str], refused: Mapping[str, str]) -> None:
    """Raise ApiError for what is unknown, and for what OpenAI has and this server has not, with the reason."""
    for name in body.keys() & refused.keys():
        raise unsupported(name, refused[name])
    checks.check_names(body, known)


class Named(Protocol):
    """Limits of any kind."""

    @property
    def names(self) -> frozenset[str]:
        """Values of `model` that mean this one."""


def check_model(body: Mapping[str, Any], limit: Named) -> None:
    """Raise ApiError for another model; without a name it is the one that is served here."""
    name = body.get("model")
    if name is None or (isinstance(name, str) and name in limit.names):
        return
    message = f"the model `{str(name)[:_SHOWN]}` is not served here; served: {', '.join(sorted(limit.names))}"
    raise ApiError(404, message, param="model", code="model_not_found")


def prompt_of(body: Mapping[str, Any], name: str = "prompt") -> str:
    """A text that is not empty. Raises ApiError."""
    text = body.get(name)
    if not isinstance(text, str) or not text.strip():
        raise ApiError(400, f"`{name}` must be a text, not empty", param=name)
    if len(text.encode()) > MAX_PROMPT_BYTES:
        raise ApiError(400, f"`{name}` is longer than {MAX_PROMPT_BYTES} bytes", param=name, code="string_too_long")
    return text


def size_of(body: Mapping[str, Any], limit: MediaLimits) -> tuple[int, int]:
    """Width and height in pixels. Raises ApiError."""
    size, grid = body.get("size", "auto"), limit.pipeline.grid
    if size == "auto":
        return limit.usual.width, limit.usual.height
    match = _SIZE.fullmatch(size) if isinstance(size, str) else None
    if not match:
        raise ApiError(400, '`size` must be like "512x512" (width x height in pixels), or "auto"', param="size")
    width, height = int(match[1]), int(match[2])
    if width % grid or height % grid:
        raise ApiError(400, f"`size`: width and height must be multiples of {grid} for this model", param="size")
    return width, height


def whole(body: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    """A whole number within bounds, if it is given. Raises ApiError."""
    value = body.get(name)
    if value is None or (type(value) is int and least <= value <= most):
        return value
    raise ApiError(400, f"`{name}` must be a whole number from {least} to {most}", param=name, code="invalid_value")


def number(body: Mapping[str, Any], name: str, least: float, most: float) -> float | None:
    """A number within bounds, if it is given. Raises ApiError."""
    value = body.get(name)
    if value is None:
        return None
    if type(value) in (int, float) and isfinite(value) and least <= value <= most:
        return float(value)
    raise ApiError(400, f"`{name}` must be a number from {least:g} to {most:g}", param=name, code="invalid_value")


def one_of(body: Mapping[str, Any], name: str, values: tuple[str, ...], default: str) -> str:
    """One of a few words. Raises ApiError."""
    value = body.get(name, default)
    if value in values:
        return str(value)
    raise ApiError(400, f"`{name}` must be one of {', '.join(values)}", param=name, code="invalid_value")


def options_of(body: Mapping[str, Any], pipeline: Pipeline) -> dict[str, Any]:
    """The pipeline's options that are given, ready for `Generation`. Raises ApiError for one that it lacks."""
    for name in ("negative_prompt", "guidance_scale"):
        if name in body and name not in pipeline.options:
            raise ApiError(400, f"this model has no `{name}`", param=name, code="unsupported_parameter")
    negative = prompt_of(body, "negative_prompt") if body.get("negative_prompt") else None
    return {"negative_prompt": negative, "guidance_scale": number(body, "guidance_scale", 0, _MAX_GUIDANCE)}


def steps_of(body: Mapping[str, Any], limit: MediaLimits) -> int:
    """Denoising steps. Raises ApiError."""
    return whole(body, "num_inference_steps", 1, LARGEST * limit.usual.steps) or limit.usual.steps


def seed_of(body: Mapping[str, Any]) -> int | None:
    """Raises ApiError."""
    return whole(body, "seed", 0, _MAX_SEED)


def check_amount(shape: Shape, limit: MediaLimits, params: str) -> None:
    """Raise ApiError for more than the replica has memory for; `params` names what asks for it."""
    most = LARGEST * limit.pipeline.tokens(limit.usual)
    if limit.pipeline.tokens(shape) > most:
        usual = f"{limit.usual.width}x{limit.usual.height}"
        usual += f" with {limit.usual.frames} frames" if limit.usual.frames > 1 else ""
        message = f"too large: at most {LARGEST} times the usual {usual} is served here"
        raise ApiError(400, message, param=params, code="invalid_value")
