"""What the front costs beside the engine behind it: time to the first token, processor, and what passes through.

Two real pods of one engine thread and 16 slots, each asked in turns at the engine's own port and at the pod's; the
difference is the front. The model `tiny` writes about as many tokens per second as the front has to pass: its pod
gives the time and the processor that the front adds. `slight` is one layer and about twice as fast: its pod shows
how many tokens pass. There `front_throughput_ratio` is the median over pairs of waves of what passed through the front
to what the engine gave without it, and `front_core_percent` how busy the front was: far from 100 it was not the limit,
whatever the ratio, for engine, front and client share this machine's cores. A busy machine delays the front, which
then finds several tokens in one read and passes them in one write: under such a load a token costs it less.

Writes below a temporary folder; sends requests to this machine only.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.bench import streams
from e2e.bench.pods import Pod, configuration, family, serving
from e2e.models import tiny

SLOTS = 16
OUTPUT_TOKENS = 512
_WARM_UP = 10
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

    def in_turns(self, number: int) -> tuple[int, int]:
        """Both ports; which is first alternates."""
        return (self.front, self.engine) if number % 2 else (self.engine, self.front)


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


def added_ttft(pod: Way, rounds: int) -> list[float]:
    """Seconds by which the front was later than the engine, for each round."""
    added = []
    for number in range(-_WARM_UP, rounds):
        took = {port: streams.chat(port, [f"round {number} of {port}"], 2)[0].ttft for port in pod.in_turns(number)}
        if number >= 0:
            added.append(took[pod.front] - took[pod.engine])
    return added


@dataclass(frozen=True)
class Wave:
    """Every slot has streamed once."""

    tokens: int
    seconds: float
    cpu_seconds: float
    """Of the front's process."""

    @property
    def tokens_per_second(self) -> float:
        """Of all slots together."""
        return self.tokens / self.seconds


@dataclass(frozen=True)
class Pair:
    """Of waves, one after the other."""

    engine: Wave
    front: Wave

    @property
    def ratio(self) -> float:
        """Of what passed the front to what the engine gave without it."""
        return self.front.tokens_per_second / self.engine.tokens_per_second


def wave(pod: Way, port: int, number: int) -> Wave:
    """Stream on every slot at once."""
    prompts = [f"stream {number} of {port}, {slot}" for slot in range(SLOTS)]
    began, cpu = time.perf_counter(), pod.cpu_seconds()
    tokens = sum(answer.tokens for answer in streams.chat(port, prompts, OUTPUT_TOKENS))
    return Wave(tokens, time.perf_counter() - began, pod.cpu_seconds() - cpu)


def pair(pod: Way, number: int) -> Pair:
    """A wave on each port."""
    run = {port: wave(pod, port, number) for port in pod.in_turns(number)}
    return Pair(run[pod.engine], run[pod.front])


def pairs(pod: Way, waves: int) -> list[Pair]:
    """One is run before, and not counted."""
    return [pair(pod, number) for number in range(waves + 1)][1:]


def spread(pod: Way, rounds: int, waves: int) -> tuple[list[float], list[Pair]]:
    """Seconds added by the front, and pairs of waves, in turns: a neighbour's busy moment must not meet all rounds."""
    added, found = [], []
    for number in range(waves + 1):
        added += added_ttft(pod, -(-rounds // (waves + 1)))
        found.append(pair(pod, number))
    return added, found[1:]


def cost(added: Sequence[float], found: Sequence[Pair]) -> dict[str, float]:
    """What the front adds; TTFT in milliseconds."""
    cpu, tokens = sum(p.front.cpu_seconds for p in found), sum(p.front.tokens for p in found)
    return {
        "front_ttft_ms_p50": round(1000 * statistics.median(added), 3),
        "front_core_percent_per_1000_tokens_per_second": round(100 * cpu / (tokens / 1000), 2),
    }


def passed(found: Sequence[Pair]) -> dict[str, float]:
    """What the front lets through, beside what the engine gives."""
    busy = sum(p.front.cpu_seconds for p in found) / sum(p.front.seconds for p in found)
    return {
        "front_tokens_per_second": round(statistics.median(p.front.tokens_per_second for p in found), 1),
        "front_engine_tokens_per_second": round(statistics.median(p.engine.tokens_per_second for p in found), 1),
        "front_throughput_ratio": round(statistics.median(p.ratio for p in found), 3),
        "front_core_percent": round(100 * busy, 1),
    }


def measure(rounds: int = 200, waves: int = 6) -> dict[str, float]:
    """Start each pod, measure, end it. A flat record."""
    with tempfile.TemporaryDirectory() as folder:
        added = _on("tiny", Path(folder), lambda pod: cost(*spread(pod, rounds, waves)))
        return added | _on("slight", Path(folder), lambda pod: passed(pairs(pod, waves)))


def _on(model: str, folder: Path, figures: Callable[[Way], dict[str, float]]) -> dict[str, float]:
    file = tiny.make(folder / f"{model}.gguf", model)
    with serving(folder, model, configuration(file, slots=SLOTS, contextTokens=1024, threads=1)) as pod:
        return figures(way(pod))


def main(argv: Sequence[str]) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m e2e.bench.front", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200, help="pairs of requests for the TTFT (default: %(default)s)")
    parser.add_argument("--waves", type=int, default=6, help=f"pairs, of {SLOTS} streams each (default: %(default)s)")
    arguments = parser.parse_args(argv)
    print(json.dumps(measure(arguments.rounds, arguments.waves), indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
