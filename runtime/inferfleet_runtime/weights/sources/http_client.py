"""HTTP for what brings model files: one opener, and small answers that are read whole. Reads the network.

A token goes to the origin that it was given for and no further: a redirect to another origin (a content network's
signed address) is followed without it.
"""

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import Message
from typing import IO, Any
from urllib.parse import urlencode, urlsplit

from inferfleet_runtime import __version__
from inferfleet_runtime.errors import CommandError

TIMEOUT = 60.0
"""Seconds without a byte after which a connection counts as cut."""
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
ATTEMPTS = 6
MAX_DELAY = 30.0
_AGENT = f"inferfleet-runtime/{__version__}"
"""Some hosts refuse urllib's own."""
_LARGEST = 64 * 2**20
"""Bytes of an answer that is read whole: the listing of a large repository has some megabytes."""
_HARMLESS = frozenset({"accept", "if-range", "range", "user-agent"})
"""Headers that another origin may see."""


def _utc() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Clock:
    """Time, as an argument."""

    now: Callable[[], float]
    """Monotonic seconds."""
    sleep: Callable[[float], None]
    utc: Callable[[], datetime] = _utc
    """What signatures are dated with."""


@dataclass(frozen=True)
class Answer:
    """A whole answer, whatever its status."""

    url: str
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""

    def json(self) -> Any:
        """The body as JSON. Raises CommandError: a login page instead of an API is a common surprise."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise CommandError(
                f"{shown(self.url)}: the answer is no JSON ({self.body[:60]!r}); check the endpoint"
            ) from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if req.full_url.startswith("https://") and not newurl.startswith("https://"):
            raise CommandError(f"{shown(req.full_url)}: redirects to {shown(newurl)}, which is not https")
        followed = super().redirect_request(req, fp, code, msg, headers, newurl)
        if followed is not None and origin(newurl) != origin(req.full_url):
            followed.headers = {k: v for k, v in followed.headers.items() if k.lower() in _HARMLESS}
        if followed is not None and req.get_method() == "HEAD":
            followed.method = "HEAD"  # before Python 3.13 a redirect would turn it into GET
        return followed


def origin(url: str) -> str:
    """Scheme, host and port: whom a token is for, and who vouches for a digest."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True)
class Http:
    """Certificates: the system's, or the file that SSL_CERT_FILE names; proxies: as the environment says."""

    clock: Clock
    opener: urllib.request.OpenerDirector = field(
        default_factory=lambda: urllib.request.build_opener(
            _Redirects(), urllib.request.HTTPSHandler(context=ssl.create_default_context())
        )
    )

    def direct(self) -> "Http":
        """The same, never by way of a proxy: for what answers beside the pod and knows it by its address."""
        return replace(self, opener=urllib.request.build_opener(urllib.request.ProxyHandler({}), _Redirects()))

    def open(
        self, url: str, headers: Mapping[str, str], method: str = "GET", body: bytes | None = None
    ) -> http.client.HTTPResponse:
        """As urllib's: errors of HTTP and of the network are raised."""
        given = {"User-Agent": _AGENT, **headers}
        request = urllib.request.Request(url, body, given, method=method)  # noqa: S310 - schemes are ours
        response: http.client.HTTPResponse = self.opener.open(request, timeout=TIMEOUT)
        return response

    def get(self, url: str, sign: Callable[[], Mapping[str, str]] = dict, method: str = "GET") -> Answer:
        """Asked again while the server is busy or the network fails; other errors of HTTP are answers.

        `sign` gives the headers of each attempt. Raises CommandError.
        """
        return self._asked(url, lambda: self.open(url, sign(), method))

    def post(self, url: str, form: Mapping[str, str]) -> Answer:
        """The answer to a form, asked for as `get` does: what is secret in it is in no address. Raises CommandError."""
        headers, body = {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(form).encode()
        return self._asked(url, lambda: self.open(url, headers, "POST", body))

    def _asked(self, url: str, ask: Callable[[], http.client.HTTPResponse]) -> Answer:
        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self.clock.sleep(min(MAX_DELAY, 2.0 ** (attempt - 1)))
            answer, problem = _attempt(url, ask)
            if answer is not None and answer.status not in TRANSIENT:
                return answer
        raise CommandError(f"{shown(url)}: {problem}; gave up after {ATTEMPTS} attempts")


def _attempt(url: str, ask: Callable[[], http.client.HTTPResponse]) -> tuple[Answer | None, str]:
    try:
        with ask() as response:
            return _whole(url, response.status, response.headers, response), ""
    except urllib.error.HTTPError as error:
        with error:
            return _whole(url, error.code, error.headers, error), f"HTTP {error.code} {error.reason}"
    except (OSError, http.client.HTTPException) as error:
        refuse_untrusted(url, error)
        return None, f"{type(error).__name__}: {error}"


def refuse_untrusted(url: str, error: Exception) -> None:
    """Raise CommandError where the certificate is the problem: no other attempt would help."""
    if isinstance(getattr(error, "reason", error), ssl.SSLCertVerificationError):
        raise CommandError(f"{shown(url)}: {error}; SSL_CERT_FILE may name a file of trusted CAs") from error


def shown(url: str) -> str:
    """Without its query, which may hold a token or be a signature; what is no address of HTTP is shown whole."""
    return url.partition("?")[0] if url.startswith(("http://", "https://")) else url


def _whole(url: str, status: int, headers: Message, body: IO[bytes] | Any) -> Answer:
    content = body.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise CommandError(f"{shown(url)}: answers with more than {_LARGEST} bytes where a short answer belongs")
    return Answer(url, status, {k.lower(): v for k, v in headers.items()}, content)
