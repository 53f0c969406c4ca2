"""How two models' guesses at the same tokens compare. Pure.

Perplexity is exp of the mean negative log-likelihood (Jelinek et al. 1977); the divergence is Kullback and Leibler's
(1951), from the baseline's distribution to the model's, in nats. Both as llama.cpp's `llama-perplexity` defines them.
"""

from dataclasses import dataclass, fields
from math import exp, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Scores:
    """Sums over tokens; add those of several texts."""

    tokens: int = 0
    bytes: int = 0
    """Of the text that the tokens stand for."""
    baseline_loss: float = 0.0
    """Negative log-likelihood of the tokens, in nats."""
    loss: float = 0.0
    baseline_right: int = 0
    """Tokens that the baseline thought the likeliest."""
    right: int = 0
    flipped: int = 0
    """Tokens that exactly one of the two was right about."""
    agreed: int = 0
    """Places where both thought the same token the likeliest."""
    divergence: float = 0.0

    def __add__(self, other: "Scores") -> "Scores":
        return Scores(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Scores)))

    @property
    def perplexity(self) -> float:
        """Per token."""
        return exp(self.loss / self.tokens)

    @property
    def baseline_perplexity(self) -> float:
        """Per token."""
        return exp(self.baseline_loss / self.tokens)

    @property
    def accuracy_error(self) -> float:
        """Standard error of the difference between the two accuracies: both saw the same tokens (McNemar 1947)."""
        difference = self.right - self.baseline_right
        return sqrt(max(0.0, self.flipped - difference**2 / self.tokens)) / self.tokens


def score(baseline: Floats, model: Floats, targets: NDArray[np.int64], bytes_: int) -> Scores:
    """Of logits, one row for each of `targets`, which stand for `bytes_` of text."""
    expected, guessed = log_softmax(baseline), log_softmax(model)
    rows = np.arange(len(targets))
    top, baseline_top = model.argmax(axis=1), baseline.argmax(axis=1)
    right, baseline_right = top == targets, baseline_top == targets
    divergence = np.exp(expected) * (expected - guessed)
    return Scores(
        tokens=len(targets),
        bytes=bytes_,
        baseline_loss=-float(expected[rows, targets].sum(dtype=np.float64)),
        loss=-float(guessed[rows, targets].sum(dtype=np.float64)),
        baseline_right=int(baseline_right.sum()),
        right=int(right.sum()),
        flipped=int((right != baseline_right).sum()),
        agreed=int((top == baseline_top).sum()),
        divergence=float(divergence.sum(dtype=np.float64)),
    )


def log_softmax(logits: Floats) -> Floats:
    """Log-probabilities of rows of logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    normalizer = np.log(np.exp(shifted).sum(axis=1, keepdims=True, dtype=np.float64))
    return np.asarray(shifted - normalizer, np.float32)
