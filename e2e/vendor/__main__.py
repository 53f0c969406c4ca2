"""`python -m e2e.vendor serve MODEL ...`: the stand-in's process.

At SIGTERM it cuts every stream at once, as vLLM does unless told otherwise: whoever wants to lose none must have
waited before. Environment: STAND_IN_FAULTS, STAND_IN_LOAD_SECONDS (1), STAND_IN_TOKENS_PER_SECOND of a request (50).
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from e2e.vendor.engine import FAULTS, Engine
from e2e.vendor.http import serve
from e2e.vendor.options import parse


async def run(words: list[str]) -> None:
    """Load, serve, end at SIGTERM."""
    options = parse(words)
    folder = Path(options.model_tag)
    if not folder.is_dir() or not any(folder.iterdir()):
        sys.exit(f"OSError: {folder} does not hold a model")
    faults = {name for name in os.environ.get("STAND_IN_FAULTS", "").split(",") if name}
    if unknown := faults - set(FAULTS):
        sys.exit(f"STAND_IN_FAULTS: there is no {', '.join(sorted(unknown))}")
    rate = float(os.environ.get("STAND_IN_TOKENS_PER_SECOND", "50"))
    allowed = os.environ.get("VLLM_ALLOW_RUNTIME_LORA_UPDATING") == "True"
    engine = Engine(options, 1 / rate, allowed, faults)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    loading = asyncio.create_task(_load(engine))
    if "lying-health" not in faults:
        await loading  # nothing listens before
    await serve(options.host, options.port, engine.handle)
    print(f"stand-in: listening on {options.port}", file=sys.stderr, flush=True)
    await stop.wait()


async def _load(engine: Engine) -> None:
    await asyncio.sleep(float(os.environ.get("STAND_IN_LOAD_SECONDS", "1")))
    engine.loaded = True


asyncio.run(run(sys.argv[1:]))
