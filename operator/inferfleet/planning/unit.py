"""The tokens in which a class's demand and capacity are counted, and its cost with them. Pure."""

from enum import StrEnum

from inferfleet.api.common import Lengths
from inferfleet.api.workload_class import WorkloadClassSpec

ONE_BY_ONE = frozenset({"Image", "Video", "Audio"})
"""Modalities of which a bundled engine makes one answer at a time: such an answer has seconds of its own."""


class Unit(StrEnum):
    """What counts as a token."""

    GENERATED = "generated"
    PROMPT = "prompt"
    """Of requests that generate nothing."""


def unit_of(class_: WorkloadClassSpec) -> Unit:
    """Prompt tokens for embeddings, as the runtime measures and publishes their capacity; else generated ones.

    A picture or a video of the usual size and steps is one of those.
    """
    return Unit.PROMPT if class_.modality == "Embedding" else Unit.GENERATED


def without_answers(class_: WorkloadClassSpec) -> WorkloadClassSpec:
    """Without the lengths of completions where there are none: they would count in the context and the measurement."""
    if unit_of(class_) is Unit.GENERATED:
        return class_
    return class_.model_copy(update={"traffic": class_.traffic.model_copy(update={"output_tokens": None})})


def counted(class_: WorkloadClassSpec) -> Lengths:
    """How many of these tokens a request has."""
    return class_.traffic.input_tokens if unit_of(class_) is Unit.PROMPT else class_.traffic.output
