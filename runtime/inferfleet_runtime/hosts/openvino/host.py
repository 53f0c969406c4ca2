"""The process of openvino-genai and the connection to it. Starts, watches and ends one child process."""

import asyncio
import json
import logging
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from inferfleet_runtime.contract import DRAFT_FILE, Metric, RuntimeConfig
from inferfleet_runtime.engines.openvino_genai import EngineSettings, engine_settings, lacks
from inferfleet_runtime.errors import CommandError, ConfigError
from inferfleet_runtime.hosts import child
from inferfleet_runtime.hosts.backend import BackendError, UnsentError
from inferfleet_runtime.hosts.lines import lines
from inferfleet_runtime.hosts.openvino.answers import Answer, Piece
from inferfleet_runtime.hosts.openvino.replies import AtOnce, Began, Generated, Whole, Word
from inferfleet_runtime.hosts.openvino.worker import OWN_ERROR
from inferfleet_runtime.hosts.pulse import Pulse, Timing

log = logging.getLogger(__name__)

_TAIL_LINES = 20
_LONGEST_LINE = 2**26
"""Of one turn of the engine's loop; a long prompt's tokens are one line."""
_OWN_LINES = (OWN_ERROR, "[ERROR] ", "terminate called ")
_TIMING = Timing(stalled_after=120.0)
"""It says nothing during a step, and a throttled CPU may take long for one."""


