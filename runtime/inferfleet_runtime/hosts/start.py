"""From a configuration to a running engine. The one place that knows all bundled engines of text."""

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.engines.openvino_genai import OPENVINO_GENAI
from inferfleet_runtime.hosts.heal import Engine, Healed, healed
from inferfleet_runtime.hosts.llama.host import running_llama
from inferfleet_runtime.hosts.openvino.host import running_openvino
from inferfleet_runtime.hosts.select import select

log = logging.getLogger(__name__)


def running_engine(config: RuntimeConfig, model: Path, now: Callable[[], float]) -> AbstractAsyncContextManager[Healed]:
    """The engine that serves `model`, loading. Raises ConfigError for what no engine here has, CommandError where none
    can serve this model on this machine.
    """
    choice = select(config, model)
    log.info("engine chosen", extra={"engine": choice.engine, "why": choice.reason})

    def start() -> AbstractAsyncContextManager[Engine]:
        if choice.engine == OPENVINO_GENAI.name:
            return running_openvino(config, model, now)
        return running_llama(config, model, now)

    return healed(start, now)
