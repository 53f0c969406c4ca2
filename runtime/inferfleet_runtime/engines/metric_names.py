"""What every engine calls the metrics that all engines are compared by: one table, engine by metric. Pure data.

A name is tried before those after it, newer versions first: the first one that a page has counts, so nobody needs to
know which version runs. Counters count from the engine's start, and none of these engines counts what arrives but
TGI: `readings.Readings.arrived` makes that of the others. `SOURCES` says where the names were read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from inferfleet_runtime.contract import Metric

GAUGES = (Metric.REQUESTS_RUNNING, Metric.REQUESTS_WAITING, Metric.KV_CACHE_USAGE, Metric.KV_CACHE_TOKENS)
COUNTERS = (
    Metric.PROMPT_TOKENS,
    Metric.GENERATION_TOKENS,
    Metric.REQUEST_SUCCESS,
    Metric.PREFIX_CACHE_QUERIES,
    Metric.PREFIX_CACHE_HITS,
    Metric.DRAFT_TOKENS,
    Metric.ACCEPTED_TOKENS,
    Metric.ARRIVAL_REQUESTS,
    Metric.REJECTED_REQUESTS,
)
HISTOGRAMS = (
    Metric.REQUEST_GENERATION_TOKENS,
    Metric.TTFT,
    Metric.INTER_TOKEN_LATENCY,
    Metric.REQUEST_TPOT,
    Metric.E2E_LATENCY,
    Metric.QUEUE_TIME,
    Metric.INFERENCE_TIME,
)
"""In seconds, but for the tokens of a request."""
LATER = (
    Metric.LATER_ARRIVAL_REQUESTS,
    Metric.LATER_ARRIVAL_PROMPT_TOKENS,
    Metric.LATER_FINISHED_REQUESTS,
    Metric.LATER_FINISHED_TOKENS,
    Metric.LATER_WAITING,
)
"""Of requests that may wait: no vendor's engine tells them apart."""
MEANS = (Metric.KV_CACHE_USAGE,)
"""Shares: several engines of one pod have their mean. Everything else adds up."""
PARTS = ("_bucket", "_sum", "_count")


@dataclass(frozen=True)
class Series:
    """Where a canonical metric is on an engine's page."""

    names: tuple[str, ...]
    """The first that is there counts: newer versions first."""
    scale: float = 1.0
    """Factor to the canonical unit."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Only samples with these labels count."""
    label: str | None = None
    """Of a series that only informs: the label that has the number. What is no number there is not told."""
    times: "Series | None" = None
    """What this is multiplied by, its mean: the tokens of a block, say."""
    otherwise: "Series | None" = None
    """Where to look if nothing was found."""

    def alternatives(self) -> tuple["Series", ...]:
        """Itself and what is to be looked at otherwise, in order."""
        return (self, *(self.otherwise.alternatives() if self.otherwise else ()))


Names = Mapping[str, Series]
"""By the names of `contract.Metric`."""


def prefixed(prefix: str, names: Mapping[str, str | tuple[str, ...]]) -> dict[str, Series]:
    """Canonical names and what the engine calls them after the prefix that all of its names have."""
    return {
        name: Series(tuple(prefix + each for each in ((own,) if isinstance(own, str) else own)))
        for name, own in names.items()
    }


def wanted(series: Names) -> dict[bytes, str]:
    """What `page.read` is to look for."""
    found = {
        each: each
        for canonical, known in series.items()
        for one in known.alternatives()
        for name in one.names
        for each in ([name + part for part in PARTS] if canonical in HISTOGRAMS else [name])
    }
    factors = (one.times for known in series.values() for one in known.alternatives() if one.times)
    found |= {name: name for factor in factors for name in factor.names}
    return {name.encode(): name for name in found}


_BLOCKS = ("vllm:cache_config_info",)
VLLM: Names = MappingProxyType(
    {name: Series((name,)) for name in (*COUNTERS, *HISTOGRAMS, *GAUGES) if name.startswith("vllm:")}
    | prefixed(
        "vllm:",
        {
            Metric.KV_CACHE_USAGE: ("kv_cache_usage_perc", "gpu_cache_usage_perc"),
            Metric.INTER_TOKEN_LATENCY: ("inter_token_latency_seconds", "time_per_output_token_seconds"),
            Metric.PREFIX_CACHE_QUERIES: ("prefix_cache_queries_total", "gpu_prefix_cache_queries_total"),
            Metric.PREFIX_CACHE_HITS: ("prefix_cache_hits_total", "gpu_prefix_cache_hits_total"),
            Metric.REJECTED_REQUESTS: "admission_rejections_total",
        },
    )
    | {Metric.KV_CACHE_TOKENS: Series(_BLOCKS, label="num_gpu_blocks", times=Series(_BLOCKS, label="block_size"))}
)

