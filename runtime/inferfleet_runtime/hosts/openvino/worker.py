"""The process of openvino-genai: `python -m inferfleet_runtime.hosts.openvino.worker SETTINGS`. Internal.

Its main thread is the loop that steps all requests at once, so nothing in it may wait while one runs. Reads SETTINGS
(JSON of `EngineSettings`), then a command a line on standard input: `{"id", "path", "body"}`, `{"cancel": id}` or
`{"ping": n}`. Writes one line for each turn of the loop with all that it has to say, and ends when its input does.
"""

import json
import os
import select
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from inferfleet_runtime.engines.openvino_genai import EngineSettings, proposals
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.hosts.openvino.jobs import CHAT, COMPLETIONS, RefusedError, job
from inferfleet_runtime.hosts.openvino.pipeline import generation, pipeline, speculate
from inferfleet_runtime.hosts.openvino.schemas import Schemas
from inferfleet_runtime.hosts.openvino.text import Text
from inferfleet_runtime.hosts.openvino.vocabulary import Vocabulary, vocabulary
from inferfleet_runtime.hosts.openvino.words import prompt_tokens

OWN_ERROR = "openvino-genai: "
"""How a line on standard error begins that repeats nothing of a client."""
_BLOCK = 2**20
_FADE_AFTER = 1000
"""Proposed tokens."""


@dataclass
class _Running:
    handle: Any
    """The request ends with it: it must be kept."""
    text: Text
    logprobs: bool
    proposed: int
    began: float
    first: float = 0.0
    tokens: int = 0


