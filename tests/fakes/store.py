"""What the fakes of stores share: a real HTTP server, ranges, validators, and connections that are cut as told."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    """With the query, as sent."""
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def json(cls, content: object, headers: Mapping[str, str] | None = None) -> "Reply":
        """A whole JSON answer."""
        return cls(200, {"Content-Type": "application/json", **(headers or {})}, json.dumps(content).encode())


@dataclass(frozen=True)
class Stored:
    """A file that can be downloaded."""

    content: bytes
    etag: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Store:
    """A server; subclasses say what it answers."""

    base: str = ""
    """Its address, once it serves."""
    cuts: list[int] = field(default_factory=list)
    """Bytes after which each next answer to a GET of a file breaks off."""
    busy: int = 0
    """Requests to answer with 503 first."""
    asked: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, asked: Asked) -> Reply:
        """What a request gets."""
        raise NotImplementedError

    def stored(self, asked: Asked, file: Stored) -> Reply:
        """A file or a part of it (RFC 9110): If-Match must name it, a range must begin inside of it."""
        headers = {**file.headers, **({"ETag": file.etag} if file.etag else {})}
        wanted = asked.headers.get("If-Match")
        if wanted and wanted != file.etag:
            return Reply(412, headers)
        ranged, conditional = asked.headers.get("Range"), asked.headers.get("If-Range")
        if not ranged or asked.method == "HEAD" or conditional not in (None, file.etag):
            return Reply(200, headers, file.content)
        start = int(ranged.removeprefix("bytes=").removesuffix("-"))
        if start >= len(file.content):
            return Reply(416, {"Content-Range": f"bytes */{len(file.content)}"})
        size = len(file.content)
        headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        return Reply(206, headers, file.content[start:])

    def files_asked(self) -> list[Asked]:
        """GETs of content: those that a cut can hit."""
        return [a for a in self.asked if a.method == "GET" and self.is_content(a)]

    def is_content(self, asked: Asked) -> bool:
        """Whether a request is for a file's bytes."""
        return True


class _Handler(BaseHTTPRequestHandler):
    store: Store
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked, store = Asked(self.command, self.path, dict(self.headers.items()), body), self.store
        with store.lock:
            store.asked.append(asked)
            store.busy -= (refuse := store.busy > 0)
            reply = Reply(503) if refuse else store.answer(asked)
            content = reply.status in (200, 206) and asked.method == "GET" and store.is_content(asked)
            cut = store.cuts.pop(0) if content and store.cuts else None
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if asked.method != "HEAD":
            self.wfile.write(reply.body[:cut] if cut is not None else reply.body)

    def log_message(self, *_: object) -> None:
        """Silence."""


@contextmanager
def serving(store: Store, host: str = "127.0.0.1") -> Iterator[str]:
    """Its address while the context lasts."""
    server = ThreadingHTTPServer((host, 0), type("Handler", (_Handler,), {"store": store}))
    store.base = f"http://{host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield store.base
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
