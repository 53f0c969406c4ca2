"""What is measured of one request, from arrival to its last token. Writes to the metrics it is given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prometheus_client import Histogram

from inferfleet_runtime.api.sse import Seen, Usage, interpret
from inferfleet_runtime.front.metrics import Metrics


@dataclass
class Trace:
    """One request. `now` gives monotonic seconds."""

    metrics: Metrics
    now: Callable[[], float]
    arrived: float
    prompt: int
    """Tokens: estimated, then as the engine counted them."""
    generated: int = 0
    """Tokens counted so far; exact at the end."""
    began: float | None = None
    """When it had a slot."""
    first: float | None = None
    """When the first token came."""
    last: float | None = None
    reason: str | None = None
    usage: Usage | None = None
    error: str | None = None
    later: bool = False
    """Whether it may wait: its times are nobody's measure then."""

    @property
    def cached(self) -> int:
        """Tokens that the request holds in the KV cache."""
        return self.prompt + self.generated

    def started(self) -> None:
        """A slot is free for it."""
        self.began = self.now()
        self._time(self.metrics.queue_time, self.began - self.arrived)

    def see(self, seen: Seen) -> None:
        """Take in one event of a stream."""
        if seen.token:
            self._token(self.now())
        self.reason = seen.finish_reason or self.reason
        self.error = seen.error or self.error
        if seen.usage:
            self._count(seen.usage)

    def _token(self, at: float) -> None:
        if self.last is None:
            self.first = at
            self._time(self.metrics.ttft, at - self.arrived)
        else:
            self._time(self.metrics.inter_token, at - self.last)
        self.last = at
        self.generated += 1
        self.metrics.generation_tokens.inc()

    def _count(self, usage: Usage) -> None:
        """Correct the running counts: an event may hold several tokens, half a character none."""
        self.usage = usage
        self.metrics.prompt_tokens.inc(usage.prompt)
        longer = max(0, usage.prompt - self.prompt)
        self.metrics.arrival_prompt_tokens.inc(longer)
        if self.later:
            self.metrics.later.longer(longer)
        self.metrics.generation_tokens.inc(max(0, usage.completion - self.generated))
        self.prompt, self.generated = usage.prompt, usage.completion

    def answer(self, payload: dict[str, Any]) -> None:
        """Take in a whole answer; the engine's own clock says when its first token came."""
        seen, timings = interpret(payload), payload.get("timings", {})
        self.reason, self.last = seen.finish_reason, self.now()
        if not seen.usage:
            return
        self._count(seen.usage)
        decoding = timings.get("predicted_ms", 0.0) / 1000
        if not seen.usage.completion:
            return  # vectors, not tokens
        self.first = max(self.arrived, self.last - decoding)
        self._time(self.metrics.ttft, self.first - self.arrived)
        for _ in range(seen.usage.completion - 1):
            self._time(self.metrics.inter_token, decoding / (seen.usage.completion - 1))

    def finished(self) -> None:
        """The answer is complete."""
        ended = self.now()
        self._time(self.metrics.end_to_end, ended - self.arrived)
        if self.began is not None:
            self._time(self.metrics.inference_time, ended - self.began)
        self.metrics.request_tokens.observe(self.generated)
        if self.first is not None and self.last is not None and self.generated > 1:
            self._time(self.metrics.per_token, (self.last - self.first) / (self.generated - 1))
        if self.later:
            self.metrics.later.finished(self.generated)
        self.metrics.succeeded(self.reason or "stop")

    def _time(self, histogram: Histogram, seconds: float) -> None:
        self.metrics.took(histogram, seconds, later=self.later)

    def fields(self) -> dict[str, Any]:
        """For the log: sizes and times, never text."""
        ttft = None if self.first is None else round(self.first - self.arrived, 4)
        return {
            "prompt_tokens": self.prompt,
            "generation_tokens": self.generated,
            "finish_reason": self.reason,
            "ttft_seconds": ttft,
            "seconds": round(self.now() - self.arrived, 4),
        }
