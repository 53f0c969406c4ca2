"""What the operator and a model pod agree on: files, ports, paths and metric names. Pure.

The operator renders a `RuntimeConfig` into a ConfigMap; every command of the runtime reads it.
"""

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

CONFIG_PATH = PurePosixPath("/etc/inferfleet/runtime.json")
"""Where the ConfigMap is mounted in every container of a model pod."""
WEIGHTS_DIR = PurePosixPath("/var/lib/inferfleet/weights")
"""A writable volume shared by `fetch`, `quantize` and `serve`."""
IMAGE_VOLUME_DIR = PurePosixPath("/var/lib/inferfleet/image")
"""Where an `oci://` source is mounted read-only."""
CLAIM_DIR = PurePosixPath("/var/lib/inferfleet/claim")
"""Where the PersistentVolumeClaim of a `pvc://` source is mounted read-only; the pod sees a `file://` source."""
PORT = 8000
"""The one port of a model pod: OpenAI API, health and metrics."""

READY_PATH = "/health/ready"
LIVE_PATH = "/health/live"
METRICS_PATH = "/metrics"


class Metric:
    """Names on `/metrics`: vLLM's for what vLLM has, `inferfleet:` for what it lacks."""

    REQUESTS_RUNNING = "vllm:num_requests_running"
    REQUESTS_WAITING = "vllm:num_requests_waiting"
    KV_CACHE_USAGE = "vllm:kv_cache_usage_perc"
    PROMPT_TOKENS = "vllm:prompt_tokens_total"
    GENERATION_TOKENS = "vllm:generation_tokens_total"
    REQUEST_SUCCESS = "vllm:request_success_total"
    REQUEST_GENERATION_TOKENS = "vllm:request_generation_tokens"  # histogram; _sum and _count
    TTFT = "vllm:time_to_first_token_seconds"  # histogram
    INTER_TOKEN_LATENCY = "vllm:inter_token_latency_seconds"  # noqa: S105  histogram
    E2E_LATENCY = "vllm:e2e_request_latency_seconds"  # histogram
    QUEUE_TIME = "vllm:request_queue_time_seconds"  # histogram
    ARRIVAL_REQUESTS = "inferfleet:arrival_requests_total"
    """Every well-formed generation request that reached the pod, refused ones included."""
    ARRIVAL_PROMPT_TOKENS = "inferfleet:arrival_prompt_tokens_total"
    """Prompt tokens of those, estimated from their size (four bytes a token): a refused prompt is never tokenized."""
    REJECTED_REQUESTS = "inferfleet:rejected_requests_total"
    SLOTS = "inferfleet:slots"
    """Gauge: how many requests decode at once."""
    CAPACITY = "inferfleet:capacity_tokens_per_second"
    """Gauge: generation tokens per second with every slot busy at the class's lengths, measured
    before the pod became Ready; 0 until then."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Source(_Frozen):
    """Where the bytes of one GGUF file come from."""

    uri: str = Field(pattern=r"^(file|https|oci)://")
    """`file:///path/m.gguf`, `https://host/m.gguf`, or `oci://registry/image:tag[#path/in/image.gguf]`."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Hex digest of the file; verified before anything loads it."""


class Quantize(_Frozen):
    """Make the served file from the fetched one."""

    type: Literal["Q8_0", "Q4_0"]


class Admission(_Frozen):
    """The bounded queue in front of the slots."""

    max_queued_tokens: int = Field(ge=1)
    """Prompt plus requested output tokens that may wait; a request over it gets 429."""


class Benchmark(_Frozen):
    """The load with which a pod measures its own capacity before it becomes Ready."""

    prompt_tokens: int = Field(ge=1)
    output_tokens: int = Field(ge=1)
    max_seconds: float = Field(gt=0, default=10.0)


class RuntimeConfig(_Frozen):
    """All that a model pod needs to know."""

    served_model_name: str
    """The `model` field of the OpenAI API, `<namespace>/<model>`; the bare name is accepted too."""
    workload_class: str
    engine: Literal["llama-cpp"]
    source: Source
    quantize: Quantize | None = None
    slots: int = Field(ge=1)
    """Requests that decode at once (continuous batching)."""
    context_tokens: int = Field(ge=64)
    """Prompt plus output tokens that one request may use; the KV cache holds slots times this."""
    prefill_chunk_tokens: int = Field(ge=1, default=512)
    """Prompt tokens processed per step, between decode steps of the others."""
    threads: int = Field(ge=1)
    admission: Admission
    benchmark: Benchmark
    drain_seconds: int = Field(ge=0)
    """After SIGTERM, how long streams that are open may go on."""

    def weights_file(self) -> PurePosixPath:
        """The file that `serve` loads."""
        return WEIGHTS_DIR / (f"{self.quantize.type}.gguf" if self.quantize else "model.gguf")
