"""A diffusers pipeline: loaded, described and run. For the engine's process: imports PyTorch. Reads the folder."""

import inspect
import json
from collections.abc import Callable
from math import lcm
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from PIL.Image import Image

from inferfleet_runtime.api.media import Generation, Pipeline, Shape
from inferfleet_runtime.engines.pytorch import TorchSettings, precision
from inferfleet_runtime.hosts.diffusion import encode
from inferfleet_runtime.hosts.diffusion.messages import Made
from inferfleet_runtime.hosts.media.weights import UnfitError, stored_type
from inferfleet_runtime.hosts.media.worker import CancelledError, RefusedError

_USUAL_SIDE = 512
_USUAL_STEPS = 30
_USUAL_FRAMES = 49
_USUAL_FPS = 16.0
"""Where the pipeline says nothing, for no model can be told from its file how fast it was made to be played."""
_ENDLESS = 10**6
"""Tokenizers without a limit say a number with thirty digits."""


class Painter:
    """One loaded pipeline. For one thread."""

    def __init__(self, settings: TorchSettings) -> None:
        """Load it. Raises UnfitError, OSError and ValueError."""
        # they warn of long prompts by printing them
        diffusers.utils.logging.set_verbosity_error()
        transformers.utils.logging.set_verbosity_error()
        diffusers.utils.logging.disable_progress_bar()
        transformers.utils.logging.disable_progress_bar()
        torch.set_num_threads(settings.threads)
        self._threads = settings.threads
        folder = Path(settings.folder)
        _check_index(folder)
        dtype = getattr(torch, precision(stored_type(folder.glob("*/*.safetensors"), folder), settings.device))
        pipe = diffusers.DiffusionPipeline.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, local_files_only=True
        )
        self._pipe: Any = pipe.to(settings.device)
        self._pipe.set_progress_bar_config(disable=True)
        self._parameters = inspect.signature(type(self._pipe).__call__).parameters
        self.facts = describe(self._pipe)

    def make(self, asked: Generation, step: Callable[[int], bool]) -> Made:
        """Run it; `step` hears of each finished step and says whether to go on. Raises Refused- and CancelledError."""
        tokens = self._prompt_tokens(asked.prompt)
        generator = torch.Generator("cpu").manual_seed(asked.seed)
        with torch.inference_mode():
            output = self._pipe(**self._arguments(asked), generator=generator, callback_on_step_end=_heard(step))
        if any(getattr(output, "nsfw_content_detected", None) or ()):
            raise RefusedError("the model's own safety checker refused the picture", "content_policy_violation")
        if self.facts.modality == "Image":
            image: Image = output.images[0]
            return Made(encode.picture(image, asked.format, asked.compression), tokens)
        frames = output.frames[0][: asked.shape.frames]
        return Made(encode.video(frames, asked.shape.fps, self._threads), tokens)

    def _arguments(self, asked: Generation) -> dict[str, Any]:
        shape, facts = asked.shape, self.facts
        given = {
            "prompt": asked.prompt,
            "width": shape.width,
            "height": shape.height,
            "num_inference_steps": shape.steps,
            "output_type": "pil",
        }
        if facts.modality == "Video":
            # whole groups only: what is too much is cut off
            given["num_frames"] = 1 + -(-(shape.frames - 1) // facts.frame_grid) * facts.frame_grid
        if facts.picks_fps:
            # some pipelines take whole numbers only
            given["frame_rate"] = int(shape.fps) if shape.fps.is_integer() else shape.fps
        if asked.negative_prompt is not None:
            given["negative_prompt"] = asked.negative_prompt
        if asked.guidance_scale is not None:
            given["guidance_scale"] = asked.guidance_scale
        return given

    def _prompt_tokens(self, prompt: str) -> int:
        """As the first tokenizer counts; a prompt that the pipeline would silently cut is refused."""
        names = [name for name in self._pipe.components if name.startswith("tokenizer")]
        tokenizers = [t for t in (getattr(self._pipe, name) for name in names) if t is not None]
        if not tokenizers:
            return 0
        default = self._parameters.get("max_sequence_length")
        limits = [t.model_max_length for t in tokenizers if t.model_max_length < _ENDLESS]
        most = default.default if default else max(limits, default=None)
        counts = [len(t(prompt, verbose=False).input_ids) for t in tokenizers]
        if most is not None and min(counts) > most:
            message = f"the prompt has {min(counts)} tokens, but this model reads {most}"
            raise RefusedError(message, "context_length_exceeded")
        return counts[0]


def _heard(step: Callable[[int], bool]) -> Callable[..., dict[str, Any]]:
    def ended(_: Any, index: int, __: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if not step(index + 1):
            raise CancelledError
        return tensors

    return ended


def _check_index(folder: Path) -> None:
    index = folder / "model_index.json"
    if not index.is_file():
        raise UnfitError(f"{index}: there is no such file; a diffusers model is a folder with one")
    name = json.loads(index.read_text(encoding="utf-8")).get("_class_name")
    known = getattr(diffusers, str(name), None)
    if not (isinstance(known, type) and issubclass(known, diffusers.DiffusionPipeline)):
        raise UnfitError(f"{index}: _class_name {name} is no pipeline of diffusers {diffusers.__version__}")
    parameters = inspect.signature(known.__call__).parameters
    needed = {"prompt", "width", "height", "num_inference_steps", "generator", "callback_on_step_end"}
    if lacking := sorted(needed - parameters.keys()):
        raise UnfitError(f"{index}: {name} cannot be served: it does not take {', '.join(lacking)}")


def describe(pipe: Any) -> Pipeline:
    """What requests must know of it."""
    parameters = inspect.signature(type(pipe).__call__).parameters

    def default(name: str) -> Any:
        return parameters[name].default if name in parameters else None

    moving = "num_frames" in parameters
    width, height = default("width"), default("height")
    side = _side(pipe)
    return Pipeline(
        modality="Video" if moving else "Image",
        usual=Shape(
            width or side,
            height or side,
            default("num_inference_steps") or _USUAL_STEPS,
            (default("num_frames") or _USUAL_FRAMES) if moving else 1,
            float(default("frame_rate") or _USUAL_FPS) if moving else 1.0,
        ),
        grid=_grid(pipe),
        frame_grid=_first(pipe, "vae_temporal_compression_ratio", "vae_scale_factor_temporal"),
        options=frozenset({"guidance_scale", "negative_prompt"} & parameters.keys()),
        picks_fps="frame_rate" in parameters,
    )


def _side(pipe: Any) -> int:
    """Pixels of the square that the model was made for."""
    latents = getattr(pipe, "default_sample_size", None) or getattr(getattr(pipe, "unet", None), "config", {}).get(
        "sample_size"
    )
    factor = _first(pipe, "vae_scale_factor", "vae_scale_factor_spatial", "vae_spatial_compression_ratio")
    return latents * factor if isinstance(latents, int) else _USUAL_SIDE


def _grid(pipe: Any) -> int:
    """Pixels of a cell: a latent, or the patch of latents that a transformer takes as one token."""
    factor = _first(pipe, "vae_scale_factor", "vae_scale_factor_spatial", "vae_spatial_compression_ratio")
    patch = getattr(getattr(pipe, "transformer", None), "config", {}).get("patch_size", 1)
    patch = patch[-1] if isinstance(patch, (tuple, list)) else patch
    processor = getattr(pipe, "image_processor", None) or getattr(pipe, "video_processor", None)
    return lcm(factor * (patch or 1), processor.config.vae_scale_factor if processor else 1)


def _first(pipe: Any, *names: str) -> int:
    """The first of these attributes; 1 where there is none."""
    return next((value for name in names if (value := getattr(pipe, name, None))), 1)