SGLANG: Names = MappingProxyType(
    prefixed(
        "sglang:",
        {
            Metric.REQUESTS_RUNNING: "num_running_reqs",
            Metric.REQUESTS_WAITING: "num_queue_reqs",
            Metric.KV_CACHE_USAGE: "token_usage",
            Metric.KV_CACHE_TOKENS: "max_total_num_tokens",
            Metric.PROMPT_TOKENS: "prompt_tokens_total",
            Metric.GENERATION_TOKENS: "generation_tokens_total",
            Metric.REQUEST_SUCCESS: "num_requests_total",
            Metric.REQUEST_GENERATION_TOKENS: "generation_tokens_histogram",  # only with --collect-tokens-histogram
            Metric.TTFT: "time_to_first_token_seconds",
            Metric.INTER_TOKEN_LATENCY: ("inter_token_latency_seconds", "time_per_output_token_seconds"),
            Metric.REQUEST_TPOT: "request_time_per_output_token_seconds",
            Metric.E2E_LATENCY: "e2e_request_latency_seconds",
            Metric.QUEUE_TIME: "queue_time_seconds",
            Metric.PREFIX_CACHE_HITS: "cached_tokens_total",  # by source: device, host, storage
            Metric.PREFIX_CACHE_QUERIES: "prompt_tokens_total",
        },
    )
)

TENSORRT_LLM: Names = MappingProxyType(
    prefixed(
        "trtllm_",
        {
            Metric.REQUESTS_RUNNING: "num_requests_running",
            Metric.REQUESTS_WAITING: "num_requests_waiting",
            Metric.KV_CACHE_USAGE: "kv_cache_utilization",
            Metric.PROMPT_TOKENS: "prompt_tokens_total",
            # of requests that have ended, as everything that is counted here
            Metric.GENERATION_TOKENS: "generation_tokens_total",
            Metric.REQUEST_SUCCESS: "request_success_total",
            Metric.TTFT: "time_to_first_token_seconds",
            Metric.INTER_TOKEN_LATENCY: "time_per_output_token_seconds",
            Metric.REQUEST_TPOT: "time_per_output_token_seconds",  # the only one of both that it has
            Metric.E2E_LATENCY: "e2e_request_latency_seconds",
            Metric.QUEUE_TIME: "request_queue_time_seconds",
            Metric.PREFIX_CACHE_HITS: "prompt_cached_tokens_total",
            Metric.PREFIX_CACHE_QUERIES: "prompt_tokens_total",
            Metric.DRAFT_TOKENS: "spec_decode_num_draft_tokens_total",
            Metric.ACCEPTED_TOKENS: "spec_decode_num_accepted_tokens_total",
        },
    )
    | {
        Metric.KV_CACHE_TOKENS: Series(
            ("trtllm_kv_cache_max_blocks",), times=Series(("trtllm_kv_cache_tokens_per_block",))
        )
    }
)

LLAMA_CPP: Names = MappingProxyType(
    prefixed(
        "llamacpp:",
        {
            Metric.REQUESTS_RUNNING: "requests_processing",
            Metric.REQUESTS_WAITING: "requests_deferred",
            Metric.KV_CACHE_USAGE: "kv_cache_usage_ratio",  # of versions before the middle of 2025
            Metric.PROMPT_TOKENS: "prompt_tokens_total",
            Metric.GENERATION_TOKENS: "tokens_predicted_total",
            Metric.PREFIX_CACHE_HITS: "prompt_tokens_cached_total",
            Metric.DRAFT_TOKENS: "spec_decode_num_draft_tokens_total",
            Metric.ACCEPTED_TOKENS: "spec_decode_num_accepted_tokens_total",
        },
    )
)
"""It counts no requests: what arrives cannot be told from its page. The bundled runtime counts by itself."""

TGI: Names = MappingProxyType(
    prefixed(
        "tgi_",
        {
            Metric.REQUESTS_RUNNING: "batch_current_size",
            Metric.REQUESTS_WAITING: "queue_size",
            Metric.PROMPT_TOKENS: "request_input_length_sum",
            Metric.REQUEST_GENERATION_TOKENS: "request_generated_tokens",
            Metric.REQUEST_SUCCESS: ("request_success", "request_success_total"),
            Metric.ARRIVAL_REQUESTS: ("request_count", "request_count_total"),
            Metric.INTER_TOKEN_LATENCY: "request_mean_time_per_token_duration",
            # the only one of both, prefill included: the whole inference over the tokens
            Metric.REQUEST_TPOT: "request_mean_time_per_token_duration",
            Metric.E2E_LATENCY: "request_duration",
            Metric.QUEUE_TIME: "request_queue_duration",
            Metric.INFERENCE_TIME: "request_inference_duration",
        },
    )
)

