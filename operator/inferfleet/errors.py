"""What can go wrong between us and an API server, sorted by what the caller must do. Pure.

| class | what happened | what to do |
|---|---|---|
| `Conflict` | somebody wrote first, or the object is not the one meant | read again, decide again |
| `NotFound` | the object or its kind is not there | decide again |
| `Gone` | the resourceVersion is too old to continue from | list again |
| `Rejected` | the request itself is wrong or forbidden | tell the user; a retry changes nothing by itself |
| `Transient` | passing trouble of the server or the network | retry later |
"""

# ruff: noqa: N818  these are read as `errors.Conflict`: what happened, in the server's own terms


class ApiError(Exception):
    """Base of all errors that `kube` raises."""

    def __init__(self, message: str, *, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status, or 0 when there was no answer."""
        self.reason = reason
        """The server's CamelCase reason, such as `AlreadyExists`; may be empty."""
        self.message = message
        """The server's words where it spoke, else ours."""


class Conflict(ApiError):
    """409: a stale resourceVersion, another uid, or (reason `AlreadyExists`) a name that is taken."""


class NotFound(ApiError):
    """404: the object, or the kind itself, does not exist."""


class Gone(ApiError):
    """410: the history from this resourceVersion is no longer kept."""


class Rejected(ApiError):
    """400, 403, 422 and the rest of 4xx: wrong, forbidden, or over a quota."""


class Transient(ApiError):
    """429, 5xx, time-outs, broken connections, and a 401 that outlived a refresh of the credentials."""

    def __init__(self, message: str, *, status: int = 0, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, status=status, reason=reason)
        self.retry_after = retry_after
        """Seconds the server asked us to wait, where it did."""


_BAD_APPLY = "failed to create typed patch object"
"""How a server-side apply with an unknown field or a wrong type begins its answer, which is a 500 (seen on
kube-apiserver 1.36); as a passing error it would be retried for ever."""


def from_status(status: int, reason: str, message: str, *, retry_after: float | None = None) -> ApiError:
    """The error for an HTTP status of 400 or more."""
    if status == 500 and message.startswith(_BAD_APPLY):
        return Rejected(message, status=status, reason=reason or "Invalid")
    if status in (401, 408, 429) or status >= 500:
        return Transient(message, status=status, reason=reason, retry_after=retry_after)
    kinds: dict[int, type[ApiError]] = {404: NotFound, 409: Conflict, 410: Gone}
    return kinds.get(status, Rejected)(message, status=status, reason=reason)
