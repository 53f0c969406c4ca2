"""The process with the pipeline: `python -m inferfleet_runtime.hosts.diffusion.worker SETTINGS`. Internal.

A step takes up to minutes, and loading holds Python's global lock; here neither delays a health check.
Reads SETTINGS (JSON of `DiffusionSettings`) and messages on standard input, writes messages on standard output
(`messages`), and ends at once when its input does: so it never outlives the process that started it.
"""

import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, BinaryIO

from inferfleet_runtime.engines.diffusers import DiffusionSettings
from inferfleet_runtime.hosts.diffusion import messages

_FRAMES = 6
_ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        # nothing is ever fetched by the libraries: what serves was verified
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        # else OpenMP's threads spin while they wait for each other: a hundred times slower on CPUs that are shared
        "OMP_WAIT_POLICY": "PASSIVE",
    }
)


class _Out:
    """Standard output for messages alone; what libraries print goes to standard error."""

    def __init__(self) -> None:
        self._file: BinaryIO = os.fdopen(os.dup(1), "wb")
        self._lock = threading.Lock()
        os.dup2(2, 1)

    def send(self, line: bytes, content: bytes = b"") -> None:
        with self._lock:
            self._file.write(line + content)
            self._file.flush()


class _Inbox:
    """Messages of standard input: what to make in order, what to stop at once."""

    def __init__(self) -> None:
        self.wanted: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self.cancelled: set[int] = set()
        """Ids; written by the reader's thread, asked by the other: single operations of a set are atomic."""

    def read(self, out: _Out) -> None:
        """Until the input ends, and with it the process: nobody is there to take a result."""
        for line in sys.stdin.buffer:
            message = json.loads(line)
            if message.get("ping"):
                out.send(messages.PONG)
            elif message.get("cancel"):
                self.cancelled.add(message["id"])
            else:
                self.wanted.put(message)
        os._exit(0)


def main() -> int:
    """Load, say so, and make what is asked for, one after the other."""
    out, inbox = _Out(), _Inbox()
    settings = DiffusionSettings(**json.loads(sys.argv[1]))
    # before the imports: some seconds in which the server may already end
    threading.Thread(target=inbox.read, args=(out,), daemon=True).start()
    os.environ |= _ENVIRONMENT
    from inferfleet_runtime.hosts.diffusion import pipeline  # noqa: PLC0415 - seconds of imports

    try:
        engine = pipeline.Engine(settings)
    except (pipeline.UnfitError, OSError, ValueError, RuntimeError) as error:
        print(f"E {error}".replace("\n", " "), file=sys.stderr)  # noqa: T201 - the reason, for the server
        return 1
    out.send(messages.hello(engine.facts))
    while True:
        _make(pipeline, engine, inbox.wanted.get(), (out, inbox))


def _make(pipeline: Any, engine: Any, message: Mapping[str, Any], ends: tuple[_Out, _Inbox]) -> None:
    out, inbox = ends
    number = message["id"]

    def step(index: int) -> bool:
        out.send(messages.line({"id": number, "step": index}))
        return number not in inbox.cancelled

    try:
        if number in inbox.cancelled:
            raise pipeline.CancelledError
        made = engine.make(messages.read_generation(message), step)
        said = {"id": number, "bytes": len(made.content), "prompt_tokens": made.prompt_tokens}
        out.send(messages.line(said), made.content)
    except pipeline.CancelledError:
        out.send(messages.line({"id": number, "cancelled": True}))
    except pipeline.RefusedError as refusal:
        out.send(messages.line({"id": number, "refused": str(refusal), "code": refusal.code}))
    except Exception as defect:
        _report(defect)
        out.send(messages.line({"id": number, "failed": type(defect).__name__}))
    inbox.cancelled.discard(number)


def _report(defect: Exception) -> None:
    """Where it came from. Not its message: that may quote the prompt."""
    frames = traceback.extract_tb(defect.__traceback__)[-_FRAMES:]
    places = " < ".join(f"{frame.name} {os.path.basename(frame.filename)}:{frame.lineno}" for frame in reversed(frames))
    print(f"E {type(defect).__name__} at {places}", file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
