"""What the server needs of an engine. Pure: the protocol and its errors."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class BackendError(Exception):
    """The engine cannot be reached, or ended before its answer did."""


class UnsentError(BackendError):
    """The engine never got the request: another engine may be asked."""


class Reply(Protocol):
    """An engine's answer to one request. Leaving its context before the end cancels the request."""

    @property
    def status(self) -> int:
        """HTTP status; the body of anything but 200 is llama.cpp's `{"error": {...}}`."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, cut anywhere. Raises BackendError."""

    async def read(self) -> bytes:
        """The whole body. Raises BackendError."""


class Backend(Protocol):
    """An engine that speaks the OpenAI API as llama.cpp's server does."""

    def post(self, path: str, body: Mapping[str, Any], salt: str = "") -> AbstractAsyncContextManager[Reply]:
        """Begin a request; nothing cached under another `salt` is used for it. Raises BackendError on entering,
        UnsentError where the engine cannot have begun with it.
        """

    async def vocabulary(self) -> int:
        """How many token ids the model knows. Raises BackendError."""

    def counters(self) -> Mapping[str, float]:
        """What the engine has counted since it started, by the names of `contract.Metric`."""

    def problem(self) -> str:
        """Why the engine can serve no more; empty while it works."""
