"""Which engine serves this pod's model. Reads the processor, the container's limit and the head of the model."""

import platform
from importlib.util import find_spec
from pathlib import Path

from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.engines import cpu
from inferfleet_runtime.engines.choice import MODULES, Choice, File, Here, choose
from inferfleet_runtime.engines.llama_cpp import LLAMA_CPP
from inferfleet_runtime.gguf_header import Header, read_header

_CPUINFO = Path("/proc/cpuinfo")
_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")


def available_engines() -> frozenset[str]:
    """Those that this module knows and whose package is installed; none is imported."""
    return frozenset(name for name, module in MODULES.items() if find_spec(module))


def select(config: RuntimeConfig, model: Path) -> Choice:
    """The engine, and why. Raises CommandError where none can serve, or where `model` is no GGUF file."""
    if config.engine == LLAMA_CPP.name and not config.may_use:
        return Choice(LLAMA_CPP.name, "no other engine may serve")  # and it says best what is wrong with a file
    return choose(config, here(), file(model))


def here(cpuinfo: Path = _CPUINFO, memory_limit: Path = _MEMORY_LIMIT) -> Here:
    """This pod."""
    flags = cpu.flags(cpuinfo.read_text(encoding="utf-8")) if cpuinfo.is_file() else frozenset[str]()
    limit = memory_limit.read_text(encoding="utf-8").strip() if memory_limit.is_file() else "max"
    return Here(
        machine=platform.machine(),
        cpu_flags=flags,
        available=available_engines(),
        memory_bytes=int(limit) if limit.isdecimal() else None,
    )


def file(model: Path) -> File:
    """What the choice must know of a model. Raises CommandError."""
    header = read_header(model)
    return File(
        architecture=str(header.metadata.get("general.architecture")),
        tokenizer=str(header.metadata.get("tokenizer.ggml.model")),
        file_type=header.metadata.get("general.file_type"),
        tensor_types=header.tensor_types,
        bytes=model.stat().st_size,
        kv_elements_per_token=_kv_elements(header),
    )


def _kv_elements(header: Header) -> int:
    """0 where the file does not say."""
    heads = header.of_architecture("attention.head_count") or 1
    kv_heads = header.of_architecture("attention.head_count_kv") or heads
    width = header.of_architecture("attention.key_length") or (header.of_architecture("embedding_length") or 0) // heads
    return 2 * int((header.of_architecture("block_count") or 0) * kv_heads * width)
