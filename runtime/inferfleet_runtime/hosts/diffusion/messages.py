"""How generations travel to and from the process with the pipeline. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from inferfleet_runtime.api.media import Generation, Pipeline, Shape
from inferfleet_runtime.hosts.media.messages import Dialect


@dataclass(frozen=True)
class Made:
    """A finished file."""

    content: bytes
    prompt_tokens: int


def _write_pipeline(pipeline: Pipeline) -> Mapping[str, Any]:
    return asdict(pipeline) | {"options": sorted(pipeline.options)}


def _read_pipeline(said: Mapping[str, Any]) -> Pipeline:
    return Pipeline(**{**said, "usual": Shape(**said["usual"]), "options": frozenset(said["options"])})


def _read_generation(said: Mapping[str, Any], _: bytes) -> Generation:
    return Generation(**{**said, "shape": Shape(**said["shape"])})


DIFFUSION: Dialect[Pipeline, Generation, Made] = Dialect(
    write_facts=_write_pipeline,
    read_facts=_read_pipeline,
    write_asked=lambda generation: (asdict(generation), b""),
    read_asked=_read_generation,
    write_made=lambda made: ({"prompt_tokens": made.prompt_tokens}, made.content),
    read_made=lambda said, content: Made(content, said["prompt_tokens"]),
)
