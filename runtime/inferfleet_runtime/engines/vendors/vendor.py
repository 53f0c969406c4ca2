"""A vendor's serving engine: the shape that all of them are described in. Pure; knows no engine.

Such an engine runs unmodified in its own image. What is rendered from a `RuntimeConfig` is its container: command,
environment, and the files that it wants mounted. Every one is told to serve on `contract.PORT`, so that Services and
policies need not know which engine it is.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal, get_args

from inferfleet_runtime.contract import MODEL_DIR, WEIGHTS_DIR, Device, RuntimeConfig
from inferfleet_runtime.engines.metric_names import Names

Method = Literal["Draft", "EAGLE3", "Medusa", "MTP", "NGram"]
ALL_METHODS: frozenset[Method] = frozenset(get_args(Method))
Kind = Literal["cuda", "rocm", "tpu", "neuron", "gaudi", "cpu"]

DRAFT_DIR = WEIGHTS_DIR / "draft"
"""Where the files of a speculator lie, which are a directory for these engines."""
ADAPTERS_DIR = WEIGHTS_DIR / "adapters"
"""One directory for each LoRA adapter, named after it."""
FILES_DIR = PurePosixPath("/etc/inferfleet/engine")
"""Where `Container.files` are mounted, read-only."""
SCRATCH_DIR = PurePosixPath("/tmp")  # noqa: S108 - an emptyDir of the pod
"""Writable; the home directory of a user without one."""


class UnsupportedError(ValueError):
    """What the configuration asks for the engine does not have. The message names the engine and the field."""


@dataclass(frozen=True)
class Container:
    """What the pod's engine container is to be."""

    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """Path below `FILES_DIR` to content."""


@dataclass(frozen=True)
class VendorEngine:
    """The facts of one engine. `versions` says of which release they were read."""

    name: str
    title: str
    version: str
    images: Mapping[Kind, str]
    """Devices that it has a build for; `{arch}` stands for x86_64 or arm64."""
    series: Names
    """By the names of `contract.Metric`."""
    render: Callable[[RuntimeConfig], Container]
    """Raises UnsupportedError."""
    modalities: tuple[str, ...] = ("Text",)
    """What this release sets it up for."""
    shape: Literal["Beside", "External"] = "Beside"
    metrics_path: str = "/metrics"
    metrics_port: int | None = None
    """None: the API's."""
    startup_seconds: Mapping[Kind, float] = field(default_factory=dict)
    """From start to the first answer, compilation included; a bound, not a typical time."""
    speculation: Mapping[Kind, frozenset[Method]] = field(default_factory=dict)
    load_adapter_path: str | None = None
    """Takes `{"lora_name": ..., "lora_path": ...}`; None: adapters are given on the command line, or there are none."""
    takes_token_ids: bool = True
    """Whether `/v1/completions` takes a prompt of token ids."""
    named: bool = True
    """Whether `/v1/models` says the name that was given; else the model cannot be told from another."""
    lacks: tuple[str, ...] = ()
    """What no setting brings."""


def require(condition: bool, engine: str, message: str) -> None:
    """Raise UnsupportedError unless `condition`."""
    if not condition:
        raise UnsupportedError(f"{engine} {message}")


def device_of(config: RuntimeConfig, engine: "VendorEngine") -> Device:
    """The device, which must be one that the engine has a build for."""
    require(config.device is not None, engine.name, "needs `device`: what it runs on")
    assert config.device
    known = ", ".join(sorted(engine.images))
    require(
        config.device.kind in engine.images, engine.name, f"does not run on {config.device.kind}; it does on {known}"
    )
    return config.device


def check(config: RuntimeConfig, engine: "VendorEngine") -> Device:
    """What holds of every vendor's engine. Raises UnsupportedError."""
    device = device_of(config, engine)
    modality = config.modality or "Text"
    here = " and ".join(engine.modalities)
    require(modality in engine.modalities, engine.name, f"serves {here} here, not {modality}")
    require(config.quantize is None, engine.name, "serves checkpoints as they are (quantize)")
    kv_cache = config.kv_cache
    require(
        kv_cache is None or kv_cache.overflow == "Refuse",
        engine.name,
        "has no window that slides with attention sinks (kvCache.overflow)",
    )
    if config.speculation:
        method, known = config.speculation.method, engine.speculation.get(device.kind, frozenset())
        words = ", ".join(sorted(known)) or "none"
        require(method in known, engine.name, f"has no speculation by {method} on {device.kind}; it has {words}")
    return device


def bare_name(config: RuntimeConfig) -> str:
    """The served model's name without its namespace."""
    return config.served_model_name.rpartition("/")[2]


def names_of(config: RuntimeConfig) -> tuple[str, ...]:
    """All names that requests may give the model, the canonical one first."""
    return tuple(dict.fromkeys((config.served_model_name, bare_name(config))))


def adapter_dir(name: str) -> PurePosixPath:
    """Where the files of an adapter lie."""
    return ADAPTERS_DIR / name


def adapter_paths(config: RuntimeConfig) -> tuple[str, ...]:
    """Of every adapter, as several engines read them: its name and where its files lie."""
    return tuple(f"{adapter.name}={adapter_dir(adapter.name)}" for adapter in config.adapters or ())


def cache_dtype(config: RuntimeConfig, engine: str, known: Mapping[str, Any]) -> Any:
    """The engine's word for the number format of the KV cache; None leaves the model's own. Raises UnsupportedError."""
    asked = config.kv_cache.dtype if config.kv_cache else None
    require(asked is None or asked in known, engine, f"has no KV cache in {asked} (kvCache.dtype)")
    return known.get(asked or "")


def refuse_cache_dtype(config: RuntimeConfig, engine: str) -> None:
    """Raise UnsupportedError where a number format of the KV cache is asked for: the engine has none to choose."""
    cache_dtype(config, engine, {})


def step_tokens(config: RuntimeConfig) -> int:
    """Tokens of one engine step: a chunk of a prompt beside one token of every running request."""
    if config.chunked_prefill == "Off":
        return max(config.context_tokens, config.slots)
    return config.prefill_chunk_tokens + config.slots


def options(given: Mapping[str, Any]) -> tuple[str, ...]:
    """A command line: None and False leave the option out, True gives it without a value, tuples repeat values."""
    found: list[str] = []
    for flag, value in given.items():
        if value is None or value is False:
            continue
        found.append(flag)
        if isinstance(value, tuple):
            found += map(str, value)
        elif value is not True:
            found.append(value if isinstance(value, str) else compact(value))
    return tuple(found)


def compact(value: Any) -> str:
    """JSON without spaces: one argument."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def more_than_one(number: int) -> int | None:
    """One is what every engine does unasked."""
    return number if number > 1 else None


def homeless() -> dict[str, str]:
    """Environment of a user without name and home: caches go where the pod may write, lookups of the user succeed."""
    home = str(SCRATCH_DIR / "home")
    return {"HOME": home, "USER": "inferfleet", "XDG_CACHE_HOME": f"{home}/.cache", "HF_HUB_OFFLINE": "1"}


__all__ = ["MODEL_DIR", "Container", "UnsupportedError", "VendorEngine"]
