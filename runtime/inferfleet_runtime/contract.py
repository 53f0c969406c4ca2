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
MODEL_DIR = WEIGHTS_DIR / "model"
"""Where the files of a whole repository lie, for engines that want one (`EngineProfile.wants`)."""
RESULTS_DIR = WEIGHTS_DIR / "results"
"""Where `serve` keeps finished videos."""
DRAFT_FILE = WEIGHTS_DIR / "draft.gguf"
"""Weights of the speculator, where it has some."""
CACHE_DIR = PurePosixPath("/var/lib/inferfleet/cache")
"""Where the node's cache of model files is mounted, if it has one; shared by the pods of a node."""
LEASES_DIR = PurePosixPath("/var/lib/inferfleet/leases")
"""The part of that cache in which `serve` says that it uses a file, so that no other pod evicts it; writable."""
CACHE_BYTES = "INFERFLEET_CACHE_BYTES"
"""Variable of `fetch`: what the node's cache may hold in all; absent: no bound but the disk."""
CREDENTIALS_DIR = PurePosixPath("/var/run/secrets/inferfleet/credentials")
"""One folder for each source with credentials; only `fetch` sees it. Its file `credential` holds what the Model's
key of the Secret holds; of AWS keys there are `accessKeyId`, `secretAccessKey` and, if temporary, `sessionToken`."""
CAPACITY_PATH = PurePosixPath("/etc/inferfleet/capacity.json")
"""A `KnownCapacity`, where somebody has measured this content before; beside the configuration, not part of it."""
PORT = 8000
"""The one port of a model pod: OpenAI API, health and metrics."""
SIDECAR_PORT = 8090
"""Beside a vendor's engine: health, metrics under vLLM's names, and drain; never a token."""

HEADER_TENANT = "X-Inferfleet-Tenant"
"""Whose request it is; believed where `Requests.trusted_headers` says that a gateway sets it."""
HEADER_PRIORITY = "X-Inferfleet-Priority"
"""A whole number; higher is served first, and lower than the class's own may wait. Believed as the tenant is."""
HEADER_TIMEOUT = "X-Inferfleet-Timeout"
"""Seconds from its arrival after which nobody waits for the answer any more; any client may set it."""

