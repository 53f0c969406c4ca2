"""One window, from its spectrogram to its tokens. For the engine's process: imports PyTorch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.generation.logits_process import (
    LogitsProcessor,
    LogitsProcessorList,
    SuppressTokensAtBeginLogitsProcessor,
    SuppressTokensLogitsProcessor,
    WhisperTimeStampLogitsProcessor,
)

from inferfleet_runtime.hosts.media.worker import CancelledError


@dataclass(frozen=True)
class Task:
    """What to write of a window that is encoded."""

    prompt: Sequence[int]
    """Tokens before the first that is generated."""
    rules: Callable[[Any, Any], Any]
    """Change the logits before a token is taken."""
    most: int
    """Tokens."""
    end: int
    """The token that ends the text."""


@dataclass(frozen=True)
class Written:
    """What was generated, without the token that ends it."""

    tokens: tuple[int, ...]
    avg_logprob: float


class _Without(LogitsProcessor):  # type: ignore[misc]
    """Takes no token from `first` up to `last`, which is excluded."""

    def __init__(self, first: int, last: int) -> None:
        self._tokens = slice(first, last)

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        scores[:, self._tokens] = -torch.inf
        return scores


def rules(config: Any, begin: int, size: int, *, marks: bool, endless: bool) -> LogitsProcessorList:
    """Of Whisper's generation configuration; `begin` is the place of the first token that is generated, `size` that of
    the vocabulary: text, the end, tokens that only a prompt has, marks of time.
    """
    found = LogitsProcessorList(
        [_Without(config.eos_token_id + 1, config.no_timestamps_token_id + 1 if marks else size)]
    )
    if config.suppress_tokens:
        found.append(SuppressTokensLogitsProcessor(config.suppress_tokens))
    if config.begin_suppress_tokens:
        found.append(SuppressTokensAtBeginLogitsProcessor(config.begin_suppress_tokens, begin))
    if marks:
        found.append(WhisperTimeStampLogitsProcessor(config, begin))
    if endless:
        found.append(SuppressTokensLogitsProcessor([config.eos_token_id]))
    return found


def write(
    model: Any, encoded: Any, task: Task, temperature: float, chance: torch.Generator, go_on: Callable[[], bool]
) -> Written:
    """Token by token; `go_on` is asked after each. Raises CancelledError."""
    ids, cache, total = torch.tensor([list(task.prompt)], device=model.device), None, 0.0
    for _ in range(task.most):
        given = ids if cache is None else ids[:, -1:]
        output = model(encoder_outputs=encoded, decoder_input_ids=given, past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        likely = torch.log_softmax(task.rules(ids, output.logits[:, -1].float()), dim=-1)
        token = _taken(likely, temperature, chance)
        total += float(likely[0, token])
        ids = torch.cat([ids, token.view(1, 1)], dim=1)
        if not go_on():
            raise CancelledError
        if token == task.end:
            break
    new = ids[0, len(task.prompt) :].tolist()
    text = new[:-1] if new and new[-1] == task.end else new
    return Written(tuple(text), total / (len(text) + 1))


def _taken(likely: torch.Tensor, temperature: float, chance: torch.Generator) -> torch.Tensor:
    if not temperature:
        return likely[0].argmax()
    return torch.multinomial(torch.softmax(likely[0] / temperature, dim=-1), 1, generator=chance)[0]