class Worker:
    """All requests of one model. `now` gives monotonic seconds."""

    def __init__(
        self, library: Any, settings: EngineSettings, folder: Path, vocabulary: Vocabulary, now: Callable[[], float]
    ) -> None:
        """Load the model; raises RuntimeError with the library's words. `folder` is for files of its own."""
        self._library, self._settings, self._words, self._now = library, settings, vocabulary, now
        self._pipeline = pipeline(library, settings, folder)
        self._template = self._pipeline.get_tokenizer()
        self._schemas = Schemas(library, folder)
        self._running: dict[int, _Running] = {}
        self._drafted = (0.0, 0.0)
        self._said: dict[str, Any] = {}

    @property
    def idle(self) -> bool:
        """Nothing will happen until a command comes."""
        return not self._running

    def turn(self, commands: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Obey, then make a step; what there is to say of it. Raises RuntimeError where nothing works any more."""
        self._said = {}
        for command in commands:
            self._obey(command)
        if self._running:
            self._step()
        return self._said

    def _obey(self, command: Mapping[str, Any]) -> None:
        if "ping" in command:
            self._said["pong"] = command["ping"]
        elif "cancel" in command:
            if found := self._running.pop(command["cancel"], None):
                found.handle.cancel()
        else:
            try:
                self._begin(command["id"], command["path"], command["body"])
            except RefusedError as refused:
                self._say("refused", [command["id"], refused.status, refused.error()])

    def _say(self, what: str, value: Any) -> None:
        self._said.setdefault(what, []).append(value)

    def _begin(self, name: int, path: str, body: Mapping[str, Any]) -> None:
        if path == "/tokenize":
            self._say("answers", [name, {"tokens": self._words.tokens(str(body.get("content", "")))}])
            return
        if path not in (CHAT, COMPLETIONS):
            raise RefusedError(404, f"this engine (openvino-genai) has no {path}", "not_found_error")
        wanted = job(path, body)
        prompt = prompt_tokens(wanted, self._words, self._template)
        left = self._left(len(prompt))
        if wanted.schema:
            self._schemas.check(wanted.schema)
        config = generation(self._library, wanted, min(wanted.output_tokens, left), self._words.ends)
        proposed = proposals(self._settings.proposed, *self._drafted, len(self._running))
        speculate(config, self._settings, proposed)
        try:
            handle = self._pipeline.add_request(name, _tensor(prompt), config)
        except RuntimeError as error:
            raise RefusedError(400, last_line(error)) from error
        self._running[name] = _Running(handle, Text(wanted.stops), wanted.logprobs, proposed, self._now())
        self._say("began", [name, len(prompt)])

    def _left(self, prompt: int) -> int:
        """Tokens that an answer may have. Raises RefusedError, worded as llama.cpp does."""
        held = self._settings.context_tokens
        if 0 < prompt < held:
            return held - prompt
        if not prompt:
            raise RefusedError(400, "the prompt is empty")
        message = f"request ({prompt} tokens) exceeds the available context size ({held} tokens)"
        counted = {"n_prompt_tokens": prompt, "n_ctx": held}
        raise RefusedError(400, message, "exceed_context_size_error", counted)

    def _step(self) -> None:
        self._pipeline.step()
        now = self._now()
        for name, running in list(self._running.items()):
            if running.handle.can_read():
                self._read(name, running, now)
            elif running.handle.get_status() != self._library.GenerationStatus.RUNNING:
                # it has found no room in the cache, which is as large as all slots together
                self._drop(name, "error")

    def _drop(self, name: int, finish: str) -> None:
        running = self._running.pop(name)
        self._say("pieces", [name, running.text.end(), 0, finish, [], 0.0, 0.0])

    def _read(self, name: int, running: _Running, now: float) -> None:
        """Pass on what a step has added to one answer."""
        running.first = running.first or now
        text, tokens, finish, logprobs = "", 0, "", []
        while not finish and running.handle.can_read():
            for output in running.handle.read().values():
                for token, logprob in zip(output.generated_ids, output.generated_log_probs, strict=True):
                    text += running.text.feed(self._words.piece(token))
                    tokens += 1
                    if running.logprobs:
                        logprobs.append(self._logprob(token, logprob))
                    if running.text.stopped:
                        break
                finish = self._finish(running, output)
        if finish:
            text += running.text.end()
            del self._running[name]
        self._count(running, tokens)
        timings = [(running.first - running.began) * 1000, (now - running.first) * 1000] if finish else [0.0, 0.0]
        self._say("pieces", [name, text, tokens, finish, logprobs, *timings])

    def _finish(self, running: _Running, output: Any) -> str:
        if running.text.stopped:
            running.handle.cancel()
            return "stop"
        reasons = self._library.GenerationFinishReason
        return {reasons.STOP: "stop", reasons.LENGTH: "length"}.get(output.finish_reason, "")

    def _count(self, running: _Running, tokens: int) -> None:
        """With a draft model every step after the first proposes as many, and accepts all but its own token."""
        if self._settings.draft and running.tokens and tokens:
            drafted, accepted = self._said.get("speculation", (0, 0))
            self._said["speculation"] = (drafted + running.proposed, accepted + tokens - 1)
            # halved again and again, so that the latest steps count most
            fade = 0.5 if self._drafted[0] > _FADE_AFTER else 1.0
            self._drafted = (self._drafted[0] * fade + running.proposed, self._drafted[1] * fade + tokens - 1)
        running.tokens += tokens

    def _logprob(self, token: int, logprob: float) -> dict[str, Any]:
        piece = self._words.piece(token)
        shown = {"id": token, "token": piece.decode(errors="replace"), "bytes": list(piece), "logprob": logprob}
        return shown | {"top_logprobs": []}


def _tensor(prompt: list[int]) -> Any:
    # large, as the engine itself; and what it exports is known only when it is there
    openvino: Any = import_module("openvino")
    return openvino.Tensor(np.array([prompt], dtype=np.int64))


def last_line(error: Exception) -> str:
    """What the library says after the place in its sources; cut."""
    said = str(error).strip().splitlines()
    return (said[-1] if said else "it said nothing")[:300]


class Commands:
    """Lines of JSON from a file descriptor."""

    def __init__(self, descriptor: int) -> None:
        """Of a pipe."""
        self._descriptor = descriptor
        self._rest = b""

    def read(self, wait: bool) -> list[Mapping[str, Any]] | None:
        """All that have come, after the first one if `wait`; None when there will be none."""
        while True:
            ready, _, _ = select.select([self._descriptor], [], [], None if wait else 0)
            if not ready:
                return []
            block = os.read(self._descriptor, _BLOCK)
            if not block:
                return None
            *lines, self._rest = (self._rest + block).split(b"\n")
            if lines:
                return [json.loads(line) for line in lines]


def main() -> int:
    """Serve until standard input ends."""
    # the library may print: what it says must not get between our lines
    with os.fdopen(os.dup(1), "wb", buffering=0) as output, tempfile.TemporaryDirectory() as folder:
        os.dup2(2, 1)
        try:
            _serve(EngineSettings(**json.loads(sys.argv[1])), Path(folder), output)
        except (RuntimeError, CommandError) as error:
            print(OWN_ERROR + last_line(error), file=sys.stderr)  # noqa: T201
            return 1
    return 0


def _serve(settings: EngineSettings, folder: Path, output: Any) -> None:
    import openvino_genai  # noqa: PLC0415 - large

    with vocabulary(Path(settings.model)) as words:
        worker = Worker(openvino_genai, settings, folder, words, time.monotonic)
        commands = Commands(0)
        output.write(json.dumps({"vocabulary": words.size}).encode() + b"\n")
        while (heard := commands.read(wait=worker.idle)) is not None:
            if said := worker.turn(heard):
                output.write(json.dumps(said, separators=(",", ":")).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
