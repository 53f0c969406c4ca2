"""The life of an engine's process, whichever engine: start, work, end. Starts and ends processes."""

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from inferfleet_runtime.errors import CommandError

log = logging.getLogger(__name__)

Tasks = frozenset[asyncio.Task[None]]
_LINE = 2**16


async def started(
    argv: Sequence[str], environment: Mapping[str, str] | None = None, longest_line: int = _LINE
) -> asyncio.subprocess.Process:
    """A process with all three streams ours. Without `environment` it has this process's."""
    return await asyncio.create_subprocess_exec(
        *argv,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=longest_line,
        start_new_session=True,  # a terminal's Ctrl-C must drain, not cut
    )


def tasks(*work: Coroutine[Any, Any, None]) -> Tasks:
    """What runs beside the process."""
    return frozenset(map(asyncio.create_task, work))


def cancel(running: Iterable[asyncio.Task[None]]) -> None:
    """Ask tasks to end; who waits for them is another matter."""
    for task in running:
        task.cancel()


async def ended(process: asyncio.subprocess.Process, readers: Tasks, beats: Tasks, within: float) -> int:
    """The code with which a process ends, which it should not; waits then at most `within` seconds for its last words.

    Raises CommandError where one of the tasks fails, which leaves the process unread or unwatched.
    """
    exited = asyncio.create_task(process.wait())
    waiting: set[asyncio.Task[Any]] = {exited, *readers, *beats}
    try:
        while exited in waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if error := task.exception():
                    raise CommandError(f"the watch over the engine failed: {error!r}") from error
    finally:
        exited.cancel()
    await asyncio.wait(readers, timeout=within)
    return exited.result()


async def end(process: asyncio.subprocess.Process, readers: Tasks, beats: Tasks, within: float, *, hung: bool) -> None:
    """End a process by closing its standard input; kill it where that does not help, at once if it is `hung`.

    `within` is in seconds, for each step: asking, killing, reading what is left. `beats` are cancelled already.
    """
    assert process.stdin
    process.stdin.close()
    if hung or not await _gone(process, within):
        log.warning("the engine does not end by itself and is killed")
        with suppress(ProcessLookupError):
            process.kill()
        await _gone(process, within)
    await asyncio.wait(readers, timeout=within)
    cancel(readers)
    await asyncio.gather(*readers, *beats, return_exceptions=True)


async def _gone(process: asyncio.subprocess.Process, within: float) -> bool:
    """Whether the process ends within the time for it."""
    try:
        await asyncio.wait_for(process.wait(), within)
    except TimeoutError:
        return process.returncode is not None
    return True
