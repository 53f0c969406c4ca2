"""Processes that outlive the command that started them, known by PID and start time. Reads and writes.

A PID alone is not an identity: the kernel hands it out again. Nothing is killed whose start time differs
from the recorded one.
"""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster.shell import ClusterError

GONE_SECONDS = 30.0


@dataclass(frozen=True)
class Process:
    """One process of this boot."""

    pid: int
    started: int
    """Clock ticks after boot, field 22 of /proc/PID/stat (proc(5))."""

    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        return start_time(self.pid) == self.started


def start_time(pid: int) -> int | None:
    """Start of a running process in clock ticks after boot; None if there is none, or only a zombie."""
    try:
        return parse_start_time(Path(f"/proc/{pid}/stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None


def parse_start_time(stat: str) -> int | None:
    """Field 22 of a /proc/PID/stat line. Pure. The name, field 2, may hold spaces and parentheses."""
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


RECORD = 'cut -d " " -f 1,22 "/proc/$$/stat" > "$0.new" && mv "$0.new" "$0" && exec "$@"'
"""A shell that records its own PID and start time and becomes the program; neither changes by that. It, not
the caller, records, so that a caller that is killed meanwhile leaves no process that nobody knows."""


def spawn(argv: Sequence[str], pid_file: Path, log: Path) -> Process:
    """Start a program in a session of its own, no child of this process, and record it in `pid_file`."""
    pid_file.unlink(missing_ok=True)
    with log.open("ab") as output:
        command = ["setsid", "--fork", "sh", "-c", RECORD, str(pid_file), *argv]
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=True)
    deadline = time.monotonic() + GONE_SECONDS
    while time.monotonic() < deadline:
        if process := recorded(pid_file):
            return process
        time.sleep(0.01)
    raise ClusterError(f"{argv[0]} did not start; see {log}")


def recorded(pid_file: Path) -> Process | None:
    """The process of `pid_file` if it still runs."""
    try:
        fields = pid_file.read_text().split()
    except FileNotFoundError:
        return None
    process = Process(int(fields[0]), int(fields[1]))
    return process if process.alive() else None


def children(pid: int) -> list[int]:
    """Direct children; from all of /proc, since not every kernel has /proc/PID/task/*/children."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(stat.rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
    return found


def kill(process: Process) -> None:
    """Kill a process and its direct children; return when it is gone. ClusterError if it stays."""
    targets = [Process(pid, started) for pid in children(process.pid) if (started := start_time(pid)) is not None]
    for target in [*targets, process]:
        if target.alive():
            os.kill(target.pid, signal.SIGKILL)
    deadline = time.monotonic() + GONE_SECONDS
    while any(target.alive() for target in [process, *targets]):
        if time.monotonic() > deadline:
            raise ClusterError(f"process {process.pid} was killed but does not end; see `ps -fp {process.pid}`")
        time.sleep(0.02)
