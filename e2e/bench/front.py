"""What the front costs: the time to the first token and the processor that it adds to the engine behind it.

Starts a real pod on a tiny model and asks in turns the engine itself and the pod: the difference is the front.
Writes below a temporary folder; sends requests to this machine only.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.bench.pods import Pod, configuration, family, serving
from e2e.models import tiny

SLOTS = 16
OUTPUT_TOKENS = 512
_WARM_UP = 10
_TOKEN = b'"content":"'
_COUNTED = re.compile(rb'"completion_tokens":\s*(\d+)')
_TAIL = 4096
"""Bytes at the end of a stream that surely hold the event with its usage."""
_LISTENS = "0A"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Way:
    """The two ports of one pod, and the process whose cost is measured."""

    front: int
    engine: int
    pid: int

    def cpu_seconds(self) -> float:
        """Of the front's own process, since its start; in steps of the kernel's clock tick (10 ms)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


def way(pod: Pod) -> Way:
    """Through a pod and past its front. Raises RuntimeError when its engine does not listen on one port."""
    sockets = {os.readlink(fd) for pid in family(pod.pid)[1:] for fd in Path(f"/proc/{pid}/fd").iterdir()}
    listening = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == _LISTENS and f"socket:[{fields[9]}]" in sockets:
            listening.append(int(fields[1].split(":")[1], 16))
    if len(listening) != 1:
        raise RuntimeError(f"the engine behind {pod.url} listens on {listening}, not on one port")
    return Way(pod.port, listening[0], pod.pid)


@dataclass(frozen=True)
class Answer:
    """Of one streamed chat."""

    ttft: float
    """Seconds from its first byte to its first text."""
    tokens: int
    """As the engine has counted them."""


async def ask(port: int, prompt: str, output_tokens: int) -> Answer:
    """One streamed chat on a new connection. Raises RuntimeError where the answer has no text or no usage.

    Reads bytes and decodes nothing: what the client costs would else count as the front's.
    """
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
    began = time.perf_counter()
    read, write = await asyncio.open_connection("127.0.0.1", port)
    try:
        write.write(head.encode() + raw)
        first = await _first_text(read)
        ttft, tail = time.perf_counter() - began, first[-_TAIL:]
        while block := await read.read(2**18):
            tail = (tail + block)[-_TAIL:]
        return Answer(ttft, _counted(tail))
    finally:
        write.close()
        await write.wait_closed()


def _counted(tail: bytes) -> int:
    found = _COUNTED.findall(tail)
    if not found:
        raise RuntimeError(f"no usage at the end of the answer: {tail!r}")
    return int(found[-1])


async def _first_text(read: asyncio.StreamReader) -> bytes:
    """All up to there."""
    seen = b""
    while _TOKEN not in seen:
        block = await read.read(2**16)
        if not block:
            raise RuntimeError(f"no text in the answer: {seen[:500]!r}")
        seen += block
    return seen


async def added_ttft(pod: Way, rounds: int) -> list[float]:
    """Seconds by which the front was later than the engine, for each round; their order alternates."""
    added = []
    for number in range(-_WARM_UP, rounds):
        took = {}
        for port in (pod.front, pod.engine) if number % 2 else (pod.engine, pod.front):
            took[port] = (await ask(port, f"round {number} of {port}", 2)).ttft
        if number >= 0:
            added.append(took[pod.front] - took[pod.engine])
    return added


@dataclass(frozen=True)
class Throughput:
    """Of all slots together."""

    tokens_per_second: float
    core_percent_per_1000_tokens_per_second: float
    """Of one core, by the front's process."""


async def throughput(pod: Way, waves: int) -> Throughput:
    """Every slot streams through the front, again and again."""
    tokens = 0
    began, cpu = time.perf_counter(), pod.cpu_seconds()
    for wave in range(waves):
        answers = await asyncio.gather(*(ask(pod.front, f"stream {wave} {i}", OUTPUT_TOKENS) for i in range(SLOTS)))
        tokens += sum(answer.tokens for answer in answers)
    seconds, cpu = time.perf_counter() - began, pod.cpu_seconds() - cpu
    return Throughput(tokens / seconds, 100 * cpu / (tokens / 1000))


async def figures(pod: Way, rounds: int, waves: int) -> dict[str, float]:
    """A flat record; TTFT in milliseconds."""
    added = await added_ttft(pod, rounds)
    flow = await throughput(pod, waves)
    return {
        "front_ttft_ms_p50": round(1000 * statistics.median(added), 3),
        "front_core_percent_per_1000_tokens_per_second": round(flow.core_percent_per_1000_tokens_per_second, 2),
        "front_tokens_per_second": round(flow.tokens_per_second, 1),
    }


def measure(rounds: int = 200, waves: int = 6) -> dict[str, float]:
    """Start a pod, measure, end it."""
    with tempfile.TemporaryDirectory() as folder:
        config = configuration(tiny.make(Path(folder) / "tiny.gguf"), slots=SLOTS, contextTokens=2048, threads=1)
        with serving(Path(folder), "front", config) as pod:
            return asyncio.run(figures(way(pod), rounds, waves))


def main(argv: Sequence[str]) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m e2e.bench.front", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="pairs of requests for the TTFT (default: %(default)s)")
    parser.add_argument("--waves", type=int, default=6, help=f"of {SLOTS} streams each (default: %(default)s)")
    arguments = parser.parse_args(argv)
    print(json.dumps(measure(arguments.rounds, arguments.waves), indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