READY_PATH = "/health/ready"
LIVE_PATH = "/health/live"
METRICS_PATH = "/metrics"
STARTED_PATH = "/health/started"
"""Of the sidecar: whether the engine beside it has generated a token."""
SIDECAR_PATH = "/health/sidecar"
"""Of the sidecar: about itself, whatever the engine does."""
DRAIN_PATH = "/drain"
"""Of the sidecar: answers when no request is open any more, or the drain's time is over."""


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
    REQUEST_TPOT = "vllm:request_time_per_output_token_seconds"
    """Histogram: of each finished request the mean time between its tokens, which is what a target is about."""
    E2E_LATENCY = "vllm:e2e_request_latency_seconds"  # histogram
    QUEUE_TIME = "vllm:request_queue_time_seconds"  # histogram
    INFERENCE_TIME = "vllm:request_inference_time_seconds"
    """Histogram: of each finished request the time in which it held a slot. What makes one thing after the other
    (pictures, videos, transcripts) is busy as long as these together."""
    PREFIX_CACHE_QUERIES = "vllm:prefix_cache_queries_total"
    """Prompt tokens of requests that have ended; what follows counts some of them."""
    PREFIX_CACHE_HITS = "vllm:prefix_cache_hits_total"
    KV_CACHE_TOKENS = "inferfleet:kv_cache_tokens"
    """Gauge: how many tokens the KV cache holds; 0 or absent where nobody knows, and where there is none."""
    DRAFT_TOKENS = "vllm:spec_decode_num_draft_tokens_total"
    """Proposed tokens of requests that have ended; only where the pod speculates, like what follows."""
    ACCEPTED_TOKENS = "vllm:spec_decode_num_accepted_tokens_total"
    SPECULATION_SECONDS = "inferfleet:speculation_seconds_total"
    """Seconds in which tokens were proposed: it is switched off while it does not pay."""
    ARRIVAL_REQUESTS = "inferfleet:arrival_requests_total"
    """Every well-formed generation request that reached the pod, refused ones included."""
    ARRIVAL_PROMPT_TOKENS = "inferfleet:arrival_prompt_tokens_total"
    """Prompt tokens of those, estimated from their size (four bytes a token), since a refused prompt is never
    tokenized; raised when an answer says that there were more, so that it does not lag behind what was done."""
    ARRIVAL_WORK_SECONDS = "inferfleet:arrival_work_seconds_total"
    """Seconds of the engine that arrivals ask for, refused ones included: by their size, and by what the engine has
    taken for others; without those that may wait. Only of what makes one thing after the other, like what follows."""
    QUEUED_WORK_SECONDS = "inferfleet:queued_work_seconds"
    """Gauge: the same of what waits, without the one that is being made."""
    LATER_ARRIVAL_REQUESTS = "inferfleet:later_arrival_requests_total"
    """Of the arrivals those that may wait: of a lower priority than the class's, or with OpenAI's `service_tier: flex`.
    They go after the others and are in no histogram of times. Their tokens, and those below, are also in the totals."""
    LATER_ARRIVAL_PROMPT_TOKENS = "inferfleet:later_arrival_prompt_tokens_total"
    LATER_FINISHED_REQUESTS = "inferfleet:later_finished_requests_total"
    LATER_FINISHED_TOKENS = "inferfleet:later_finished_generation_tokens_total"
    """Tokens generated for those that ended well."""
    LATER_WAITING = "inferfleet:later_requests_waiting"
    """Gauge: of the requests in the queue those that may wait."""
    REJECTED_REQUESTS = "inferfleet:rejected_requests_total"
    TENANT_PROMPT_TOKENS = "inferfleet:tenant_prompt_tokens_total"
    """By tenant, where a gateway names it; of the first 200 tenants, the others together as `other`."""
    TENANT_GENERATION_TOKENS = "inferfleet:tenant_generation_tokens_total"
    SLOTS = "inferfleet:slots"
    """Gauge: how many requests decode at once."""
    CAPACITY = "inferfleet:capacity_tokens_per_second"
    """Gauge: generation tokens per second (prompt tokens of what embeds; a picture or video such as is usual in the
    class counts as one token) with every slot busy at the class's lengths, measured before the pod became Ready; 0
    until then."""
    FETCH_BYTES = "inferfleet:fetch_bytes"
    """Gauge, only while `fetch` runs: bytes of the model's files that are there."""
    FETCH_TOTAL_BYTES = "inferfleet:fetch_total_bytes"
    """Gauge, only while `fetch` runs: bytes that there will be, as far as is known."""
    IMAGES = "inferfleet:images_total"
    VIDEO_SECONDS = "inferfleet:video_seconds_total"
    DIFFUSION_STEPS = "inferfleet:diffusion_steps_total"
    AUDIO_SECONDS = "inferfleet:audio_seconds_total"
    VIDEOS_STORED_BYTES = "inferfleet:videos_stored_bytes"
    """Gauge: of the finished videos that the pod keeps."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Source(_Frozen):
    """Where the bytes of one GGUF file come from."""

    uri: str = Field(pattern=r"^(file|https|oci|hf|s3|gs)://")
    """`file:///path/m.gguf`, `https://host/m.gguf`, `oci://registry/image:tag[#path/in/image.gguf]`,
    `hf://organization/repository[/path]`, `s3://bucket/key` or `gs://bucket/key`."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Hex digest of the file; verified before anything loads it."""
    revision: str | None = None
    """Of an `hf://` repository: a commit, tag or branch."""
    credentials: str | None = None
    """Folder below `CREDENTIALS_DIR` with what the source asks for."""


class Quantize(_Frozen):
    """Make the served file from the fetched one."""

    type: str = Field(pattern=r"^[A-Z0-9_]+$")
    """A type of `engines.llama_cpp.LLAMA_CPP.quantizes_to`."""


class KvCache(_Frozen):
    """How keys and values of past tokens are held."""

    dtype: Literal["F16", "BF16", "Q8_0", "Q4_0", "FP8"] | None = None
    """None: the engine's default."""
    overflow: Literal["Refuse", "SlideWithSinks"] = "Refuse"
    """What becomes of a request that outgrows its context: an error, or the first tokens and the latest are kept
    (attention sinks: Xiao et al., Efficient Streaming Language Models with Attention Sinks, 2023)."""


class Speculation(_Frozen):
    """Propose several tokens and verify them in one step."""

    method: Literal["Draft", "EAGLE3", "Medusa", "MTP", "NGram"]
    source: Source | None = None
    """Of the speculator's weights; NGram and MTP have none of their own."""
    tokens: int = Field(ge=1, le=16, default=4)
    """At most proposed for one step; with llama.cpp as many of them as pay by what is measured. Where one costs half a
    step, the fourth pays if five of six first ones are accepted (0.84 to the power of 4)."""


