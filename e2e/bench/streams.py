"""Streamed chats with a server of this machine, read as cheaply as possible: nothing is decoded. Sends and reads.

The client shares the cores with what it measures: what it costs would else count as the server's.
"""

import json
import re
import selectors
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

SILENT = 120.0
"""Seconds without a byte of any stream after which a server is given up."""
_TEXT = b'"content":"'
_COUNTED = re.compile(rb'"completion_tokens":\s*(\d+)')
_BLOCK = 2**18
_TAIL = 4096
"""Bytes at the end of a stream that surely hold the event with its usage."""


@dataclass(frozen=True)
class Answer:
    """Of one streamed chat."""

    ttft: float
    """Seconds from its first byte to its first text."""
    tokens: int
    """As the engine has counted them."""


@dataclass
class _Stream:
    """A chat that is under way."""

    connection: socket.socket
    began: float
    ttft: float | None = None
    tail: bytes = field(default=b"", repr=False)

    def read(self) -> bool:
        """Take in what has come; False at the end."""
        block = self.connection.recv(_BLOCK)
        seen = self.tail + block
        if self.ttft is None and _TEXT in seen:
            self.ttft = time.perf_counter() - self.began
        self.tail = seen[-_TAIL:]
        return bool(block)

    def answer(self) -> Answer:
        """Once it has ended. Raises RuntimeError where it had no text or no usage."""
        found = _COUNTED.findall(self.tail)
        if self.ttft is None or not found:
            raise RuntimeError(f"no {'text' if self.ttft is None else 'usage'} in the answer: {self.tail[-500:]!r}")
        return Answer(self.ttft, int(found[-1]))


def chat(port: int, prompts: Sequence[str], output_tokens: int) -> list[Answer]:
    """One answer for each prompt, all at once, each on a new connection.

    Raises RuntimeError where one has no text or no usage, or nothing comes any more; OSError for a lost connection.
    """
    with ExitStack() as stack:
        waiting = stack.enter_context(selectors.DefaultSelector())
        streams = [_open(port, prompt, output_tokens, stack) for prompt in prompts]
        for stream in streams:
            waiting.register(stream.connection, selectors.EVENT_READ, stream)
        while waiting.get_map():
            ready = waiting.select(SILENT)
            if not ready:
                raise RuntimeError(f"{len(waiting.get_map())} streams of port {port} are silent for {SILENT:.0f} s")
            for key, _ in ready:
                if not key.data.read():
                    waiting.unregister(key.fileobj)
        return [stream.answer() for stream in streams]


def _open(port: int, prompt: str, output_tokens: int, stack: ExitStack) -> _Stream:
    began = time.perf_counter()
    connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
    connection.sendall(_request(prompt, output_tokens))
    return _Stream(connection, began)


def _request(prompt: str, output_tokens: int) -> bytes:
    body = {
        "model": "model",
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": output_tokens,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    raw = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: pod\r\nConnection: close\r\nContent-Length: {len(raw)}\r\n\r\n"
    return head.encode() + raw
