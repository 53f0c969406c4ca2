"""Looks at the engine again and again, and brings it to readiness. Talks to the engine; keeps what was seen."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.engines.page import LabelSets
from inferfleet_runtime.engines.readings import Readings, read
from inferfleet_runtime.engines.vendors.vendor import VendorEngine, adapter_dir
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.sidecar import bench
from inferfleet_runtime.sidecar.client import DownError, EngineClient, Model, RefusedError, SilentError
from inferfleet_runtime.sidecar.health import Health, Timing
from inferfleet_runtime.sidecar.series import Own
from inferfleet_runtime.sidecar.weights import served_name, wrong_model

log = logging.getLogger(__name__)

ADAPTER_TIMEOUT = 120.0
METRICS_TIMEOUT = 3.0


@dataclass
class Watch:
    """One engine and what is known of it. `now` gives monotonic seconds."""

    config: RuntimeConfig
    engine: VendorEngine
    client: EngineClient
    now: Callable[[], float]
    rng: random.Random
    timing: Timing = field(default_factory=Timing)
    root: Path = Path("/")
    capacity: float = 0.0
    """Tokens per second; 0 until it is known."""
    measured: Callable[[float], None] = lambda _: None
    """Is told the capacity once it was measured."""
    health: Health = field(init=False)
    own: Own = field(default_factory=Own)
    _proven: bool = False
    """Whether the right model was served before: what is odd later passes, or the engine is restarted for it."""
    _name: str = ""
    """Of the model, as the engine lists it."""
    _drains: list[object] = field(default_factory=list)
    """That go on; each is told from the others."""
    _drained_at: float | None = None
    _generated: float = 0.0
    """Clients' tokens at the last look."""
    _labels: LabelSets = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing was seen yet."""
        self.health, self._name = Health(self.now()), self.config.served_model_name

    @property
    def draining(self) -> bool:
        """Whether the engine is about to end."""
        return bool(self._drains) or self._drained_at is not None

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Not ready meanwhile, and after it for as long as an engine may take to end; a new engine is not held back."""
        this = object()
        self._drains.append(this)
        self._drained_at = None
        try:
            yield
        finally:
            if this in self._drains:
                self._drains.remove(this)
                self._drained_at = None if self._drains else self.now()

    @property
    def ready(self) -> bool:
        """Whether new requests may come."""
        return self.health.well and self.capacity > 0 and not self.draining

    def why_not(self) -> str:
        """Words for who asks while it is not ready."""
        if self.draining:
            return "draining"
        return self.health.message or ("measuring the capacity" if not self.capacity else "")

    async def run(self) -> None:
        """For ever. Raises CommandError for what no waiting heals: another model than the one asked for, at first."""
        while True:
            await self.look()
            await asyncio.sleep(self.timing.interval if self.health.well else self.timing.retry)

    async def look(self) -> None:
        """Once; what is seen is in `health`."""
        before = self.health
        self._end_drain()
        try:
            await (self.client.models(self.timing.timeout) if self.draining else self._prove())
        except DownError as error:
            self.health, self.own = self.health.seen_down(str(error), self.now()), Own()
            # a drain is over with its engine: another one that begins in the same pod has the kubelet's trust again
            self._drains, self._drained_at = [], None
        except SilentError as error:
            # a token of ours may wait long behind those of many others
            others = await self._advanced()
            self.health = self.health.seen_well(self.now()) if others else self.health.seen_ill(str(error))
        except RefusedError as error:
            self.health = self.health.seen_ill(str(error))
        if (before.well, before.message) != (self.health.well, self.health.message):
            words = "the engine is well" if self.health.well else "the engine is not well"
            log.info(words, extra={"why": self.health.message})

    def _end_drain(self) -> None:
        """Anybody in the cluster may ask for a drain; after the kubelet's, the engine has ended by then."""
        if self._drained_at is not None and self.now() - self._drained_at > self.timing.drained_for:
            self._drained_at = None
            log.warning("the engine was drained and has not ended: it is served again")

    async def _prove(self) -> None:
        """A token that was generated since the last look, and the model's name. At first all that readiness takes."""
        models = await self.client.models(self.timing.timeout)
        self._check(models)
        busy = await self._advanced()
        if not (self.health.started and busy):
            await self.generate(1, 1, self.timing.timeout)
        await self._load_adapters({m.id for m in models})
        if not self.capacity:
            self.health = self.health.seen_well(self.now())  # it lives; ready it is with its capacity
            log.info("first token generated")
            self.capacity = await bench.measure(self.generate, self.config, self.now)
            self.measured(self.capacity)
        self.health = self.health.seen_well(self.now())

    def _check(self, models: list[Model]) -> None:
        """The right model is served. Raises RefusedError, and CommandError unless it was served before."""
        if not models:
            raise RefusedError("the engine serves no model")
        if problem := wrong_model(self.config, self.engine, models, self.root):
            # without the sidecar the kubelet ends the engine, which may be in the middle of streams
            raise RefusedError(problem) if self._proven else CommandError(problem)
        self._proven, self._name = True, served_name(self.config, models)

    async def _advanced(self) -> bool:
        """Whether it generated for clients since the last look: then it needs no token for us."""
        readings = await self.readings()
        if readings is None or readings.generated is None:
            return False
        generated = readings.generated - self.own.tokens
        advanced = generated > self._generated
        self._generated = generated
        return advanced

    async def readings(self) -> Readings | None:
        """The engine's series; None where they cannot be had."""
        try:
            page = await self.client.metrics(min(METRICS_TIMEOUT, self.timing.timeout))
            return read(page, self.engine.series, self._labels)
        except (DownError, SilentError, RefusedError, ValueError):
            return None

    async def generate(self, prompt_tokens: int, tokens: int, timeout: float) -> int:
        """Tokens of one request of ours, which is counted as such."""
        # ids that every vocabulary has, and no special ones; random, so that no cached prefix answers
        prompt = [self.rng.randrange(100, 1000) for _ in range(prompt_tokens)]
        self.own = _running(self.own, 1)
        try:
            counted, generated = await self.client.generate(self._name, prompt, tokens, timeout)
        finally:
            self.own = _running(self.own, -1)
        self.own = self.own.with_one(counted, generated)
        return generated

    async def _load_adapters(self, there: set[str]) -> None:
        """Each under its own name and under the model's with it, as requests may say either."""
        if not self.engine.load_adapter_path:
            return
        for adapter in self.config.adapters or ():
            folder = str(self.root / adapter_dir(adapter.name).relative_to("/"))
            for name in (adapter.name, f"{self.config.served_model_name}:{adapter.name}"):
                if name not in there:
                    await self.client.load_adapter(name, folder, ADAPTER_TIMEOUT)
                    log.info("adapter loaded", extra={"adapter": name})


def _running(own: Own, change: int) -> Own:
    return Own(own.finished, own.prompt_tokens, max(0, own.running + change))