class Adapter(_Frozen):
    """A LoRA adapter, served under a model name of its own: `<served model name>:<name>` or `<name>`."""

    name: str
    source: Source


class Requests(_Frozen):
    """What requests may say about themselves, and what holds where they say nothing."""

    trusted_headers: bool = False
    """Whether a gateway in front sets tenant and priority, and drops what clients send under these names."""
    priority: int = 0
    """Of the class; higher is served first."""
    deadline_seconds: float | None = Field(gt=0, default=None)
    """After it an answer is worth nothing: a request that cannot begin before is dropped."""


class Parallelism(_Frozen):
    """Over how many devices one replica is spread."""

    tensor: int = Field(ge=1, default=1)
    pipeline: int = Field(ge=1, default=1)
    data: int = Field(ge=1, default=1)
    expert: bool = False


class Device(_Frozen):
    """What a vendor's engine runs on."""

    kind: Literal["cuda", "rocm", "tpu", "neuron", "gaudi", "cpu"]
    quantization: str
    """Of the weights, as the catalog names it: BF16, FP8, INT4-AWQ, ..."""
    parallelism: Parallelism = Parallelism()
    memory_share: float | None = Field(gt=0, le=1, default=None)
    """Of the device's memory that the engine may use; None: its default."""
    kv_cache_bytes: int | None = Field(ge=1, default=None)
    """What its KV cache may take, for an engine that sets it aside at its start; None: its default."""


class KnownCapacity(_Frozen):
    """What replicas of this very content have measured before: no pod measures it again."""

    tokens_per_second: float = Field(gt=0)
    """As `Metric.CAPACITY` counts them."""
    slots: int = Field(ge=1)


class Admission(_Frozen):
    """The bounded queue in front of the slots."""

    max_queued_tokens: int = Field(ge=1)
    """Prompt plus requested output tokens that may wait; a request over it gets 429."""


class Benchmark(_Frozen):
    """The load with which a pod measures its own capacity before it becomes Ready."""

    prompt_tokens: int = Field(ge=1)
    output_tokens: int = Field(ge=1)
    max_seconds: float = Field(gt=0, default=10.0)


class Media(_Frozen):
    """What one request for pictures, videos or transcription usually asks for; four times as much is refused."""

    width: int | None = Field(ge=1, default=None)
    """Pixels. None, here and below: as the model's authors have it."""
    height: int | None = Field(ge=1, default=None)
    frames: int | None = Field(ge=1, default=None)
    """Of a video."""
    steps: int | None = Field(ge=1, default=None)
    """Denoising steps."""
    frames_per_second: float | None = Field(gt=0, default=None)
    seconds: float | None = Field(gt=0, default=None)
    """Of sound; of it 25 minutes are never refused."""


class RuntimeConfig(_Frozen):
    """All that a model pod needs to know."""

    served_model_name: str
    """The `model` field of the OpenAI API, `<namespace>/<model>`; the bare name is accepted too."""
    workload_class: str
    engine: str = Field(pattern=r"^[a-z0-9-]+$")
    """A key of `engines.ENGINES`."""
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
    may_use: tuple[str, ...] | None = None
    """Bundled engines that may serve instead of `engine` where processor, architecture and slots favour them."""
    modality: Literal["Text", "Embedding", "Image", "Video", "Audio"] | None = None
    """None: Text."""
    media: Media | None = None
    """Of modality Image, Video and Audio."""
    kv_cache: KvCache | None = None
    prefix_cache: Literal["On", "Off"] | None = None
    """None: on where the engine has one."""
    chunked_prefill: Literal["On", "Off"] | None = None
    speculation: Speculation | None = None
    adapters: tuple[Adapter, ...] | None = None
    requests: Requests | None = None
    device: Device | None = None
    """Of a vendor's engine; a bundled one runs on the CPU."""

    def weights_file(self) -> PurePosixPath:
        """The file that `serve` loads; an engine that wants a directory has `MODEL_DIR` instead."""
        return WEIGHTS_DIR / (f"{self.quantize.type}.gguf" if self.quantize else "model.gguf")

    def adapter_file(self, name: str) -> PurePosixPath:
        """Where the adapter of that name lies."""
        return WEIGHTS_DIR / "adapters" / f"{name}.gguf"
