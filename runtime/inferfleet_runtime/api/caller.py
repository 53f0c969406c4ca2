"""Who asks, how urgently and until when: what the headers of a request say. Pure."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.contract import HEADER_PRIORITY, HEADER_TENANT, HEADER_TIMEOUT, Requests

_TENANT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_PRIORITY = re.compile(r"[+-]?[0-9]{1,9}")


@dataclass(frozen=True)
class Caller:
    """What holds for one request."""

    tenant: str = ""
    """Empty where nobody trustworthy names one."""
    priority: int = 0
    """Higher is served first."""
    timeout: float | None = None
    """Seconds from its arrival after which the answer is worth nothing."""
    later: bool = False
    """Whether it may wait: its priority is below the class's, so that it goes after the others."""

    def waiting_for_others(self, known: Requests) -> "Caller":
        """As one that says of itself that it may wait: who only lowers himself needs nobody's word."""
        return replace(self, priority=min(self.priority, known.priority - 1), later=True)


def caller(headers: Mapping[str, str], known: Requests) -> Caller:
    """Read from headers whose names are case-insensitive. Raises ApiError that names the header."""
    limits = [limit for limit in (known.deadline_seconds, _timeout(headers)) if limit is not None]
    timeout = min(limits, default=None)
    if not known.trusted_headers:
        return Caller(priority=known.priority, timeout=timeout)
    priority = _priority(headers, known.priority)
    return Caller(_tenant(headers), priority, timeout, later=priority < known.priority)


def _timeout(headers: Mapping[str, str]) -> float | None:
    text = headers.get(HEADER_TIMEOUT)
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise ApiError(400, f"{HEADER_TIMEOUT} must be a positive number of seconds", param=HEADER_TIMEOUT)
    return seconds


def _tenant(headers: Mapping[str, str]) -> str:
    name = headers.get(HEADER_TENANT, "")
    if name and not _TENANT.fullmatch(name):
        message = f"{HEADER_TENANT} must be 1 to 63 letters, digits, dots, dashes and underscores"
        raise ApiError(400, message, param=HEADER_TENANT)
    return name


def _priority(headers: Mapping[str, str], default: int) -> int:
    text = headers.get(HEADER_PRIORITY)
    if text is None:
        return default
    if not _PRIORITY.fullmatch(text):
        raise ApiError(400, f"{HEADER_PRIORITY} must be a whole number of at most nine digits", param=HEADER_PRIORITY)
    return int(text)
