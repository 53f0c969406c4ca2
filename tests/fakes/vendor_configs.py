"""Configurations of pods with a vendor's engine: one that says only what matters, and any."""

from typing import Any

from fakes.configs import configuration
from hypothesis import strategies as st

from inferfleet_runtime.contract import RuntimeConfig

BASE = configuration(
    servedModelName="default/demo",
    source={"uri": "hf://organization/repository"},
    slots=4,
    contextTokens=2048,
    prefillChunkTokens=512,
    threads=2,
    admission={"maxQueuedTokens": 32768},
    benchmark={"promptTokens": 16, "outputTokens": 8, "maxSeconds": 0.1},
    device={"kind": "cuda", "quantization": "BF16"},
)


def vendor_config(engine: str, **changes: Any) -> RuntimeConfig:
    """Fields by either spelling."""
    given = BASE | {"engine": engine} | {_camel(name): value for name, value in changes.items()}
    return RuntimeConfig.model_validate(given)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


QUANTIZATIONS = ("BF16", "F16", "FP8", "INT8", "INT4-AWQ", "INT4-GPTQ", "NVFP4", "MXFP4", "NF4")
_sizes = st.integers(1, 8)
_parallelism = st.fixed_dictionaries(
    {}, optional={"tensor": _sizes, "pipeline": _sizes, "data": _sizes, "expert": st.booleans()}
)
_devices = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["cuda", "rocm", "tpu", "neuron", "gaudi", "cpu"]),
        "quantization": st.sampled_from(QUANTIZATIONS),
    },
    optional={
        "parallelism": _parallelism,
        "memoryShare": st.sampled_from([0.5, 0.9, 1.0]),
        "kvCacheBytes": st.integers(1, 2**40),
    },
)
_source = st.just({"uri": "hf://organization/helper", "revision": "main"})
_speculation = st.one_of(
    st.fixed_dictionaries({"method": st.sampled_from(["NGram", "MTP"]), "tokens": st.integers(1, 16)}),
    st.fixed_dictionaries(
        {"method": st.sampled_from(["Draft", "EAGLE3", "Medusa"]), "tokens": st.integers(1, 16), "source": _source}
    ),
)
_adapters = st.lists(
    st.fixed_dictionaries({"name": st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True), "source": _source}),
    max_size=4,
    unique_by=lambda adapter: str(adapter["name"]),
)
_cache = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F16", "BF16", "Q8_0", "Q4_0", "FP8"]),
        "overflow": st.sampled_from(["Refuse", "SlideWithSinks"]),
    },
)
_switch = st.sampled_from(["On", "Off"])


def configs(engine: str) -> st.SearchStrategy[RuntimeConfig]:
    """Any configuration of an engine, sensible or not."""
    required = {
        "slots": st.integers(1, 512),
        "contextTokens": st.integers(64, 131_072),
        "prefillChunkTokens": st.integers(1, 16_384),
        "threads": st.integers(1, 192),
        "drainSeconds": st.integers(0, 3600),
        "device": _devices,
        "servedModelName": st.sampled_from(["default/demo", "team-a/llama-3.1-8b"]),
    }
    optional = {
        "modality": st.sampled_from(["Text", "Embedding", "Image"]),
        "kvCache": _cache,
        "prefixCache": _switch,
        "chunkedPrefill": _switch,
        "speculation": _speculation,
        "adapters": _adapters,
    }
    drawn = st.fixed_dictionaries(required, optional=optional)
    return drawn.map(lambda changes: RuntimeConfig.model_validate(BASE | {"engine": engine} | changes))
