"""Expected latency and speed of a candidate in the light of what was measured of it, or of others like it. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from math import exp, log
from statistics import fmean

from inferfleet.api.common import Traffic
from inferfleet.performance.types import Interval
from inferfleet.planning.measured import VAGUE, Learned, Measured
from inferfleet.planning.types import Bounds, Prediction

Evidence = tuple[tuple[Measured | None, ...], float]
"""What was measured of every batch size, and the correction of what was not: measured over estimated speed of others
on such hardware.
"""


def speeds(predicted: Sequence[Prediction], evidence: Evidence, traffic: Traffic) -> list[float]:
    """Tokens per second at every batch size: measured, by the learned steps, or as far off as others are."""
    measured, line, ratio = evidence[0], _line(evidence), _ratio(predicted, evidence)

    def one(p: Prediction, m: Measured | None) -> float:
        if m or not line:
            return m.tokens_per_second if m else p.tokens_per_second * ratio
        return p.slots / line.each(p.slots, traffic.input_tokens.p50, traffic.output.p50)

    return [one(p, m) for p, m in zip(predicted, measured, strict=True)]


def latencies(predicted: Sequence[Prediction], evidence: Evidence, traffic: Traffic) -> list[Prediction]:
    """The predictions with the latencies that the evidence tells: by learned steps, else as slow as the throughput.

    What no pod of the candidate itself has shown only makes it slower: were it believed to be faster, too, what runs
    would move on to what looks better for the mistakes of others.
    """
    measured, line, ratio = evidence[0], _line(evidence), _ratio(predicted, evidence)
    if line:
        return [_by_line(p, line, traffic) for p in predicted]
    if not any(measured):
        return [_slowed(p, 1 / ratio) if ratio < 1 else p for p in predicted]

    def one(p: Prediction, m: Measured | None) -> Prediction:
        slower = p.tokens_per_second / m.tokens_per_second if m else 1 / ratio
        return replace(_slowed(p, slower), bounds=None, measured=True)

    return [one(p, m) for p, m in zip(predicted, measured, strict=True)]


def known(evidence: Evidence) -> bool:
    """Whether there is any."""
    return any(evidence[0]) or evidence[1] != 1.0


def _line(evidence: Evidence) -> Learned | None:
    """The one that is known best, of whichever batch size: it says what any of them does."""
    found = [m.learned for m in evidence[0] if m and m.learned and m.learned.error <= VAGUE]
    return max(found, key=lambda one: one.observations, default=None)


def _ratio(predicted: Sequence[Prediction], evidence: Evidence) -> float:
    """Real over estimated speed: the geometric mean of its own, else that of others."""
    pairs = zip(predicted, evidence[0], strict=True)
    own = [log(m.tokens_per_second / p.tokens_per_second) for p, m in pairs if m]
    return exp(fmean(own)) if own else evidence[1]


def _by_line(p: Prediction, line: Learned, traffic: Traffic) -> Prediction:
    """While one request decodes the others are prefilled, and a token waits for its part: as `planning.performance`."""
    output = traffic.output.p50
    step, prefill = line.step(p.slots), line.per_prompt * traffic.input_tokens.p50
    ttft, tpot = prefill + step, step + prefill * (p.slots - 1) / output
    whole = ttft + tpot * (output - 1)
    return replace(p, ttft=ttft, tpot=tpot, end_to_end=whole, bounds=None, measured=True)


def _slowed(p: Prediction, factor: float) -> Prediction:
    bounds = p.bounds and Bounds(
        _times(p.bounds.ttft, factor),
        _times(p.bounds.tpot, factor),
        _times(p.bounds.end_to_end, factor),
        p.bounds.tokens_per_second,
    )
    return replace(p, ttft=p.ttft * factor, tpot=p.tpot * factor, end_to_end=p.end_to_end * factor, bounds=bounds)


def _times(i: Interval, factor: float) -> Interval:
    return Interval(i.low * factor, i.mid * factor, i.high * factor)


def eased(p: Prediction, by: float) -> Prediction:
    """With latencies that many times shorter."""
    return _slowed(p, 1 / by)
