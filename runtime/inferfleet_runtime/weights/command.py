"""`inferfleet-runtime fetch`: the composition root of bringing files. Reads sources; writes the pod's weights."""

import json
import logging
import secrets
import socket
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path, PurePosixPath

from inferfleet_runtime import contract
from inferfleet_runtime.config import Paths
from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.weights import lease
from inferfleet_runtime.weights.cache import Cache, opened
from inferfleet_runtime.weights.fetch import World, fetch
from inferfleet_runtime.weights.notes import wanted
from inferfleet_runtime.weights.progress import Progress, exposed
from inferfleet_runtime.weights.sources.http_client import Clock, Http
from inferfleet_runtime.weights.store import Store

log = logging.getLogger(__name__)

_LAST_WORDS = PurePosixPath("/dev/termination-log")
"""What Kubernetes shows as the message of a container that ended."""


def run(config: RuntimeConfig, paths: Paths, env: Mapping[str, str], clock: Clock, port: int) -> None:
    """Bring the model, the speculator's weights and the adapters; answer scrapes meanwhile. Raises CommandError."""
    paths.weights.mkdir(parents=True, exist_ok=True)
    progress = Progress(config.served_model_name)
    cache = _cache(env, paths, clock)
    world = World(paths, Store(Http(clock), progress, cache), env, config.source.uri)
    began = clock.now()
    # the first file must not be evicted while hours go by with the last
    with exposed(progress, port), lease.renewed(paths) if cache else nullcontext():
        for item in wanted(config, paths):
            fetch(item, world)
    there, _ = progress.bytes()
    _say(paths.at(_LAST_WORDS), {"bytes": there, "seconds": round(clock.now() - began, 1)})


def _cache(env: Mapping[str, str], paths: Paths, clock: Clock) -> Cache | None:
    root = paths.at(contract.CACHE_DIR)
    if not root.is_dir():
        return None
    bound = env.get(contract.CACHE_BYTES)
    holder = lease.named(paths, f"{socket.gethostname()}-{secrets.token_hex(4)}")
    return opened(root, holder, int(bound) if bound else None, clock)


def _say(file: Path, words: dict[str, float]) -> None:
    if not file.exists():
        return
    try:
        file.write_text(json.dumps(words), encoding="utf-8")
    except OSError as error:
        log.info("the last words cannot be left", extra={"reason": str(error)})