@dataclass
class OpenvinoHost:
    """openvino-genai in a child process. Use `running` to start one; `now` gives monotonic seconds."""

    model: str
    """As answers name it."""
    process: asyncio.subprocess.Process
    now: Callable[[], float]
    timing: Timing
    _hello: asyncio.Future[Mapping[str, Any] | None] = field(init=False)
    _orders: dict[int, asyncio.Queue[Word]] = field(default_factory=dict)
    _names: "count[int]" = field(default_factory=count)
    _tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL_LINES))
    _drafted: float = 0.0
    _accepted: float = 0.0

    def __post_init__(self) -> None:
        """Around a process that has just been started."""
        self._hello = asyncio.get_running_loop().create_future()
        self._pulse = Pulse(self.process, self.now, self.timing)
        self._readers = child.tasks(self._read_log(), self._read_output())
        self._beats = child.tasks(self._beat(), self._pulse.watch())

    async def load(self) -> None:
        """Wait until the model is loaded. Raises CommandError with the engine's own words."""
        if not await asyncio.shield(self._hello):
            await self.ended()
        self._pulse.heard()

    @asynccontextmanager
    async def post(self, path: str, body: Mapping[str, Any], salt: str = "") -> AsyncIterator[Generated | AtOnce]:
        """See Backend. Where tenants have salts nothing is cached, so `salt` needs no obeying."""
        if any(task.done() for task in self._readers):
            # nobody would be told any more; and the process may not be known to have ended yet
            raise UnsentError("the engine's process ended")
        name, words = next(self._names), asyncio.Queue[Word]()
        self._orders[name] = words
        reply: Generated | AtOnce | None = None
        try:
            await self._send({"id": name, "path": path, "body": body})
            reply = self._reply(name, path, body, await words.get())
            yield reply
        finally:
            del self._orders[name]
            if reply is None or (isinstance(reply, Generated) and not reply.ended):
                with suppress(BackendError):
                    await self._send({"cancel": name})

    def _reply(self, name: int, path: str, body: Mapping[str, Any], word: Word) -> Generated | AtOnce:
        if isinstance(word, Whole):
            return AtOnce(word.status, word.body)
        if not isinstance(word, Began):
            raise UnsentError("the engine's process ended")
        created = int(time.time())
        chosen = bool(body.get("logprobs")) or body.get("logprobs") == 0
        answer = Answer(path, self.model, created, f"chatcmpl-{created}-{name}", word.prompt_tokens, chosen)
        usage = (body.get("stream_options") or {}).get("include_usage", False)
        return Generated(answer, self._orders[name], bool(usage))

    async def _send(self, command: Mapping[str, Any]) -> None:
        assert self.process.stdin
        if self.process.returncode is not None or self.process.stdin.is_closing():
            raise UnsentError("the engine's process ended")
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        try:
            await self.process.stdin.drain()
        except (ConnectionError, OSError) as error:
            raise UnsentError("the engine's process ended") from error

    async def vocabulary(self) -> int:
        """See Backend."""
        hello = self._hello.result() if self._hello.done() else None
        if not hello:
            raise BackendError("the engine's process has not loaded the model")
        return int(hello["vocabulary"])

    def counters(self) -> Mapping[str, float]:
        """See Backend. What the cache of prefixes saves is not known: openvino-genai does not tell."""
        if not self._drafted:
            return {}
        return {Metric.DRAFT_TOKENS: self._drafted, Metric.ACCEPTED_TOKENS: self._accepted}

    def problem(self) -> str:
        """See Backend."""
        return self._pulse.problem(loaded=self._hello.done())

    async def ended(self) -> None:
        """Wait for the process to end, which it should not, and raise CommandError with its own words."""
        code = await child.ended(self.process, self._readers, self._beats, self.timing.stop_within)
        said = " / ".join(line.removeprefix(OWN_ERROR) for line in list(self._tail)[-3:]) or "it said nothing"
        loaded = self._hello.done() and self._hello.result()
        what = "ended" if loaded else "could not load the model"
        raise CommandError(f"the engine {what}: {said} (exit code {code})")

    async def _read_log(self) -> None:
        """Pass on what the engine writes to standard error, until it ends."""
        assert self.process.stderr
        async for line in lines(self.process.stderr):
            if not self._hello.done() or line.startswith(_OWN_LINES):
                self._tail.append(line)
                log.info("engine log", extra={"line": line})

    async def _read_output(self) -> None:
        """Take in a turn of the engine's loop a line, until it ends; then tell all who wait."""
        assert self.process.stdout
        try:
            while line := await self.process.stdout.readline():
                self._pulse.heard()
                if self._hello.done():
                    self._take(json.loads(line))
                else:
                    self._hello.set_result(json.loads(line))
        finally:
            if not self._hello.done():
                self._hello.set_result(None)
            self._tell_all_of_the_end()

    def _tell_all_of_the_end(self) -> None:
        for words in self._orders.values():
            words.put_nowait(None)

    def _take(self, said: Mapping[str, Any]) -> None:
        for name, prompt_tokens in said.get("began", ()):
            self._tell(name, Began(prompt_tokens))
        for name, status, error in said.get("refused", ()):
            self._tell(name, Whole(status, {"error": error}))
        for name, body in said.get("answers", ()):
            self._tell(name, Whole(200, body))
        for name, *piece in said.get("pieces", ()):
            self._tell(name, Piece(*piece))
        drafted, accepted = said.get("speculation", (0, 0))
        self._drafted += drafted
        self._accepted += accepted

    def _tell(self, name: int, word: Word) -> None:
        if words := self._orders.get(name):
            words.put_nowait(word)

    async def _beat(self) -> None:
        """Ask for an answer that only the engine's loop can give. Waits where the process reads nothing."""
        while True:
            await asyncio.sleep(self.timing.heartbeat_every)
            if self._hello.done():
                with suppress(BackendError):
                    await self._send({"ping": 0})

    async def stop(self) -> None:
        """End the process: at first by closing its standard input. Takes a bounded time, whatever it does."""
        child.cancel(self._beats)
        await child.end(self.process, self._readers, self._beats, self.timing.stop_within, hung=bool(self.problem()))
        self._tell_all_of_the_end()  # a reader that is cancelled before its first step tells nobody


def command(settings: EngineSettings) -> list[str]:
    """How the engine's process is started."""
    return [sys.executable, "-m", "inferfleet_runtime.hosts.openvino.worker", json.dumps(asdict(settings))]


def running_openvino(
    config: RuntimeConfig, model: Path, now: Callable[[], float]
) -> AbstractAsyncContextManager[OpenvinoHost]:
    """openvino-genai serving `model`, loading. Raises ConfigError for what it has not."""
    if lacking := lacks(config):
        raise ConfigError(f"openvino-genai lacks {lacking}; choose another engine, or do without")
    draft = model.with_name(DRAFT_FILE.name)
    settings = engine_settings(config, model, draft)
    if not settings.prefix_cache and config.prefix_cache != "Off":
        log.warning("no prefixes are cached: openvino-genai cannot tell tenants apart, nor cache beside a draft model")
    return running(command(settings), config.served_model_name, now)


@asynccontextmanager
async def running(
    argv: Sequence[str], model: str, now: Callable[[], float], timing: Timing | None = None
) -> AsyncIterator[OpenvinoHost]:
    """An engine that is loading; its process ends with the context. Answers name it `model`."""
    process = await child.started(argv, longest_line=_LONGEST_LINE)
    engine = OpenvinoHost(model, process, now, timing or _TIMING)
    try:
        yield engine
    finally:
        await engine.stop()
