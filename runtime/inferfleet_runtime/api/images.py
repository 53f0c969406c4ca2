"""`/v1/images/generations`: OpenAI's parameters, and under vLLM-Omni's names those that diffusion models add. Pure."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from inferfleet_runtime.api.checks import present
from inferfleet_runtime.api.errors import ApiError, unsupported
from inferfleet_runtime.api.media import (
    LARGEST,
    Generation,
    MediaLimits,
    Shape,
    check_amount,
    check_model,
    check_names,
    one_of,
    options_of,
    prompt_of,
    seed_of,
    size_of,
    steps_of,
    whole,
)
from inferfleet_runtime.api.work import Work

MAX_IMAGES = 10
"""Of one request; OpenAI's own bound."""
_FORMATS = ("png", "jpeg", "webp")
_KNOWN = frozenset(
    {
        *("background", "model", "moderation", "n", "output_compression", "output_format", "partial_images", "prompt"),
        *("quality", "response_format", "size", "stream", "user"),
        *("guidance_scale", "negative_prompt", "num_inference_steps", "seed"),
    }
)
_REFUSED = MappingProxyType({"style": "write the style into the prompt"})
_QUALITY: Mapping[str, float] = MappingProxyType(
    {"auto": 1, "standard": 1, "medium": 1, "low": 0.5, "high": 2, "hd": 2}
)
"""Times the usual steps."""


@dataclass(frozen=True)
class ImageCall:
    """A request that may go to the engine: so many pictures, seeds counting up from the first."""

    first: Generation
    count: int
    work: Work
    quality: str
    """As it was asked for."""
    tokens: int
    """Image tokens of all pictures."""

    def pictures(self) -> tuple[Generation, ...]:
        """One after the other: a batch would need memory for all, and the second picture would not be seed + 1's."""
        f = self.first
        return tuple(
            Generation(f.prompt, f.shape, f.seed + i, f.negative_prompt, f.guidance_scale, f.format, f.compression)
            for i in range(self.count)
        )


def parse_images(body: Any, limit: MediaLimits, any_seed: int) -> ImageCall:
    """Check a request; `any_seed` is for one that names none. Raises ApiError."""
    body = present(body)
    check_names(body, _KNOWN, _REFUSED)
    check_model(body, limit)
    _check_wishes(body)
    prompt, (width, height) = prompt_of(body), size_of(body, limit)
    quality, steps = _steps(body, limit)
    shape = Shape(width, height, steps)
    check_amount(shape, limit, "size")
    count = whole(body, "n", 1, MAX_IMAGES) or 1
    seed, (fmt, compression) = seed_of(body), _format(body)
    first = Generation(
        prompt,
        shape,
        any_seed if seed is None else seed,
        **options_of(body, limit.pipeline),
        format=fmt,
        compression=compression,
    )
    one = limit.work(shape, prompt)
    tokens = limit.pipeline.tokens(shape) * count
    return ImageCall(first, count, Work(one.prompt, one.output * count), quality, tokens)


def _check_wishes(body: Mapping[str, Any]) -> None:
    """OpenAI's parameters of which only some values can be obeyed here."""
    if one_of(body, "response_format", ("b64_json", "url"), "b64_json") == "url":
        raise unsupported("response_format", "must be b64_json: this server keeps no pictures that a URL could name")
    if one_of(body, "background", ("auto", "opaque", "transparent"), "auto") == "transparent":
        raise unsupported("background", "cannot be transparent: the model paints every pixel")
    for name in ("stream", "partial_images"):
        if body.get(name):
            raise unsupported(name, "the answer comes whole")


def _steps(body: Mapping[str, Any], limit: MediaLimits) -> tuple[str, int]:
    """The quality's name and the steps that stand for it."""
    quality = one_of(body, "quality", tuple(_QUALITY), "auto")
    if "num_inference_steps" not in body:
        return quality, min(LARGEST * limit.usual.steps, max(1, round(limit.usual.steps * _QUALITY[quality])))
    if quality != "auto":
        message = "give `quality` or `num_inference_steps`, not both: quality is a number of steps here"
        raise ApiError(400, message, param="quality", code="invalid_value")
    return quality, steps_of(body, limit)


def _format(body: Mapping[str, Any]) -> tuple[Literal["png", "jpeg", "webp"], int | None]:
    fmt = one_of(body, "output_format", _FORMATS, "png")
    compression = whole(body, "output_compression", 0, 100)
    if compression is not None and fmt == "png":
        message = "`output_compression` is for jpeg and webp"
        raise ApiError(400, message, param="output_compression", code="invalid_value")
    return fmt, compression  # type: ignore[return-value]


def images_answer(call: ImageCall, pictures: Sequence[bytes], prompt_tokens: int, created: int) -> dict[str, Any]:
    """OpenAI's ImagesResponse; each picture with the seed that makes it again."""
    shape, text = call.first.shape, prompt_tokens
    data = [
        {"b64_json": base64.b64encode(picture).decode(), "seed": call.first.seed + i}
        for i, picture in enumerate(pictures)
    ]
    usage = {
        "input_tokens": text,
        "input_tokens_details": {"text_tokens": text, "image_tokens": 0},
        "output_tokens": call.tokens,
        "output_tokens_details": {"image_tokens": call.tokens, "text_tokens": 0},
        "total_tokens": text + call.tokens,
    }
    return {
        "created": created,
        "background": "opaque",
        "data": data,
        "output_format": call.first.format,
        "quality": call.quality,
        "size": f"{shape.width}x{shape.height}",
        "usage": usage,
    }
