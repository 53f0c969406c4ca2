"""The engine's own process: `python -m inferfleet_runtime.hosts.llama.server SETTINGS`. Internal.

Loading holds Python's global lock for seconds and a failed assertion in the engine ends its process;
here neither touches the server in front of it. Reads SETTINGS (JSON of `ServerSettings`), writes one
line of JSON with its address on standard output when it has loaded, and ends when its standard input
does: so it never outlives the process that started it, however that ended. Until then it writes a line
that begins with TOLD whenever it proposes more or fewer tokens than before.
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from inferfleet_runtime.engines.llama_cpp import ServerSettings, SpeculationSettings
from inferfleet_runtime.gguf_header import read_header
from inferfleet_runtime.hosts.llama.speculation import TOLD, State
from inferfleet_runtime.hosts.llama.steering import LAYOUT, Steering

_ERRORS = 1
"""llama.cpp's verbosity. Warnings (2) include two lines for each request that hits the prefix cache."""
_NGRAM = 3
"""Tokens that must be the same as earlier ones before what followed those is proposed."""


def _library() -> Any:
    import xllamacpp  # noqa: PLC0415 - large, and untyped: its names exist only in the compiled module

    return xllamacpp


def params(settings: ServerSettings) -> Any:
    """xllamacpp's parameters; what its defaults leave to the machine is set."""
    library = _library()
    p = library.CommonParams()
    p.model.path = settings.model
    p.model_alias = {settings.alias}
    p.port = 0
    p.n_ctx, p.n_parallel = settings.context_tokens, settings.slots
    p.n_batch = p.n_ubatch = settings.batch_tokens
    # both: the second is used for batches and else defaults to every core of the node
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = settings.threads
    p.n_threads_http = settings.http_threads
    # mapped weights would count twice in the pod's memory where the engine repacks them (Q4_0, Q8_0)
    p.load_mode = library.llama_load_mode.LLAMA_LOAD_MODE_NONE
    p.fit_params = False  # would shrink the context to what it believes is free memory
    p.cache_ram_mib = 0  # defaults to 8 GiB of old prompts, outside every memory request
    p.cache_idle_slots = False
    p.n_ctx_checkpoints = 0
    p.endpoint_metrics = True
    p.ui = False
    p.verbosity = _ERRORS
    _set_cache(p, settings, library)
    if settings.embedding:
        p.embedding, p.pooling_type = True, _pooling(settings.model, library)
    if settings.speculation:
        _set_speculation(p, settings, settings.speculation, library)
    p.lora_adapters = [library.CommonAdapterLoraInfo(path, 0.0) for path in settings.adapters]
    return p


def _set_cache(p: Any, settings: ServerSettings, library: Any) -> None:
    if settings.kv_type != "F16":
        p.cache_type_k = p.cache_type_v = getattr(library.ggml_type, f"GGML_TYPE_{settings.kv_type}")
        # without it values cannot be quantized, and `auto` may decide against it
        p.flash_attn_type = library.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
    p.cache_prompt = settings.prefix_cache
    p.slot_save_path = settings.save_path
    if settings.sinks is not None:
        p.ctx_shift, p.n_keep = True, settings.sinks


def _set_speculation(p: Any, settings: ServerSettings, asked: SpeculationSettings, library: Any) -> None:
    known = library.common_speculative_type
    p.speculative.types = [getattr(known, f"COMMON_SPECULATIVE_TYPE_{name}") for name in asked.types]
    draft = p.speculative.draft
    draft.n_max = asked.tokens
    draft.mparams.path = asked.draft
    draft.cpuparams.n_threads = draft.cpuparams_batch.n_threads = settings.threads
    # it proposes nothing shorter than what it looks up; what is beyond the wanted tokens is cut off
    p.speculative.ngram_simple.size_n, p.speculative.ngram_simple.size_m = _NGRAM, max(_NGRAM, asked.tokens)
    p.load_mtp = "DRAFT_MTP" in asked.types


def _pooling(model: str, library: Any) -> Any:
    """What the file says of how token vectors become one; a file that says nothing gets their mean."""
    says = read_header(Path(model)).of_architecture("pooling_type") is not None
    known = library.llama_pooling_type
    return known.LLAMA_POOLING_TYPE_UNSPECIFIED if says else known.LLAMA_POOLING_TYPE_MEAN


def _steering(settings: ServerSettings) -> Steering | None:
    """What decides how much is drafted; None where nothing drafts, or where it cannot be steered."""
    asked = settings.speculation
    if asked is None:
        return None
    library = _library()
    try:
        if library.__version__ != LAYOUT:
            raise LookupError(f"it is of version {library.__version__}, and known of {LAYOUT}")
        return Steering(library.xllamacpp.__file__, settings.slots, asked.tokens, time.monotonic, _tell)
    except LookupError as error:
        print(f"this build of llama.cpp cannot be told how much to draft: it will not draft: {error}", file=sys.stderr)  # noqa: T201
        return None


def _tell(state: State) -> None:
    said = {"on": state.on, "tokens": state.tokens, "why": state.why}
    print(TOLD + json.dumps(said), flush=True)  # noqa: T201 - to the process that started this one


def main() -> int:
    """Serve until standard input ends."""
    raw = json.loads(sys.argv[1])
    if raw.get("speculation"):
        raw["speculation"] = SpeculationSettings(**raw["speculation"])
    settings = ServerSettings(**raw)
    steering = _steering(settings)
    if steering is None:
        settings = replace(settings, speculation=None)
    try:
        server = _library().Server(params(settings))
    except RuntimeError as error:
        # the reason is what llama.cpp has written to standard error just before
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    if steering:
        # not before: the engine loads in a thread of its own while this one holds Python's global lock
        steering.take(draft_model=settings.speculation is not None and "DRAFT_SIMPLE" in settings.speculation.types)
    hello = {"address": server.listening_address, "drafts": steering is not None}
    print(json.dumps(hello), flush=True)  # noqa: T201 - the handshake
    sys.stdin.buffer.read()
    if steering:
        steering.leave()
    return 0


if __name__ == "__main__":
    sys.exit(main())
