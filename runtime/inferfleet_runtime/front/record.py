"""The one log line of a request, whatever became of it: sizes, times and codes, never text. Writes to the log."""

import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from inferfleet_runtime.api.calls import Endpoint
from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.front.trace import Trace

log = logging.getLogger(__name__)

_FRAMES = 8
_BROKEN: Mapping[int, str] = MappingProxyType({502: "engine lost", 504: "late"})


@dataclass
class Record:
    """What is known of one request so far."""

    endpoint: Endpoint
    arrived: float
    """Monotonic seconds."""
    outcome: str = "cancelled"
    """What it stays when the client goes before anything else has become of the request."""
    status: int | None = None
    code: str | None = None
    stream: bool | None = None
    """None until the request was understood."""
    trace: Trace | None = None

    def failed(self, error: ApiError) -> None:
        """The answer is an error."""
        self.outcome = "failed" if error.status >= 500 else "refused"
        self.status, self.code = error.status, error.code or error.type

    def broke(self, error: ApiError) -> None:
        """The answer had begun and ends in an error."""
        self.outcome, self.code = _BROKEN.get(error.status, "failed"), error.code or error.type

    def write(self, now: float) -> None:
        """Log it; `now` gives monotonic seconds."""
        fields: dict[str, Any] = {"seconds": round(now - self.arrived, 4)}
        if self.trace:
            fields |= self.trace.fields()
        known = {"endpoint": self.endpoint, "status": self.status, "code": self.code, "stream": self.stream}
        fields |= {name: value for name, value in known.items() if value is not None}
        log.info("request", extra={"outcome": self.outcome, **fields})


def log_defect(error: BaseException) -> None:
    """Log where an unexpected error came from. Not its message: that may quote the request."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    log.error("unexpected error", extra={"error": type(error).__name__, "at": places})
