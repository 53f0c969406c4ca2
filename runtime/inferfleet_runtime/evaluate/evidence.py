"""What was measured, as a document and as a table. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp, log10
from typing import Any

from inferfleet_runtime.evaluate.quality import Quality
from inferfleet_runtime.evaluate.score import Scores
from inferfleet_runtime.evaluate.speculation import Acceptance
from inferfleet_runtime.evaluate.speed import Speed

ACCURACY = "next-token-accuracy"
"""Name of a benchmark: share of the held-out tokens that the model thinks the likeliest. More is better."""
LIKELIHOOD = "next-token-likelihood"
"""Name of a benchmark: geometric mean of the probabilities of the held-out tokens, 1 / perplexity. More is better."""


@dataclass(frozen=True)
class File:
    """A model file."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Origin:
    """What evidence says of itself."""

    date: str
    """As 2026-05-02."""
    source: str
    """Where the measurement is published, or what it was made with."""


@dataclass(frozen=True)
class Measured:
    """All about one model; `quality` compares it with the baseline, the baseline with itself."""

    file: File
    quality: Quality
    speed: Speed | None


def accuracy(scores: Scores, origin: Origin) -> list[dict[str, Any]]:
    """A value of `spec.variants[].accuracy`. An operator believes the benchmark that loses most."""
    pairs = {
        ACCURACY: (scores.baseline_right / scores.tokens, scores.right / scores.tokens),
        LIKELIHOOD: (1 / scores.baseline_perplexity, 1 / scores.perplexity),
    }
    about = {"samples": scores.tokens, "date": origin.date, "source": origin.source}
    return [
        {"benchmark": name, "baseline": _decimal(baseline), "score": _decimal(score)} | about
        for name, (baseline, score) in pairs.items()
    ]


def _loss(scores: Scores) -> float:
    """What an operator takes for the loss: the largest share of a benchmark that is lost."""
    shares = [1 - scores.baseline_perplexity / scores.perplexity]
    if scores.baseline_right:
        shares.append(1 - scores.right / scores.baseline_right)
    return max(0.0, *shares)


def _decimal(value: float) -> str:
    """With six significant digits, no exponent and no more than nine decimals, as the API wants numbers."""
    places = 6 - ceil(log10(value)) if value > 0 else 1
    return f"{value:.{min(9, max(1, places))}f}"


def entry(measured: Measured, origin: Origin) -> dict[str, Any]:
    """One model in the document."""
    scores = measured.quality.scores
    speed = measured.speed
    return {
        "file": measured.file.name,
        "sha256": measured.file.sha256,
        "bytes": measured.file.bytes,
        "quantization": measured.quality.quantization,
        "perplexityPerToken": round(scores.perplexity, 5),
        "perplexityPerByte": round(exp(scores.loss / scores.bytes), 5),
        "nextTokenAccuracy": round(scores.right / scores.tokens, 5),
        "nextTokenAccuracyStandardError": round(scores.accuracy_error, 5),
        "topOneAgreement": round(scores.agreed / scores.tokens, 5),
        "divergenceNats": round(scores.divergence / scores.tokens, 6),
        "prefillTokensPerSecond": round(speed.prefill, 1) if speed else None,
        "decodeTokensPerSecond": round(speed.decode, 1) if speed else None,
        "lossPercent": round(100 * _loss(scores), 3),
        "accuracy": accuracy(scores, origin),
    }


def speculation_entry(method: str, ahead: int, found: Acceptance) -> dict[str, Any]:
    """One way of speculating in the document."""
    return {
        "method": method,
        "tokens": ahead,
        "proposed": found.proposed,
        "accepted": found.accepted,
        "acceptance": round(found.rate, 4),
        "outputTokens": found.tokens,
        "tokensPerStep": round(found.tokens_per_step, 3),
    }


_COLUMNS: Mapping[str, tuple[str, str]] = {
    "model": ("quantization", ""),
    "MB": ("bytes", "mb"),
    "perplexity": ("perplexityPerToken", ".3f"),
    "per byte": ("perplexityPerByte", ".4f"),
    "accuracy %": ("nextTokenAccuracy", "%"),
    "loss %": ("lossPercent", ".2f"),
    "agreement %": ("topOneAgreement", "%"),
    "divergence": ("divergenceNats", ".5f"),
    "prefill tok/s": ("prefillTokensPerSecond", ".0f"),
    "decode tok/s": ("decodeTokensPerSecond", ".0f"),
}


def table(entries: Sequence[Mapping[str, Any]]) -> str:
    """Markdown, a line for each model."""
    head = list(_COLUMNS)
    rows = [[_cell(entry[key], how) for key, how in _COLUMNS.values()] for entry in entries]
    return _markdown([head, *rows])


def speculation_table(entries: Sequence[Mapping[str, Any]]) -> str:
    """Markdown, a line for each way of speculating."""
    head = ["method", "ahead", "proposed", "accepted", "acceptance %", "tokens a step"]
    keys = ("tokens", "proposed", "accepted", "acceptance", "tokensPerStep")
    rows = [
        [str(e["method"]), *(f"{e[k]:.1%}"[:-1] if k == "acceptance" else str(e[k]) for k in keys)] for e in entries
    ]
    return _markdown([head, *rows])


def _cell(value: Any, how: str) -> str:
    if value is None:
        return "-"
    special = {"": str(value), "mb": f"{value / 1e6:.1f}" if how == "mb" else "", "%": ""}
    if how == "%":
        return f"{value * 100:.2f}"
    return special[how] if how in special else format(value, how)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in rows]
    ruler = "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|"
    return "\n".join([lines[0], ruler, *lines[1:]])
