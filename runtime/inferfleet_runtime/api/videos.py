"""`/v1/videos`: jobs as OpenAI describes them, and under vLLM-Omni's names what diffusion models add. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from inferfleet_runtime.api.checks import present
from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.api.media import (
    LARGEST,
    Generation,
    MediaLimits,
    Shape,
    check_amount,
    check_model,
    check_names,
    number,
    options_of,
    prompt_of,
    seed_of,
    size_of,
    steps_of,
    whole,
)
from inferfleet_runtime.api.work import Work

PAGE, LARGEST_PAGE = 20, 100
"""Videos of one answer to a listing: usually and at most; OpenAI's own numbers."""
_KNOWN = frozenset(
    {
        *("model", "prompt", "seconds", "size", "user"),
        *("fps", "guidance_scale", "negative_prompt", "num_frames", "num_inference_steps", "seed"),
    }
)
_REFUSED = MappingProxyType({"input_reference": "only text is made into videos here"})
_WHOLE = ("num_frames", "num_inference_steps", "seed")
_NUMBERS = ("fps", "guidance_scale", "seconds")
_MAX_FPS = 120.0


@dataclass(frozen=True)
class VideoCall:
    """A request that may become a job."""

    generation: Generation
    work: Work


def from_form(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a form with its numbers as numbers; OpenAI's client sends forms. What is none stays as it is."""
    return {name: _value(name, value) for name, value in fields.items()}


def _value(name: str, value: Any) -> Any:
    kinds: dict[str, type[int] | type[float]] = dict.fromkeys(_WHOLE, int) | dict.fromkeys(_NUMBERS, float)
    if name not in kinds or not isinstance(value, str):
        return value
    try:
        return kinds[name](value)
    except ValueError:
        return value


def parse_video(body: Any, limit: MediaLimits, any_seed: int) -> VideoCall:
    """Check a request; `any_seed` is for one that names none. Raises ApiError."""
    body = from_form(present(body))  # OpenAI gives `seconds` as a text in JSON too
    check_names(body, _KNOWN, _REFUSED)
    check_model(body, limit)
    prompt, (width, height) = prompt_of(body), size_of(body, limit)
    frames, fps = _frames(body, limit)
    shape = Shape(width, height, steps_of(body, limit), frames, fps)
    check_amount(shape, limit, "num_frames" if "num_frames" in body else "seconds")
    seed = seed_of(body)
    generation = Generation(
        prompt, shape, any_seed if seed is None else seed, **options_of(body, limit.pipeline), format="mp4"
    )
    return VideoCall(generation, limit.work(shape, prompt))


def _frames(body: Mapping[str, Any], limit: MediaLimits) -> tuple[int, float]:
    """How many, and how many a second."""
    fps = number(body, "fps", 1, _MAX_FPS) or limit.usual.fps
    most = LARGEST * limit.usual.frames
    if "seconds" not in body:
        return whole(body, "num_frames", 1, most) or limit.usual.frames, fps
    if "num_frames" in body:
        raise ApiError(400, "give `seconds` or `num_frames`, not both", param="seconds", code="invalid_value")
    seconds = number(body, "seconds", 1 / fps, most / fps) or 0.0
    return max(1, round(seconds * fps)), fps


def seconds_of(shape: Shape) -> str:
    """Length of a video as OpenAI writes it: "4"."""
    return f"{round(shape.frames / shape.fps, 3):g}"


def page_of(query: Mapping[str, str]) -> tuple[int, str | None, bool]:
    """How many videos, after which id, newest first. Raises ApiError."""
    limit = query.get("limit", str(PAGE))
    if not (limit.isascii() and limit.isdigit() and len(limit) <= 3 and 1 <= int(limit) <= LARGEST_PAGE):
        raise ApiError(400, f"`limit` must be a whole number from 1 to {LARGEST_PAGE}", param="limit")
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise ApiError(400, "`order` must be asc or desc", param="order")
    return int(limit), query.get("after"), order == "desc"


def no_such_video(video: str) -> ApiError:
    """Also what is said of the video of another tenant."""
    message = f"there is no video `{video[:64]}` here: it was deleted, has expired, or another replica made it"
    return ApiError(404, message, param="video_id", code="video_not_found")
