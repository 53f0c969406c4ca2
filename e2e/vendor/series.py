"""vLLM's series, as text for Prometheus. Counts; no I/O."""

from dataclasses import dataclass, field

BUCKETS = (0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0)
TOKEN_BUCKETS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
REASONS = ("stop", "length", "abort")


@dataclass
class Histogram:
    """Cumulative buckets."""

    bounds: tuple[float, ...]
    values: list[float] = field(default_factory=list)

    def lines(self, name: str, labels: str) -> list[str]:
        """The exposition."""
        counted = [(str(b), sum(v <= b for v in self.values)) for b in self.bounds] + [("+Inf", len(self.values))]
        found = [f"# TYPE {name} histogram"]
        found += [f'{name}_bucket{{{labels},le="{bound}"}} {count}' for bound, count in counted]
        return [*found, f"{name}_sum{{{labels}}} {sum(self.values)}", f"{name}_count{{{labels}}} {len(self.values)}"]


@dataclass
class Series:
    """Everything that is counted."""

    model: str
    running: int = 0
    waiting: int = 0
    prompt_tokens: int = 0
    generation_tokens: int = 0
    finished: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    ttft: Histogram = field(default_factory=lambda: Histogram(BUCKETS))
    inter_token: Histogram = field(default_factory=lambda: Histogram(BUCKETS))
    per_token: Histogram = field(default_factory=lambda: Histogram(BUCKETS))
    end_to_end: Histogram = field(default_factory=lambda: Histogram(BUCKETS))
    queue: Histogram = field(default_factory=lambda: Histogram(BUCKETS))
    tokens: Histogram = field(default_factory=lambda: Histogram(TOKEN_BUCKETS))

    def text(self) -> str:
        """The exposition."""
        labels = f'engine="0",model_name="{self.model}"'
        lines = []
        for name, value in (
            ("vllm:num_requests_running", self.running),
            ("vllm:num_requests_waiting", self.waiting),
            ("vllm:kv_cache_usage_perc", min(1.0, self.running / 100)),
        ):
            lines += [f"# TYPE {name} gauge", f"{name}{{{labels}}} {value}"]
        for name, value in (
            ("vllm:prompt_tokens", self.prompt_tokens),
            ("vllm:generation_tokens", self.generation_tokens),
            ("vllm:prefix_cache_queries", self.prompt_tokens),
            ("vllm:prefix_cache_hits", 0),
        ):
            lines += [f"# TYPE {name}_total counter", f"{name}_total{{{labels}}} {value}"]
        lines.append("# TYPE vllm:request_success_total counter")
        for reason, count in self.finished.items():
            lines.append(f'vllm:request_success_total{{{labels},finished_reason="{reason}"}} {count}')
        for name, histogram in (
            ("vllm:time_to_first_token_seconds", self.ttft),
            ("vllm:inter_token_latency_seconds", self.inter_token),
            ("vllm:request_time_per_output_token_seconds", self.per_token),
            ("vllm:e2e_request_latency_seconds", self.end_to_end),
            ("vllm:request_queue_time_seconds", self.queue),
            ("vllm:request_generation_tokens", self.tokens),
        ):
            lines += histogram.lines(name, labels)
        return "\n".join(lines) + "\n"
