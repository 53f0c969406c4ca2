"""What runs in an engine's process: it makes what it is asked for, one after the other.

A step takes up to minutes, and loading holds Python's global lock; here neither delays a health check.
Reads settings (JSON of `TorchSettings`) from the command line and messages on standard input, writes messages on
standard output (`messages`), and ends at once when its input does: so it never outlives the process that started it.
"""

import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, BinaryIO, Generic, NoReturn, Protocol, TypeVar

from inferfleet_runtime.engines.pytorch import TorchSettings
from inferfleet_runtime.hosts.media import messages
from inferfleet_runtime.hosts.media.messages import Dialect
from inferfleet_runtime.hosts.media.weights import UnfitError

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
Facts_co = TypeVar("Facts_co", covariant=True)
Asked_contra = TypeVar("Asked_contra", contravariant=True)
Made_co = TypeVar("Made_co", covariant=True)


class RefusedError(Exception):
    """The engine does not take this request."""

    def __init__(self, message: str, code: str) -> None:
        """For the client, in the API's words."""
        super().__init__(message)
        self.code = code


class CancelledError(Exception):
    """Nobody waits for the result."""


class Engine(Protocol[Facts_co, Asked_contra, Made_co]):
    """A loaded model. For one thread."""

    @property
    def facts(self) -> Facts_co:
        """What requests must know of it."""

    def make(self, asked: Asked_contra, step: Callable[[int], bool]) -> Made_co:
        """Make one; `step` hears of each finished step and says whether to go on.

        Raises RefusedError and CancelledError.
        """


class _Out:
    """Standard output for messages alone; what libraries print goes to standard error."""

    def __init__(self) -> None:
        self._file: BinaryIO = os.fdopen(os.dup(1), "wb")
        self._lock = threading.Lock()
        os.dup2(2, 1)

    def send(self, message: Mapping[str, Any], content: bytes = b"") -> None:
        with self._lock:
            self._file.write(messages.line(message, content))
            self._file.flush()


class _Inbox:
    """Messages of standard input: what to make in order, what to stop at once.

    Written by the reader's thread, asked by the other: single operations of sets and dictionaries are atomic.
    """

    def __init__(self) -> None:
        self.wanted: queue.SimpleQueue[int] = queue.SimpleQueue()
        """Ids, also of what was cancelled meanwhile: each is answered in its turn."""
        self.waiting: dict[int, tuple[Mapping[str, Any], bytes]] = {}
        self.cancelled: set[int] = set()

    def put(self, message: Mapping[str, Any], content: bytes) -> None:
        """Keep what to make, with its content, until it is made or cancelled."""
        self.waiting[message["id"]] = message, content
        self.wanted.put(message["id"])

    def cancel(self, number: int) -> None:
        """Stop it after its step; what has not begun takes no memory from now on, however long others take."""
        self.cancelled.add(number)
        self.waiting.pop(number, None)

    def read(self, out: _Out) -> None:
        """Until the input ends, and with it the process: nobody is there to take a result."""
        for line in iter(sys.stdin.buffer.readline, b""):
            message = json.loads(line)
            content = sys.stdin.buffer.read(message.get("bytes", 0))
            if message.get("ping"):
                out.send({"pong": True})
            elif message.get("cancel"):
                self.cancel(message["id"])
            else:
                self.put(message, content)
        os._exit(0)


@dataclass(frozen=True)
class _Work(Generic[messages.Facts, messages.Asked, messages.Made]):
    engine: Engine[messages.Facts, messages.Asked, messages.Made]
    dialect: Dialect[messages.Facts, messages.Asked, messages.Made]


def work(
    load: Callable[[TorchSettings], Engine[messages.Facts, messages.Asked, messages.Made]],
    dialect: Dialect[messages.Facts, messages.Asked, messages.Made],
) -> NoReturn:
    """Load, say so, and make what is asked for; `load` may import what takes seconds."""
    out, inbox = _Out(), _Inbox()
    settings = TorchSettings(**json.loads(sys.argv[1]))
    # before the imports: some seconds in which the server may already end
    threading.Thread(target=inbox.read, args=(out,), daemon=True).start()
    os.environ |= _ENVIRONMENT
    try:
        engine = load(settings)
    except ModuleNotFoundError as lacking:
        _give_up(f"{lacking}: this engine needs the extra `media`, which the image's target `media` has")
    except (UnfitError, OSError, ValueError, RuntimeError) as error:
        _give_up(str(error))
    except Exception as defect:
        _give_up(f"{type(defect).__name__}: {defect}")
    out.send({"hello": dialect.write_facts(engine.facts)})
    while True:
        _make(_Work(engine, dialect), inbox.wanted.get(), (out, inbox))


def _give_up(reason: str) -> NoReturn:
    print(f"E {reason}".replace("\n", " "), file=sys.stderr, flush=True)  # noqa: T201 - the reason, for the server
    # Python's own end would abort: the other thread holds the lock of standard input
    os._exit(1)


def _make(what: _Work[messages.Facts, messages.Asked, messages.Made], number: int, ends: tuple[_Out, _Inbox]) -> None:
    out, inbox = ends
    taken = inbox.waiting.pop(number, None)

    def step(index: int) -> bool:
        out.send({"id": number, "step": index})
        return number not in inbox.cancelled

    try:
        if taken is None:  # cancelled before its turn
            raise CancelledError
        message, content = taken
        made = what.engine.make(what.dialect.read_asked(message["make"], content), step)
        said, made_content = what.dialect.write_made(made)
        out.send({"id": number, "made": said}, made_content)
    except CancelledError:
        out.send({"id": number, "cancelled": True})
    except RefusedError as refusal:
        out.send({"id": number, "refused": str(refusal), "code": refusal.code})
    except Exception as defect:
        _report(defect)
        out.send({"id": number, "failed": type(defect).__name__})
    inbox.cancelled.discard(number)


def _report(defect: Exception) -> None:
    """Where it came from. Not its message: that may quote the prompt."""
    frames = traceback.extract_tb(defect.__traceback__)[-_FRAMES:]
    places = " < ".join(f"{frame.name} {os.path.basename(frame.filename)}:{frame.lineno}" for frame in reversed(frames))
    print(f"E {type(defect).__name__} at {places}", file=sys.stderr, flush=True)  # noqa: T201
