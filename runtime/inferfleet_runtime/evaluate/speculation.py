"""How many proposed tokens a model accepts, for a draft model and for n-grams of what was said before.

Speculation with greedy verification (Leviathan et al. 2023, arXiv:2211.17192; prompt lookup: Saxena 2023) never
changes the answer, so the model answers each prompt once, greedily, and the proposals are compared with that answer.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.evaluate.llama import Llama, Model

log = logging.getLogger(__name__)

Propose = Callable[[Sequence[int], int], Sequence[int]]
"""Given everything said so far, at most so many tokens that may come next."""


@dataclass(frozen=True)
class Prompts:
    """What the model is to continue."""

    tokens: tuple[tuple[int, ...], ...]
    output_tokens: int
    threads: int


@dataclass(frozen=True)
class Acceptance:
    """Sums over answers; add those of several."""

    tokens: int = 0
    """Of the answers."""
    steps: int = 0
    """Of the model: each verifies the proposals and adds a token of its own."""
    proposed: int = 0
    accepted: int = 0

    def __add__(self, other: "Acceptance") -> "Acceptance":
        mine, others = (self.tokens, self.steps, self.proposed, self.accepted), other
        theirs = (others.tokens, others.steps, others.proposed, others.accepted)
        return Acceptance(*(a + b for a, b in zip(mine, theirs, strict=True)))

    @property
    def rate(self) -> float:
        """Share of the proposed tokens that were accepted; 0 where nothing was proposed."""
        return self.accepted / self.proposed if self.proposed else 0.0

    @property
    def tokens_per_step(self) -> float:
        """What speculation would be worth if proposing and verifying cost nothing."""
        return self.tokens / self.steps if self.steps else 0.0


def prompts(tokens: Sequence[int], length: int, count: int) -> tuple[tuple[int, ...], ...]:
    """`count` pieces of `length` tokens, spread evenly over a text. Pure. Raises CommandError where it is too short."""
    if len(tokens) < length * count:
        raise CommandError(f"the text has {len(tokens)} tokens, {count} prompts of {length} need {length * count}")
    stride = len(tokens) // count
    return tuple(tuple(tokens[start : start + length]) for start in range(0, stride * count, stride))


def answers(llama: Llama, model: Path, wanted: Prompts) -> tuple[tuple[int, ...], ...]:
    """The model's greedy continuations. Raises CommandError where it cannot be loaded."""
    room = max(map(len, wanted.tokens)) + wanted.output_tokens
    with llama.open(model, room, wanted.threads) as opened:
        return tuple(_answer(opened, prompt, wanted.output_tokens) for prompt in wanted.tokens)


def _answer(model: Model, prompt: Sequence[int], tokens: int) -> tuple[int, ...]:
    model.forget()
    found = [int(model.read(prompt).argmax())]
    while len(found) < tokens:
        found.append(int(model.read([found[-1]]).argmax()))
    return tuple(found)


def by_draft(llama: Llama, draft: Path, wanted: Prompts, said: Sequence[Sequence[int]], ahead: int) -> Acceptance:
    """Of a draft model that proposes `ahead` tokens at a time."""
    room = max(map(len, wanted.tokens)) + wanted.output_tokens
    total = Acceptance()
    with llama.open(draft, room, wanted.threads) as model:
        for index, (prompt, answer) in enumerate(zip(wanted.tokens, said, strict=True), 1):
            model.forget()
            total += acceptance(prompt, answer, ahead, _Draft(model, []).propose)
            log.info("drafted", extra={"prompts": index, "of": len(said)})
    return total


def by_ngram(wanted: Prompts, said: Sequence[Sequence[int]], ahead: int, length: int) -> Acceptance:
    """Of looking up what followed the last `length` tokens when they were said before. Pure."""
    total = Acceptance()
    for prompt, answer in zip(wanted.tokens, said, strict=True):
        total += acceptance(prompt, answer, ahead, lambda history, room: look_up(history, length, room))
    return total


def acceptance(prompt: Sequence[int], answer: Sequence[int], ahead: int, propose: Propose) -> Acceptance:
    """What comes of proposing up to `ahead` tokens in every step of one answer."""
    history = list(prompt)
    rest = list(answer)
    steps = proposed = accepted = 0
    while rest:
        # the step itself gives one token: no more proposals are of use than stand before it
        proposals = list(propose(history, min(ahead, len(rest) - 1))) if len(rest) > 1 else []
        good = _matching(proposals, rest)
        steps, proposed, accepted = steps + 1, proposed + len(proposals), accepted + good
        history += rest[: good + 1]
        rest = rest[good + 1 :]
    return Acceptance(len(answer), steps, proposed, accepted)


def _matching(proposals: Sequence[int], actual: Sequence[int]) -> int:
    pairs = zip(proposals, actual, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), len(proposals))


def look_up(history: Sequence[int], length: int, room: int) -> Sequence[int]:
    """What followed the last `length` tokens when they stood in the history most recently; nothing if they did not."""
    last = tuple(history[-length:])
    for start in range(len(history) - length - 1, -1, -1):
        if tuple(history[start : start + length]) == last:
            return history[start + length : start + length + room]
    return ()


@dataclass(frozen=True)
class _Draft:
    model: Model
    read: list[int]
    """What the model's context holds; grows and shrinks with it."""

    def propose(self, history: Sequence[int], room: int) -> list[int]:
        kept = min(_matching(self.read, history), len(history) - 1)
        if kept < len(self.read):
            self.model.forget(kept)
            del self.read[kept:]
        proposals = [self._next(list(history[kept:]))]
        while len(proposals) < room:
            proposals.append(self._next(proposals[-1:]))
        return proposals

    def _next(self, tokens: list[int]) -> int:
        self.read.extend(tokens)
        return int(self.model.read(tokens).argmax())
