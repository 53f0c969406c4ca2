"""The status of a CapacityProfile: when it is worth a write, what it says, and what is read from it. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from math import isfinite
from typing import Any, Literal

from pydantic import ValidationError

from inferfleet.api.base import timestamp
from inferfleet.api.capacity_profile import EVIDENCE, CapacityProfileStatus, LearnedStep
from inferfleet.api.figures import figures
from inferfleet.api.quantities import two_digits
from inferfleet.fleet.types import Obj
from inferfleet.planning.measured import Learned, Measured

CHANGE = 0.15
"""Relative change that is worth a write: below it is the noise of a measurement."""
REFRESH = 86_400.0
"""Seconds after which what pods go on showing is written again, so that it does not expire while it is seen."""


def profile_status(
    obj: Obj, measured: Measured, stored: Mapping[str, Measured], now: datetime, max_age: float
) -> Obj | None:
    """The status to apply, or None when what is stored is near enough. `max_age`: seconds until it expires."""
    old, spec = stored.get(obj["metadata"]["name"]), obj["spec"]
    if old and measured.learned is None:
        measured = replace(measured, learned=old.learned)  # the same has been learned, if not by these pods
    if two_digits(measured.tokens_per_second) <= 0 or not (old is None or _news(measured, old, spec)):
        return None
    status = {
        "tokensPerSecond": two_digits(measured.tokens_per_second),
        "source": measured.source,
        "measuredAt": timestamp(now),
        "expiresAt": timestamp(now + timedelta(seconds=max_age)),
        "confidence": measured.confidence,
        "errorPercent": _percent(measured.error),
        "observations": round(measured.observations),
    }
    step = {"step": _told(measured.learned)} if measured.learned else {}
    return {key: obj[key] for key in ("apiVersion", "kind", "metadata")} | {"status": status | step}


def _news(new: Measured, old: Measured, spec: Mapping[str, Any]) -> bool:
    """Throughput or steps moved beyond noise, confidence changed its class, or it was written long ago."""
    if _moved(float(two_digits(new.tokens_per_second)), old.tokens_per_second):
        return True
    if new.confidence != old.confidence and _moved(new.error, old.error):
        return True
    if new.learned is None or old.learned is None:
        return new.learned is not None
    if old.age > REFRESH and _rounded(new.learned) != _rounded(old.learned):
        return True
    return _slower(new.learned, old.learned, spec)


def _slower(new: Learned, old: Learned, spec: Mapping[str, Any]) -> bool:
    """Or faster: a lone request, or as many as there are slots."""
    load = (spec["inputTokens"], spec["outputTokens"])
    return any(_moved(new.each(n, *load), old.each(n, *load)) for n in (1, spec["slots"]))


def _moved(new: float, old: float) -> bool:
    return abs(new - old) > CHANGE * old


def _rounded(learned: Learned) -> list[str]:
    """Sums of so many alike products nearly depend on each other: with fewer digits they would tell another line."""
    return [f"{mean:.8g}" for mean in learned.means]


def _told(learned: Learned) -> Obj:
    return {
        "base": _milliseconds(learned.base),
        "perToken": _milliseconds(learned.per_token),
        "perPromptToken": _milliseconds(learned.per_prompt),
        "observations": round(learned.observations),
        "errorPercent": _percent(learned.error),
        "evidence": _rounded(learned),
    }


def _percent(error: float) -> int:
    """Never nothing: no measurement is that good."""
    return max(1, round(100 * error))


def _milliseconds(seconds: float) -> str:
    return f"{figures(seconds * 1000, 4)}ms"


def read(raw: Any) -> tuple[Measured, datetime] | None:
    """What a status says and when it was written; None where nothing was measured, or by nobody who can be believed."""
    try:
        status = CapacityProfileStatus.model_validate(raw)
        since = datetime.fromisoformat(status.measured_at)
    except (ValidationError, ValueError):
        return None  # not measured yet
    if status.tokens_per_second <= 0 or since.tzinfo is None:
        return None
    source: Literal["Observed", "Benchmarked"] = "Observed" if status.source == "Observed" else "Benchmarked"
    speed, observations = float(status.tokens_per_second), max(1.0, float(status.observations))
    return Measured(speed, source, observations, _learned(status.step) if status.step else None), since


def _learned(step: LearnedStep) -> Learned | None:
    """None where a number is no possible one: somebody else wrote it, and learning begins anew."""
    try:
        line = [_seconds(text) for text in (step.base, step.per_token, step.per_prompt_token)]
        means = tuple(float(text) for text in step.evidence)
    except ValueError:
        return None
    base, per_token, per_prompt = line
    possible = all(isfinite(x) and x >= 0 for x in line) and min(base, step.observations, step.error_percent) > 0
    if not possible or len(means) != EVIDENCE or not _positive(means):
        return None
    return Learned(base, per_token, per_prompt, float(step.observations), step.error_percent / 100, means)


def _positive(means: tuple[float, ...]) -> bool:
    """Whether these may be means of products: of nothing negative, squares on the diagonal."""
    a, b, c, d, e, f = means[:6]
    finite = all(isfinite(mean) and mean >= 0 for mean in means)
    room = 1 + 1e-6  # rounded
    return finite and b * b <= a * d * room and c * c <= a * f * room and e * e <= d * f * room


def _seconds(text: str) -> float:
    if not text.endswith("ms"):
        raise ValueError(f"{text!r} is no time in milliseconds")
    return float(text.removesuffix("ms")) / 1000
