"""One file over HTTP, resumed where it was cut. Writes the part file and a note of what it is a part of."""

import errno
import logging
import os
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage, HTTPResponse
from io import FileIO
from pathlib import Path

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.files import read_note, write_note
from inferfleet_runtime.weights.sources.http_client import ATTEMPTS, MAX_DELAY, TRANSIENT, Http, refuse_untrusted, shown
from inferfleet_runtime.weights.sources.remote import RemoteFile

log = logging.getLogger(__name__)

_BLOCK = 2**20
_PROGRESS_EVERY = 10.0
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a write says when the disk, a quota or a limit is reached."""
Report = Callable[[int, int | None], None]
"""Told how many bytes are there, and of how many where that is known."""


class _CutError(Exception):
    """Worth another attempt."""


@dataclass(frozen=True)
class Download:
    """A file on its way into `part`."""

    file: RemoteFile
    part: Path
    may_resume_blindly: bool
    """Whether a digest will be checked: else a part is only trusted with the server's validator."""
    http: Http
    report: Report

    @property
    def _note(self) -> Path:
        return self.part.with_name(self.part.name + ".json")

    @property
    def _identity(self) -> str:
        """A part of another version is no part of this file."""
        return self.file.identity

    def run(self) -> None:
        """Leave the whole file in `part`. Raises CommandError when it cannot be had."""
        failures = 0
        while True:
            before = self._held()
            try:
                self._attempt()
            except _CutError as cut:
                failures = 0 if self._held() > before else failures + 1
                self._back_off(str(cut), failures)
            else:
                self._note.unlink(missing_ok=True)
                return

    def _held(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _back_off(self, reason: str, failures: int) -> None:
        url = shown(self.file.url)
        if failures >= ATTEMPTS:
            raise CommandError(f"{url}: {reason}; gave up after {failures} attempts that brought nothing")
        delay = min(MAX_DELAY, 2.0 ** max(0, failures - 1))
        fields = {"url": url, "reason": reason, "retry_in_seconds": delay, "bytes": self._held()}
        log.warning("download was cut", extra=fields)
        self.http.clock.sleep(delay)

    def _attempt(self) -> None:
        start, headers = self._resume_from()
        try:
            with self.http.open(self.file.url, {**self.file.sign(), **headers}) as response:
                partial = response.status == HTTPStatus.PARTIAL_CONTENT
                if partial:
                    self._refuse_another_range(response.headers, start)
                self._receive(response, start if partial else 0)
        except urllib.error.HTTPError as error:
            self._judge(error, start)
        except (OSError, HTTPException) as error:
            refuse_untrusted(self.file.url, error)
            raise _CutError(f"{type(error).__name__}: {error}") from error

    def _resume_from(self) -> tuple[int, dict[str, str]]:
        pinned = {"If-Match": self.file.etag} if self.file.etag else {}
        held = self._held()
        note = read_note(self._note) or {}
        if not held or note.get("url") != self._identity:
            return 0, pinned
        ranged = {"Range": f"bytes={held}-", **pinned}
        if not pinned and (validator := note.get("validator")):
            return held, {**ranged, "If-Range": validator}
        return (held, ranged) if self.may_resume_blindly or pinned else (0, pinned)

    def _judge(self, error: urllib.error.HTTPError, start: int) -> None:
        error.close()
        complete = f"bytes */{start}"
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            # a server that does not say how long the file is leaves that to the digest
            whole = error.headers.get("Content-Range")
            if whole == complete or (whole is None and start == self.file.size):
                return
            self.part.unlink()
            raise _CutError("the server's file changed")
        if error.code in TRANSIENT:
            raise _CutError(f"HTTP {error.code} {error.reason}")
        raise CommandError(f"{shown(self.file.url)}: HTTP {error.code} {error.reason}; {_advice(error.code)}")

    def _refuse_another_range(self, headers: HTTPMessage, start: int) -> None:
        """RFC 9110, 14.4: a part says where it begins. Written elsewhere it would damage what is there."""
        if not headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            self.part.unlink(missing_ok=True)
            raise _CutError(f"asked for the bytes from {start}, the server sent others")

    @contextmanager
    def _here(self) -> Iterator[None]:
        """This side of the network: another attempt would not help."""
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise CommandError(self._full()) from error
            raise CommandError(
                f"{self.file.uri}: {self.part} cannot be written: {error.strerror or error}; check the volume"
            ) from error

    def _receive(self, response: HTTPResponse, start: int) -> None:
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else self.file.size
        with self._here():
            self._write_note(response.headers)
            self._refuse_too_large(start, total)
            # without a buffer: what does not fit is known where it is written, and not once more on closing
            opened = self.part.open("r+b" if start else "wb", buffering=0)
        with opened as file:
            file.seek(start)
            held = self._copy(response, file, start, total)
        if total is not None and held < total:
            raise _CutError(f"the connection ended at byte {held} of {total}")

    def _refuse_too_large(self, start: int, total: int | None) -> None:
        """Before the first byte: hours of download that end in a full disk help nobody."""
        disk = os.statvfs(self.part.parent)
        reusable = self._held() if not start else 0
        if total is not None and total - start > disk.f_bavail * disk.f_frsize + reusable:
            raise CommandError(self._full(total))

    def _full(self, total: int | None = None) -> str:
        needed = f"its {total} bytes" if total else "it"
        return (
            f"{self.file.uri}: no room for {needed} in {self.part.parent} ({self._held()} bytes are there): make room"
        )

    def _write_note(self, headers: HTTPMessage) -> None:
        etag = headers.get("ETag", "")
        # RFC 9110, 13.1.5: a weak ETag must not be sent in If-Range
        validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")
        write_note(self._note, {"url": self._identity, "validator": validator})

    def _copy(self, response: HTTPResponse, file: FileIO, held: int, total: int | None) -> int:
        now = self.http.clock.now
        began, first = now(), held
        reported = began
        self.report(held, total)
        while block := response.read(_BLOCK):
            with self._here():
                _write(file, block)
            held += len(block)
            self.report(held, total)
            if now() - reported >= _PROGRESS_EVERY:
                reported = now()
                rate = round((held - first) / (reported - began))
                log.info("downloading", extra={"bytes": held, "total": total, "bytes_per_second": rate})
        return held


def _write(file: FileIO, block: bytes) -> None:
    rest = memoryview(block)
    while rest:  # a disk that fills up takes what still fits, and then says so
        rest = rest[file.write(rest) :]


def _advice(status: int) -> str:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return "check the credentials of the source, and whether they may read it"
    if status == HTTPStatus.PRECONDITION_FAILED:
        return "the file changed while it was downloaded; the next attempt begins anew"
    return "check the source of the model"
