"""How far `fetch` is, for whoever scrapes the pod meanwhile. Listens on the pod's port.

Nothing else listens there yet: `serve` starts when `fetch` is done.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from inferfleet_runtime.contract import METRICS_PATH, Metric
from inferfleet_runtime.weights.download import Report

log = logging.getLogger(__name__)


class Progress:
    """Bytes of each file, there and in all."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._there: dict[str, int] = {}
        self._total: dict[str, int] = {}

    def expect(self, name: str, size: int | None) -> None:
        """Say that a file will come."""
        self._there.setdefault(name, 0)
        if size is not None:
            self._total[name] = size

    def report(self, name: str) -> Report:
        """What a download of that file tells."""

        def told(there: int, total: int | None) -> None:
            self._there[name] = there
            self.expect(name, total)

        return told

    def bytes(self) -> tuple[int, int]:
        """There, and in all: as far as is known, at least what is there."""
        there, total = dict(self._there), dict(self._total)
        return sum(there.values()), sum(max(size, total.get(name, 0)) for name, size in there.items())

    def exposition(self) -> str:
        """In Prometheus's text format."""
        label = f'{{model_name="{self._model}"}}'
        there, total = self.bytes()
        return "".join(
            f"# HELP {name} {text}\n# TYPE {name} gauge\n{name}{label} {value}\n"
            for name, text, value in (
                (Metric.FETCH_BYTES, "Bytes of the model's files that are there.", there),
                (Metric.FETCH_TOTAL_BYTES, "Bytes of the model's files in all, as far as is known.", total),
            )
        )


@contextmanager
def exposed(progress: Progress, port: int) -> Iterator[int]:
    """Answer scrapes while the context lasts; the port. Where it is taken, a warning: the fetch matters more."""
    try:
        server = ThreadingHTTPServer(("", port), type("Handler", (_Handler,), {"progress": progress}))
    except OSError as error:
        log.warning("progress is not exposed", extra={"port": port, "reason": str(error)})
        yield 0
        return
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    progress: Progress
    timeout = 10

    def do_GET(self) -> None:
        found = self.path == METRICS_PATH
        body = self.progress.exposition().encode() if found else b"not ready: the model is being fetched\n"
        self.send_response(200 if found else 503)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silence: a scrape is no event."""
