"""A real HTTPS server for one file, with a CA of its own, that cuts connections as told."""

import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Script:
    """What the server does; `asked` fills as it is used."""

    content: bytes
    etag: str | None = '"v1"'
    cuts: list[int] = field(default_factory=list)
    """Bytes after which each next answer breaks off; whole answers once it is empty."""
    statuses: list[int] = field(default_factory=list)
    """Errors to answer with first."""
    shift: int = 0
    """How far what a 206 says of its range is off."""
    redirect: str | None = None
    asked: list[str | None] = field(default_factory=list)
    """The Range header of each request."""
    authorized: list[str | None] = field(default_factory=list)
    """Its Authorization header."""


class _Handler(BaseHTTPRequestHandler):
    script: Script

    def do_HEAD(self) -> None:
        etag = {"ETag": self.script.etag} if self.script.etag else {}
        self._headers(200, {"Content-Length": str(len(self.script.content)), **etag})

    def do_GET(self) -> None:
        script = self.script
        script.asked.append(self.headers.get("Range"))
        script.authorized.append(self.headers.get("Authorization"))
        if script.redirect:
            self._headers(302, {"Location": script.redirect, "Content-Length": "0"})
        elif script.statuses:
            self._headers(script.statuses.pop(0), {"Content-Length": "0"})
        else:
            self._send(self._start())

    def _start(self) -> int:
        """RFC 9110: the range counts only if If-Range, where given, names the current version."""
        wanted = self.headers.get("Range")
        if not wanted or self.headers.get("If-Range") not in (None, self.script.etag):
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def _send(self, start: int) -> None:
        content = self.script.content
        if start and start >= len(content):
            self._headers(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
            return
        body = content[start:]
        headers = {"Content-Length": str(len(body))}
        if self.script.etag:
            headers["ETag"] = self.script.etag
        if start:
            headers["Content-Range"] = f"bytes {start + self.script.shift}-{len(content) - 1}/{len(content)}"
        self._headers(206 if start else 200, headers)
        self.wfile.write(body[: self.script.cuts.pop(0)] if self.script.cuts else body)

    def _headers(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silence."""


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A CA's certificate, and a file with certificate and key of `localhost` signed by it."""
    if shutil.which("openssl") is None:
        raise FileNotFoundError("the certificate is made with openssl, which is not on PATH: install openssl")
    ca, key, host = folder / "ca.pem", folder / "ca.key", folder / "host.pem"
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    # Python 3.13 and newer trust no authority that does not say what its key is for
    own = [*new, "-subj", "/CN=test CA", "-addext", "keyUsage=critical,keyCertSign", "-keyout", key, "-out", ca]
    signed = [*new, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext"]
    signed += ["basicConstraints=critical,CA:FALSE", "-CA", ca, "-CAkey", key]
    subprocess.run(own, check=True, capture_output=True)
    subprocess.run([*signed, "-keyout", folder / "host.key", "-out", host], check=True, capture_output=True)
    host.write_bytes(host.read_bytes() + (folder / "host.key").read_bytes())
    return ca, host


@contextmanager
def serving(script: Script, certificate: Path) -> Iterator[str]:
    """The file's URL while the context lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"script": script}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}/model.gguf"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
