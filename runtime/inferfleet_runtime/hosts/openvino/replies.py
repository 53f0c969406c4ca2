"""Answers of openvino-genai's process as the front reads them: llama.cpp's bytes. Reads queues."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from inferfleet_runtime.hosts.backend import BackendError
from inferfleet_runtime.hosts.openvino.answers import Answer, Piece


@dataclass(frozen=True)
class Began:
    """A request that has its place among those that run."""

    prompt_tokens: int


@dataclass(frozen=True)
class Whole:
    """An answer, or an error, that comes at once."""

    status: int
    body: Mapping[str, Any]


Word = Began | Whole | Piece | None
"""What the process says of one request; None: nothing more, it is gone."""


@dataclass
class Generated:
    """An answer under way."""

    answer: Answer
    words: asyncio.Queue[Word]
    include_usage: bool
    status: int = 200
    ended: bool = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """See Reply; what has come together leaves together."""
        opening = self.answer.opening()
        while not self.ended:
            pieces = [await self._piece()]
            while not self.ended and not self.words.empty():
                pieces.append(await self._piece())
            chunk = opening + b"".join(self.answer.events(piece, self.include_usage) for piece in pieces)
            opening = b""
            if chunk:
                yield chunk

    async def read(self) -> bytes:
        """See Reply."""
        while not self.ended:
            piece = await self._piece()
            self.answer.take(piece)
        return self.answer.whole(piece)

    async def _piece(self) -> Piece:
        word = await self.words.get()
        if not isinstance(word, Piece):
            raise BackendError("the engine's process ended")
        self.ended = bool(word.finish)
        if word.finish == "error":
            raise BackendError("the engine found no room in its KV cache")
        return word


@dataclass(frozen=True)
class AtOnce:
    """What needs no generation."""

    status: int
    _body: Mapping[str, Any]

    async def chunks(self) -> AsyncIterator[bytes]:
        """See Reply."""
        yield await self.read()

    async def read(self) -> bytes:
        """See Reply."""
        return json.dumps(self._body).encode()
