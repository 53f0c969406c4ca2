"""The engine's own process: `python -m inferfleet_runtime.hosts.llama_server SETTINGS`. Internal.

Loading holds Python's global lock for seconds and a failed assertion in the engine ends its process;
here neither touches the server in front of it. Reads SETTINGS (JSON of `ServerSettings`), writes one
line of JSON with its address on standard output when it has loaded, and ends when its standard input
does: so it never outlives the process that started it, however that ended.
"""

import json
import sys
from typing import Any

from inferfleet_runtime.engines.llama_cpp import ServerSettings

_ERRORS = 1
"""llama.cpp's verbosity. Warnings (2) include two lines for each request that hits the prefix cache."""


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
    return p


def main() -> int:
    """Serve until standard input ends."""
    settings = ServerSettings(**json.loads(sys.argv[1]))
    try:
        server = _library().Server(params(settings))
    except RuntimeError as error:
        # the reason is what llama.cpp has written to standard error just before
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps({"address": server.listening_address}), flush=True)  # noqa: T201 - the handshake
    sys.stdin.buffer.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
