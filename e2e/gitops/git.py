"""Git repositories over smart HTTP, by git's own `http-backend` behind a small server. Writes, below one folder.

The server lives in a thread of this process and ends with it, so that nothing has to be removed. It is read-only:
`http-backend` refuses pushes of clients that did not log in, and commits are made on the files directly.
"""

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from e2e.cluster.host import Need
from e2e.cluster.shell import run

NEEDS = (Need("git", "git"),)
"""Of this machine; its `http-backend` is in the same package."""
LARGEST_REQUEST = 1 << 20
"""Bytes of a fetch's wishes; ours are below 1 kB."""
SETTINGS: Mapping[str, str] = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_AUTHOR_NAME": "story",
    "GIT_AUTHOR_EMAIL": "story@inferfleet.local",
    "GIT_COMMITTER_NAME": "story",
    "GIT_COMMITTER_EMAIL": "story@inferfleet.local",
}
"""Nothing of this machine's user gets in."""


@dataclass(frozen=True)
class Repository:
    """A working tree on the branch `main`."""

    folder: Path

    @property
    def name(self) -> str:
        """The last part of its URL."""
        return self.folder.name

    def commit(self, message: str) -> str:
        """Commit all that is in the working tree; returns the revision. ClusterError where nothing changed."""
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", message)
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *arguments: str) -> str:
        return run(["git", *arguments], cwd=self.folder, env={**os.environ, **SETTINGS})


def create(folder: Path) -> Repository:
    """Make a repository of a folder that is there."""
    run(["git", "init", "--quiet", "--initial-branch=main", folder], env={**os.environ, **SETTINGS})
    return Repository(folder)


@contextmanager
def serve(root: Path, address: str) -> Iterator[str]:
    """Serve every repository directly below `root` while the context lasts; yields the base URL."""
    server = ThreadingHTTPServer((address, 0), partial(_Handler, root))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{address}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def environment(root: Path, method: str, target: str, headers: Mapping[str, str]) -> dict[str, str]:
    """What CGI (RFC 3875) and git-http-backend(1) say the program must be told. Pure."""
    url = urlsplit(target)
    told = {
        "GIT_PROJECT_ROOT": str(root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "REQUEST_METHOD": method,
        "PATH_INFO": url.path,
        "QUERY_STRING": url.query,
        "CONTENT_TYPE": headers.get("Content-Type", ""),
        "CONTENT_LENGTH": headers.get("Content-Length", "0"),
        "HTTP_CONTENT_ENCODING": headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": headers.get("Git-Protocol", ""),
    }
    return {name: value for name, value in told.items() if value}


def parse(output: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of what a CGI program wrote. Pure."""
    head, _, body = output.partition(b"\r\n\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in head.decode().splitlines())]
    status = next((value for name, value in headers if name == "Status"), "200 OK")
    return int(status.split()[0]), [pair for pair in headers if pair[0] != "Status"], body


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, root: Path, *arguments: object) -> None:
        self._root = root
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        if "Content-Length" not in self.headers:
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
        elif (length := int(self.headers["Content-Length"])) > LARGEST_REQUEST:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            self._answer(self.rfile.read(length))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: a poll every two seconds is no news."""

    def _answer(self, body: bytes) -> None:
        env = environment(self._root, self.command, self.path, dict(self.headers.items()))
        path = {"PATH": os.environ.get("PATH", os.defpath)}
        done = subprocess.run(
            ["git", "http-backend"], input=body, env={**path, **SETTINGS, **env}, capture_output=True, check=False
        )
        status, headers, content = parse(done.stdout) if done.stdout else (500, [], done.stderr)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
