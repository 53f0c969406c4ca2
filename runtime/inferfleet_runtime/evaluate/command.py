"""`inferfleet-runtime evaluate` and `importance`. Read model files and text; write one file and print tables."""

import argparse
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inferfleet_runtime import __version__
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.evaluate import activations, evidence, quality, speculation, speed
from inferfleet_runtime.evaluate.llama import Llama, llama
from inferfleet_runtime.evaluate.quality import Reading
from inferfleet_runtime.files import sha256_of
from inferfleet_runtime.llama_layout import XLLAMACPP

log = logging.getLogger(__name__)

_PROMPT, _OUTPUT = 256, 64
"""Tokens of the load that speed is measured with."""


@dataclass(frozen=True)
class Clock:
    """Time, as an argument."""

    now: Callable[[], float]
    """Monotonic seconds."""
    today: str
    """As 2026-05-02."""


@dataclass(frozen=True)
class Speculate:
    """What is to be known of speculation; without a draft model only n-grams are tried."""

    draft: Path | None = None
    prompts: int = 16
    prompt_tokens: int = 128
    output_tokens: int = 96
    ahead: tuple[int, ...] = (4,)
    """Tokens proposed at a time: each number is measured."""
    ngram: int = 3
    """Tokens that must have been said before; the runtime's llama.cpp engine looks for as many."""


@dataclass(frozen=True)
class Evaluation:
    """What is to be measured."""

    baseline: Path
    models: tuple[Path, ...]
    text: Path
    context_tokens: int = 512
    threads: int = 1
    max_windows: int | None = None
    rounds: int = 3
    """Of the measurement of speed; 0: none."""
    speculate: Speculate | None = None
    source: str | None = None
    """Where the evidence is published; None: it says what it was made with."""


def evaluate(wanted: Evaluation, clock: Clock) -> dict[str, Any]:
    """Measure all of it; the evidence, made of strings and numbers.

    Raises CommandError where a file cannot be read or does not fit the others.
    """
    reading = Reading(_text(wanted.text), wanted.context_tokens, wanted.threads, wanted.max_windows)
    with llama() as engine:
        paths = tuple(dict.fromkeys((wanted.baseline, *wanted.models)))
        found = quality.compare(engine, wanted.baseline, wanted.models, reading)
        tokens = _tokens(engine, wanted, reading)
        speeds = _speeds(engine, wanted, tokens, clock)
        speculated = _speculation(engine, wanted, tokens) if wanted.speculate else []
    origin = evidence.Origin(clock.today, wanted.source or _made_with(wanted))
    measured = [evidence.Measured(_file(path), found[path], speeds.get(path)) for path in paths]
    return {
        "conditions": _conditions(wanted, found[wanted.baseline], clock),
        "models": [evidence.entry(one, origin) for one in measured],
        "speculation": speculated,
    }


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: cannot be read: {error}; --text names a file of held-out text") from error


def _file(path: Path) -> evidence.File:
    return evidence.File(path.name, sha256_of(path), path.stat().st_size)


def _tokens(engine: Llama, wanted: Evaluation, reading: Reading) -> list[int]:
    with engine.open(wanted.baseline, wanted.context_tokens, wanted.threads) as model:
        return model.tokenize(reading.text)


def _speeds(engine: Llama, wanted: Evaluation, tokens: Sequence[int], clock: Clock) -> dict[Path, speed.Speed]:
    load = speed.Load(tuple(tokens[:_PROMPT]), _OUTPUT, wanted.rounds, wanted.threads)
    return speed.measure(engine, tuple(dict.fromkeys((wanted.baseline, *wanted.models))), load, clock.now)


def _speculation(engine: Llama, wanted: Evaluation, tokens: Sequence[int]) -> list[dict[str, Any]]:
    asked = wanted.speculate or Speculate()
    pieces = speculation.prompts(tokens, asked.prompt_tokens, asked.prompts)
    prompts = speculation.Prompts(pieces, asked.output_tokens, wanted.threads)
    said = speculation.answers(engine, wanted.baseline, prompts)
    found = []
    for ahead in asked.ahead:
        by_ngram = speculation.by_ngram(prompts, said, ahead, asked.ngram)
        found.append(evidence.speculation_entry("NGram", ahead, by_ngram))
    if asked.draft is None:
        return found
    for ahead in asked.ahead:
        by_draft = speculation.by_draft(engine, asked.draft, prompts, said, ahead)
        found.append(evidence.speculation_entry("Draft", ahead, by_draft))
    return found


def _made_with(wanted: Evaluation) -> str:
    return (
        f"inferfleet-runtime evaluate {__version__}, xllamacpp {XLLAMACPP}; {wanted.text.name} (SHA-256 "
        f"{sha256_of(wanted.text)}) in windows of {wanted.context_tokens} tokens, the second half of each scored"
    )


def _conditions(wanted: Evaluation, baseline: quality.Quality, clock: Clock) -> dict[str, Any]:
    return {
        "text": wanted.text.name,
        "textSha256": sha256_of(wanted.text),
        "windowTokens": wanted.context_tokens,
        "windows": baseline.windows,
        "scoredTokens": baseline.scores.tokens,
        "scoredBytes": baseline.scores.bytes,
        "threads": wanted.threads,
        "speedPromptTokens": _PROMPT,
        "speedOutputTokens": _OUTPUT,
        "speedRounds": wanted.rounds,
        "engine": f"xllamacpp {XLLAMACPP}",
        "date": clock.today,
    }


def run_evaluate(arguments: argparse.Namespace, clock: Clock) -> None:
    """Measure, print and write. Raises CommandError."""
    found = evaluate(_evaluation(arguments), clock)
    print(evidence.table(found["models"]))  # noqa: T201 - the command's answer
    if found["speculation"]:
        print(f"\n{evidence.speculation_table(found['speculation'])}")  # noqa: T201
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _evaluation(arguments: argparse.Namespace) -> Evaluation:
    speculate = arguments.draft or arguments.speculate
    return Evaluation(
        baseline=arguments.baseline,
        models=tuple(arguments.model),
        text=arguments.text,
        context_tokens=arguments.context,
        threads=arguments.threads,
        max_windows=arguments.max_windows,
        rounds=arguments.rounds,
        speculate=Speculate(arguments.draft, ahead=tuple(arguments.ahead)) if speculate else None,
        source=arguments.source,
    )


def run_importance(arguments: argparse.Namespace) -> None:
    """Measure and write. Raises CommandError."""
    reading = Reading(_text(arguments.text), arguments.context, arguments.threads, arguments.max_windows)
    with llama() as engine:
        count = activations.measure(engine, arguments.model, reading, arguments.out)
    log.info("wrote importance matrix", extra={"file": str(arguments.out), "matrices": count})
