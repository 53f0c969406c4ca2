"""Tokens per second of models, measured side by side. Reads model files; keeps the processor busy.

The rounds are interleaved: every round measures every model once, so that whatever else the machine does hits all of
them. The median of the rounds counts.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from inferfleet_runtime.evaluate.llama import Llama, Model

log = logging.getLogger(__name__)

_WARM_UP = 8
"""Tokens before the clock starts: the first ones fault in the weights."""


@dataclass(frozen=True)
class Load:
    """What is measured."""

    prompt: tuple[int, ...]
    output_tokens: int
    rounds: int
    threads: int


@dataclass(frozen=True)
class Speed:
    """Tokens per second of one sequence."""

    prefill: float
    decode: float


def measure(llama: Llama, models: Sequence[Path], load: Load, now: Callable[[], float]) -> dict[Path, Speed]:
    """The median of the rounds. `now` gives monotonic seconds. Raises CommandError where a file cannot be loaded."""
    found: dict[Path, list[Speed]] = {model: [] for model in models}
    for round_ in range(load.rounds):
        for path in models:
            with llama.open(path, len(load.prompt) + load.output_tokens, load.threads) as model:
                found[path].append(_once(model, load, now))
        log.info("measured speed", extra={"round": round_ + 1, "of": load.rounds})
    return {path: _median(speeds) for path, speeds in found.items() if speeds}


def _median(speeds: Sequence[Speed]) -> Speed:
    return Speed(median(s.prefill for s in speeds), median(s.decode for s in speeds))


def _once(model: Model, load: Load, now: Callable[[], float]) -> Speed:
    model.read(load.prompt[:_WARM_UP])
    model.forget()
    began = now()
    token = int(model.read(load.prompt).argmax())
    prefilled = now()
    for _ in range(load.output_tokens):
        token = int(model.read([token]).argmax())
    ended = now()
    return Speed(len(load.prompt) / (prefilled - began), load.output_tokens / (ended - prefilled))
