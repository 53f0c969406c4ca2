"""What models lose against their baseline on held-out text. Reads model files; computes for minutes."""

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.evaluate.llama import Llama, Model
from inferfleet_runtime.evaluate.score import Floats, Scores, score
from inferfleet_runtime.evaluate.windows import Window, windows

log = logging.getLogger(__name__)

_KEPT = 2**29
"""Bytes of the baseline's guesses that are remembered for the next model; what does not fit is computed again."""


@dataclass(frozen=True)
class Reading:
    """How the text is read."""

    text: bytes
    context_tokens: int
    """Of one window."""
    threads: int
    max_windows: int | None = None
    """None: all of the text."""


@dataclass(frozen=True)
class Quality:
    """What came out for one model."""

    quantization: str
    """What its file says."""
    windows: int
    scores: Scores


def compare(llama: Llama, baseline: Path, models: Sequence[Path], reading: Reading) -> dict[Path, Quality]:
    """Let the baseline and each model guess the same tokens; no more than two models are in memory.

    Raises CommandError where their vocabularies differ or a file cannot be loaded.
    """
    with llama.open(baseline, reading.context_tokens, reading.threads) as opened:
        tokens = opened.tokenize(reading.text)
        cut = windows(tokens, reading.context_tokens, opened.first_token, reading.max_windows)
        expected = _Remembering(opened, {}, baseline)
        return {path: _compare(llama, expected, path, reading, cut) for path in dict.fromkeys((baseline, *models))}


@dataclass(frozen=True)
class _Remembering:
    """The baseline's guesses, computed once for as many windows as there is room for."""

    model: Model
    kept: dict[Window, Floats]
    path: Path

    def guesses(self, window: Window) -> Floats:
        found = self.kept.get(window)
        if found is None:
            found = guesses(self.model, window)
            if (len(self.kept) + 1) * found.nbytes <= _KEPT:
                self.kept[window] = found
        return found


def _compare(llama: Llama, expected: _Remembering, path: Path, reading: Reading, cut: Sequence[Window]) -> Quality:
    own = path == expected.path
    opening = nullcontext(expected.model) if own else llama.open(path, reading.context_tokens, reading.threads)
    with opening as model:
        if not _same_tokenizer(expected.model, model, reading.text):
            raise CommandError(f"{path}: has another tokenizer than the baseline, so their guesses cannot be compared")
        total = Scores()
        for index, window in enumerate(cut, 1):
            wanted = expected.guesses(window)
            total += _score(model, wanted, wanted if own else guesses(model, window), window)
            if index % 10 == 0 or index == len(cut):
                log.info("evaluated", extra={"model": path.name, "windows": index, "of": len(cut)})
        return Quality(model.quantization, len(cut), total)


def _same_tokenizer(one: Model, other: Model, text: bytes) -> bool:
    return one is other or (one.tokens == other.tokens and one.tokenize(text) == other.tokenize(text))


def _score(model: Model, expected: Floats, found: Floats, window: Window) -> Scores:
    return score(expected, found, np.array(window.scored), sum(map(model.size, window.scored)))


def guesses(model: Model, window: Window) -> Floats:
    """Logits for each scored token of a window that the model reads with an empty context."""
    model.forget()
    return model.read(window.read, len(window.scored))
