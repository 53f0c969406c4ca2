"""The process that decodes one file. Starts it, and ends it with who waits."""

import asyncio
import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

from inferfleet_runtime.api.sound import UNREADABLE, SoundError

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "inferfleet_runtime.hosts.speech.sound")
_UNHEARD = 3
"""Exit code; of `sound`, which imports PyAV and so cannot be imported here."""


async def decode(file: IO[bytes], longest: float, command: Sequence[str] = COMMAND) -> bytes:
    """Sound of a file, as `api.sound` has it. Raises SoundError, also for more than `longest` seconds.

    Cancelling ends the process before it returns: nothing of it is left when the next begins.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, str(longest), stdin=file.fileno(), stdout=pipe, stderr=pipe, start_new_session=True
    )
    try:
        sound, words = await process.communicate()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            # not wait(): that ends only when what is written is read
            await process.communicate()
    if process.returncode == 0:
        return sound
    if process.returncode == _UNHEARD:
        raise SoundError(words.decode())
    # the error's type alone: its message may quote the file
    last = words.decode(errors="replace").strip().rpartition("\n")[2].partition(":")[0]
    log.warning("a file ended its decoder", extra={"exit_code": process.returncode, "error": last[:80]})
    raise SoundError(UNREADABLE)
