"""Whether an engine's process works: when it was last heard of, and whether it uses CPU time. Reads /proc."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Timing:
    """All in seconds."""

    heartbeat_every: float = 1.0
    frozen_after: float = 10.0
    """Without a word and without a tick of CPU time: stopped, or waiting for what never comes."""
    stalled_after: float = 60.0
    """Without a word, however busy: a throttled CPU may give an engine that would answer no time to do so."""
    stop_within: float = 5.0
    """For each step of an end: asking, killing, reading what is left."""


class Pulse:
    """Of one process. `now` gives monotonic seconds."""

    def __init__(self, process: asyncio.subprocess.Process, now: Callable[[], float], timing: Timing) -> None:
        """Of a process that has just been started, which counts as heard."""
        self._process, self._now, self._timing = process, now, timing
        self._heard = now()
        self._still = 0

    def heard(self) -> None:
        """It has said something that only its loop can say."""
        self._heard = self._now()

    async def watch(self) -> None:
        """See whether it works, whatever it says. Never returns."""
        before = 0
        while True:
            await asyncio.sleep(self._timing.heartbeat_every)
            ticks = cpu_ticks(self._process.pid)
            self._still = self._still + 1 if ticks == before else 0
            before = ticks

    def problem(self, loaded: bool) -> str:
        """Why it can serve no more; empty while it works. One that is still loading may be silent for any time."""
        if self._process.returncode is not None:
            return f"the engine's process ended with code {self._process.returncode}"
        silent = self._now() - self._heard
        if not loaded or silent <= self._timing.frozen_after:
            return ""
        # counted, not timed: after a standstill of this process both would seem to have stood still
        if self._still * self._timing.heartbeat_every > self._timing.frozen_after:
            return f"the engine has not answered for {silent:.0f} s and does nothing"
        if silent > self._timing.stalled_after:
            return f"the engine's loop has not answered for {silent:.0f} s"
        return ""


def cpu_ticks(pid: int) -> int:
    """CPU time that a process has used, in the kernel's ticks; 0 if it is gone. Proc(5): fields 14 and 15 of stat."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0
    fields = stat.rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
