"""Running other programs, and the one error that users of the clusters see. Writes."""

import fcntl
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

Say = Callable[[str], None]
"""Takes one sentence of progress."""


class ClusterError(Exception):
    """What was wrong, where, and what to do: the command line prints it and exits with 1."""


def say(sentence: str) -> None:
    """Progress goes to standard error, so that standard output stays usable in `$(...)`."""
    print(sentence, file=sys.stderr, flush=True)


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a program and return its standard output; ClusterError with its last words if it fails."""
    command = [str(part) for part in argv]
    try:
        done = subprocess.run(command, input=stdin, env=env, cwd=cwd, capture_output=True, text=True, check=False)
    except FileNotFoundError as missing:
        raise ClusterError(f"{missing.filename}: not found; it is needed for `{shlex.join(command)}`") from missing
    if done.returncode != 0:
        raise ClusterError(failure(command, done.returncode, done.stderr or done.stdout))
    return done.stdout


def succeeds(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> bool:
    """Whether a program runs and exits with 0; its output is dropped."""
    command = [str(part) for part in argv]
    try:
        return subprocess.run(command, env=env, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def failure(command: Sequence[str], code: int, output: str) -> str:
    """One readable message: the command, its exit status and the last lines that it wrote. Pure."""
    last = "\n  ".join(output.strip().splitlines()[-12:])
    return f"`{shlex.join(command)}` exited with {code}:\n  {last}"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; the kernel lets go of it when the process dies, however it dies."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Who held it before may have removed the folder: then this is a lock on nothing.
            if _names(path, file.fileno()):
                yield
                return


def _names(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
