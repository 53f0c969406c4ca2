"""One file over HTTPS, resumed where it was cut. Writes the part file and a note of what it is a part of."""

import http.client
import logging
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.files import read_note, write_note

log = logging.getLogger(__name__)

_BLOCK = 2**20
_TIMEOUT = 60.0
"""Seconds without a byte after which a connection counts as cut."""
_ATTEMPTS = 6
"""Attempts in a row that may bring nothing."""
_MAX_DELAY = 30.0
_PROGRESS_EVERY = 10.0
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Clock:
    """Time, as an argument."""

    now: Callable[[], float]
    """Monotonic seconds."""
    sleep: Callable[[float], None]


class _CutError(Exception):
    """Worth another attempt."""


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://"):
            raise CommandError(f"{req.full_url}: redirects to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@dataclass(frozen=True)
class Download:
    """A URL on its way into `part`. Certificates: the system's, or the file that SSL_CERT_FILE names."""

    url: str
    part: Path
    may_resume_blindly: bool
    """Whether a digest will be checked: else a part is only trusted with the server's validator."""
    clock: Clock

    @property
    def _note(self) -> Path:
        return self.part.with_name(self.part.name + ".json")

    def run(self) -> None:
        """Leave the whole file in `part`. Raises CommandError when it cannot be had."""
        opener = urllib.request.build_opener(
            _HttpsOnly(), urllib.request.HTTPSHandler(context=ssl.create_default_context())
        )
        failures = 0
        while True:
            before = self._held()
            try:
                self._attempt(opener)
            except _CutError as cut:
                failures = 0 if self._held() > before else failures + 1
                self._back_off(str(cut), failures)
            else:
                self._note.unlink(missing_ok=True)
                return

    def _held(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _back_off(self, reason: str, failures: int) -> None:
        if failures >= _ATTEMPTS:
            raise CommandError(f"{self.url}: {reason}; gave up after {failures} attempts that brought nothing")
        delay = min(_MAX_DELAY, 2.0 ** max(0, failures - 1))
        fields = {"url": self.url, "reason": reason, "retry_in_seconds": delay, "bytes": self._held()}
        log.warning("download was cut", extra=fields)
        self.clock.sleep(delay)

    def _attempt(self, opener: urllib.request.OpenerDirector) -> None:
        start, headers = self._resume_from()
        request = urllib.request.Request(self.url, headers=headers)  # noqa: S310 - the contract admits https only
        try:
            with opener.open(request, timeout=_TIMEOUT) as response:
                self._receive(response, start if response.status == http.HTTPStatus.PARTIAL_CONTENT else 0)
        except urllib.error.HTTPError as error:
            self._judge(error, start)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(getattr(error, "reason", error), ssl.SSLCertVerificationError):
                raise CommandError(f"{self.url}: {error}; SSL_CERT_FILE may name a file of trusted CAs") from error
            raise _CutError(f"{type(error).__name__}: {error}") from error

    def _resume_from(self) -> tuple[int, dict[str, str]]:
        held = self._held()
        note = read_note(self._note) or {}
        if not held or note.get("url") != self.url:
            return 0, {}
        if validator := note.get("validator"):
            return held, {"Range": f"bytes={held}-", "If-Range": validator}
        return (held, {"Range": f"bytes={held}-"}) if self.may_resume_blindly else (0, {})

    def _judge(self, error: urllib.error.HTTPError, start: int) -> None:
        error.close()
        complete = f"bytes */{start}"
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            if error.headers.get("Content-Range") == complete:
                return
            self.part.unlink()
            raise _CutError("the server's file changed")
        if error.code in _TRANSIENT:
            raise _CutError(f"HTTP {error.code} {error.reason}")
        raise CommandError(f"{self.url}: HTTP {error.code} {error.reason}; check the source of the model")

    def _receive(self, response: http.client.HTTPResponse, start: int) -> None:
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        self._write_note(response.headers)
        with self.part.open("r+b" if start else "wb") as file:
            file.seek(start)
            held = self._copy(response, file, start, total)
        if total is not None and held < total:
            raise _CutError(f"the connection ended at byte {held} of {total}")

    def _write_note(self, headers: http.client.HTTPMessage) -> None:
        etag = headers.get("ETag", "")
        # RFC 9110, 13.1.5: a weak ETag must not be sent in If-Range
        validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")
        write_note(self._note, {"url": self.url, "validator": validator})

    def _copy(self, response: http.client.HTTPResponse, file: IO[bytes], held: int, total: int | None) -> int:
        began, first = self.clock.now(), held
        reported = began
        while block := response.read(_BLOCK):
            file.write(block)
            held += len(block)
            now = self.clock.now()
            if now - reported >= _PROGRESS_EVERY:
                reported = now
                rate = round((held - first) / (now - began))
                log.info("downloading", extra={"bytes": held, "total": total, "bytes_per_second": rate})
        return held