LMDEPLOY: Names = MappingProxyType(
    prefixed(
        "lmdeploy:",
        {
            Metric.REQUESTS_RUNNING: "num_requests_running",
            Metric.REQUESTS_WAITING: "num_requests_waiting",
            Metric.KV_CACHE_USAGE: "gpu_cache_usage_perc",
            Metric.PROMPT_TOKENS: "prompt_tokens_total",
            Metric.GENERATION_TOKENS: "generation_tokens_total",
            Metric.REQUEST_SUCCESS: "request_success_total",  # older versions have only the histograms of requests
            Metric.REQUEST_GENERATION_TOKENS: "request_generation_tokens",
            Metric.TTFT: "time_to_first_token_seconds",
            Metric.INTER_TOKEN_LATENCY: ("iter_token_latency", "time_per_output_token_seconds"),
            Metric.E2E_LATENCY: "e2e_request_latency_seconds",
            Metric.QUEUE_TIME: "request_queue_time_seconds",
            Metric.INFERENCE_TIME: "request_inference_time_seconds",
        },
    )
)


def _of_kind(kind: str) -> Series:
    return Series(("nv_trt_llm_request_metrics",), labels={"request_type": kind})


def _of_blocks(kind: str, times: Series | None = None) -> Series:
    return Series(("nv_trt_llm_kv_cache_block_metrics",), labels={"kv_cache_block_type": kind}, times=times)


_TENSORRT_BACKEND: Names = {
    Metric.REQUESTS_RUNNING: _of_kind("scheduled"),
    Metric.REQUESTS_WAITING: replace(_of_kind("waiting"), otherwise=Series(("nv_inference_pending_request_count",))),
    Metric.KV_CACHE_USAGE: _of_blocks("fraction"),
    Metric.KV_CACHE_TOKENS: _of_blocks("max", times=_of_blocks("tokens_per")),
    Metric.PROMPT_TOKENS: Series(("nv_llm_input_token_len_sum",)),
    Metric.REQUEST_GENERATION_TOKENS: Series(("nv_llm_output_token_len",)),
    # the last counts every model of an ensemble
    Metric.REQUEST_SUCCESS: Series(("nv_llm_output_token_len_count", "nv_inference_request_success")),
    # to the first piece of a stream; of an answer in one piece all of it. Only with histogram_latencies=true
    Metric.TTFT: Series(("nv_inference_first_response_histogram_ms",), scale=0.001),
}
TRITON: Names = MappingProxyType(
    {
        name: replace(known, otherwise=_TENSORRT_BACKEND[name]) if name in _TENSORRT_BACKEND else known
        for name, known in VLLM.items()
    }
)
"""Its vLLM backend has vLLM's series, its TensorRT-LLM backend others."""


def _maxs(name: str, scale: float = 1.0) -> Series:
    """OpenTelemetry's names as Prometheus has them: units and `_total` are appended by some versions."""
    return Series((f"maxserve_{name}", f"maxserve_{name}_total", f"maxserve_{name}_milliseconds"), scale)


MAX: Names = MappingProxyType(
    {
        Metric.REQUESTS_RUNNING: _maxs("num_requests_running"),
        Metric.REQUESTS_WAITING: _maxs("num_requests_queued"),
        Metric.PROMPT_TOKENS: _maxs("num_input_tokens"),
        Metric.GENERATION_TOKENS: _maxs("num_output_tokens"),
        Metric.TTFT: _maxs("time_to_first_token", 0.001),
        Metric.INTER_TOKEN_LATENCY: _maxs("itl", 0.001),
        Metric.PREFIX_CACHE_HITS: _maxs("cache_hits"),
    }
)


def _as_ray_says(known: Series) -> Series:
    """Colons are not for exporters, so `vllm:x` comes out as `ray_vllm_x`."""
    names = tuple(f"ray_{name.replace(':', '_')}" for name in known.names)
    old = tuple(name.replace("ray_vllm", "ray_vllm:") for name in names)
    return replace(known, names=(*names, *old), times=_as_ray_says(known.times) if known.times else None)


RAY_SERVE: Names = MappingProxyType({name: _as_ray_says(known) for name, known in VLLM.items()})

OWN: Names = MappingProxyType(
    {name: Series((name,)) for name in (*GAUGES, *COUNTERS, *HISTOGRAMS)}
    | {name: Series((name,)) for name in (Metric.ARRIVAL_PROMPT_TOKENS, Metric.SLOTS, Metric.CAPACITY)}
    | {name: Series((name,)) for name in (Metric.ARRIVAL_WORK_SECONDS, Metric.QUEUED_WORK_SECONDS, *LATER)}
)
"""What pods of the bundled runtime and sidecars say."""

SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "vllm": "vllm/v1/metrics/loggers.py; docs, usage/metrics of 0.4 to 0.9; runs of 0.32 on CPUs",
        "sglang": "docs, references/production_metrics; srt/metrics/collector.py",
        "tensorrt-llm": "tensorrt_llm/metrics/collector.py of 1.3; docs, trtllm-serve",
        "llama.cpp": "tools/server/README.md, GET /metrics; runs of the server",
        "tgi": "docs, reference/metrics",
        "lmdeploy": "lmdeploy/metrics/loggers.py",
        "triton": "docs, user_guide/metrics; README of vllm_backend; README and reporter of tensorrtllm_backend",
    }
)
