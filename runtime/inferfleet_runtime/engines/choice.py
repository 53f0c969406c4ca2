"""Which of the bundled text engines serves, decided when a pod starts. Pure.

llama.cpp runs everywhere, reads every architecture and is the faster one for a single stream. openvino-genai is
two to three times as fast where several requests decode at once on a processor with AVX-512 or AMX, and reads three
families of models. Where both may serve, the second does if all of that holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.engines import openvino_genai
from inferfleet_runtime.engines.llama_cpp import LLAMA_CPP
from inferfleet_runtime.engines.openvino_genai import OPENVINO_GENAI
from inferfleet_runtime.errors import CommandError

ENOUGH_SLOTS = 4
"""From so many requests at once on, arithmetic decides, not memory."""
_X86 = ("x86_64", "AMD64")
_WIDE = frozenset({"avx512f", "amx_tile"})
MODULES: Mapping[str, str] = MappingProxyType({LLAMA_CPP.name: "xllamacpp", OPENVINO_GENAI.name: "openvino_genai"})
"""The Python package of each engine that this module chooses from."""


@dataclass(frozen=True)
class Here:
    """What is known of this pod."""

    machine: str
    """As `platform.machine()` names it: x86_64, aarch64."""
    cpu_flags: frozenset[str]
    """Of /proc/cpuinfo."""
    available: frozenset[str]
    """Engines whose package is installed."""
    memory_bytes: int | None
    """What this container may use; None: no limit."""


@dataclass(frozen=True)
class File:
    """What is known of the model, from the head of its GGUF file."""

    architecture: str
    tokenizer: str
    file_type: int | None
    """`general.file_type`: the quantization as llama.cpp numbers it."""
    tensor_types: frozenset[str]
    bytes: int
    kv_elements_per_token: int
    """Of keys and values, in all layers."""


@dataclass(frozen=True)
class Choice:
    """The engine that serves."""

    engine: str
    reason: str
    """One sentence for the log."""


def choose(config: RuntimeConfig, here: Here, file: File) -> Choice:
    """The engine among `config.engine` and `config.may_use`. Raises CommandError where none of them can serve."""
    allowed = [name for name in (config.engine, *(config.may_use or ())) if name in MODULES]
    obstacles = {name: _obstacle(name, config, here, file) for name in allowed}
    able = [name for name in allowed if not obstacles[name]]
    if not able:
        raise CommandError("; ".join(f"{name} cannot serve this model here: {why}" for name, why in obstacles.items()))
    if len(able) == 1:
        others = [f"{name} cannot: {why}" for name, why in obstacles.items() if why]
        return Choice(able[0], "; ".join(others) or "no other engine may serve")
    against = _slower(config, here)
    if against:
        return Choice(LLAMA_CPP.name, against)
    return Choice(OPENVINO_GENAI.name, f"{config.slots} requests at once on a processor with AVX-512 or AMX")


def _obstacle(name: str, config: RuntimeConfig, here: Here, file: File) -> str:
    """Why an engine cannot serve, in a few words; empty if it can."""
    if name not in here.available:
        return f"the package {MODULES[name]} is not installed in this image"
    if name == OPENVINO_GENAI.name:
        return _openvino_obstacle(config, here, file)
    return ""


def _openvino_obstacle(config: RuntimeConfig, here: Here, file: File) -> str:
    known = ", ".join(sorted(openvino_genai.ARCHITECTURES))
    unread, lacking = file.tensor_types - openvino_genai.TENSOR_TYPES, openvino_genai.lacks(config)
    obstacles = {
        f"it has no build for {here.machine}": here.machine not in _X86,
        f"it reads {known}, not {file.architecture}": file.architecture not in openvino_genai.ARCHITECTURES,
        f"it does not read the tokenizer {file.tokenizer}": file.tokenizer not in openvino_genai.TOKENIZERS,
        f"it does not read general.file_type {file.file_type}": file.file_type not in openvino_genai.FILE_TYPES,
        f"it does not read tensors in {', '.join(sorted(unread))}": bool(unread),
        f"it lacks {lacking}": bool(lacking),
    }
    return next((why for why, found in obstacles.items() if found), "") or _no_room(config, here, file)


def _no_room(config: RuntimeConfig, here: Here, file: File) -> str:
    need = openvino_genai.memory_bytes(config, file.bytes, file.kv_elements_per_token)
    if here.memory_bytes is None or need <= here.memory_bytes:
        return ""
    return f"it needs {need / 2**30:.1f} GiB for this model, and the container has {here.memory_bytes / 2**30:.1f} GiB"


def _slower(config: RuntimeConfig, here: Here) -> str:
    """Why openvino-genai would be no gain; empty if it is one."""
    if config.slots < ENOUGH_SLOTS:
        return f"openvino-genai pays from {ENOUGH_SLOTS} requests at once on, here are at most {config.slots}"
    if not here.cpu_flags & _WIDE:
        return "openvino-genai pays on a processor with AVX-512 or AMX, and this one has neither"
    if config.speculation and config.speculation.method == "NGram":
        return "openvino-genai cannot tell whether n-grams pay, and would propose them though they do not"
    if config.requests and config.requests.trusted_headers and config.prefix_cache != "Off":
        return "openvino-genai cannot keep the cached prefixes of tenants apart"
    return ""
