"""Pages of the size and shape that vLLM's server answers with. Pure.

Families, labels, bounds of buckets and the order within a family are those of vllm/v1/metrics/loggers.py and of the
instrumentator of its HTTP server (0.9 to 0.33, one engine, no LoRA); the numbers are drawn.
"""

from collections.abc import Iterator
from random import Random

MODEL = "meta-llama/Llama-3.1-8B-Instruct"
_ENGINE = f'engine="0",model_name="{MODEL}"'
_GAUGES = ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc", "gpu_cache_usage_perc")
_COUNTERS = (
    "prefix_cache_queries",
    "prefix_cache_hits",
    "gpu_prefix_cache_queries",
    "gpu_prefix_cache_hits",
    "external_prefix_cache_queries",
    "external_prefix_cache_hits",
    "mm_cache_queries",
    "mm_cache_hits",
    "num_preemptions",
    "prompt_tokens",
    "generation_tokens",
    "spec_decode_num_draft_tokens",
    "spec_decode_num_accepted_tokens",
)
_FIRST = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_TTFT = (*_FIRST, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0)
_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
_UP_TO_MINUTE = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0)
_REQUEST = (*_UP_TO_MINUTE, 120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0)
_COUNTS = tuple(float(digit * 10**power) for power in range(6) for digit in (1, 2, 5) if digit * 10**power <= 131072)
_STEPS = (1.0, *(float(2**power) for power in range(3, 15)))
_HISTOGRAMS = {
    "request_prompt_tokens": _COUNTS,
    "request_generation_tokens": _COUNTS,
    "iteration_tokens_total": _STEPS,
    "request_max_num_generation_tokens": _COUNTS,
    "request_params_n": (1.0, 2.0, 5.0, 10.0, 20.0),
    "request_params_max_tokens": _COUNTS,
    "time_to_first_token_seconds": _TTFT,
    "inter_token_latency_seconds": _TOKEN,
    "time_per_output_token_seconds": _TOKEN,
    "request_time_per_output_token_seconds": _TOKEN,
    "e2e_request_latency_seconds": _REQUEST,
    "request_queue_time_seconds": _REQUEST,
    "request_inference_time_seconds": _REQUEST,
    "request_prefill_time_seconds": _REQUEST,
    "request_decode_time_seconds": _REQUEST,
    "request_prefill_kv_computed_tokens": _COUNTS,
}
_REASONS = ("stop", "length", "abort", "error", "repetition")
_HANDLERS = ("/health", "/v1/chat/completions", "/v1/completions", "/v1/models")


def page(rng: Random) -> bytes:
    """One answer, a little over 60 kB."""
    return ("\n".join(_lines(rng)) + "\n").encode()


def _lines(rng: Random) -> Iterator[str]:
    for name in _GAUGES:
        yield from _head(f"vllm:{name}", "gauge")
        yield f"vllm:{name}{{{_ENGINE}}} {rng.random():.4f}"
    for name in _COUNTERS:
        yield from _head(f"vllm:{name}_total", "counter")
        yield f"vllm:{name}_total{{{_ENGINE}}} {float(rng.randrange(10**7))}"
        yield from _head(f"vllm:{name}_created", "gauge")
        yield f"vllm:{name}_created{{{_ENGINE}}} 1.7637{rng.randrange(10**6):06d}e+09"
    yield from _head("vllm:request_success_total", "counter")
    for reason in _REASONS:
        labels = f'engine="0",finished_reason="{reason}",model_name="{MODEL}"'
        yield f"vllm:request_success_total{{{labels}}} {float(rng.randrange(10**5))}"
    for name, bounds in _HISTOGRAMS.items():
        yield from _histogram(f"vllm:{name}", 'engine="0"', f'model_name="{MODEL}"', bounds, rng)
    yield from _head("vllm:cache_config_info", "gauge")
    yield (
        'vllm:cache_config_info{block_size="16",cache_dtype="auto",calculate_kv_scales="False",cpu_offload_gb="0",'
        'enable_prefix_caching="True",engine="0",gpu_memory_utilization="0.92",num_gpu_blocks="27423",'
        'num_gpu_blocks_override="None",prefix_caching_hash_algo="sha256",sliding_window="None"} 1.0'
    )
    for handler in _HANDLERS:
        labels = f'handler="{handler}",method="POST"'
        yield from _histogram("http_request_duration_seconds", f'handler="{handler}"', 'method="POST"', _REQUEST, rng)
        yield f'http_requests_total{{{labels},status="2xx"}} {float(rng.randrange(10**5))}'


def _head(name: str, kind: str) -> tuple[str, str]:
    words = name.partition(":")[2].replace("_", " ") or name
    return f"# HELP {name} Of this engine: {words}, since its start or now, as the name says.", f"# TYPE {name} {kind}"


def _histogram(name: str, before: str, after: str, bounds: tuple[float, ...], rng: Random) -> Iterator[str]:
    """The label `le` stands between the others: labels are sorted."""
    yield from _head(name, "histogram")
    count = 0
    for bound in (*map(str, bounds), "+Inf"):
        count += rng.randrange(3000)
        yield f'{name}_bucket{{{before},le="{bound}",{after}}} {float(count)}'
    yield f"{name}_count{{{before},{after}}} {float(count)}"
    yield f"{name}_sum{{{before},{after}}} {rng.random() * count}"
