"""A Prometheus on loopback that knows growth of counters, and refuses what a real one would refuse."""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import isnan
from typing import Any
from urllib.parse import parse_qs, urlsplit

import promql_parser

Labels = tuple[tuple[str, str], ...]
INCREASE = re.compile(r"sum by \(([a-z_, ]+)\) \(increase\(([a-z_]+)(?:\{namespace=\"([^\"]+)\"\})?\[(\d+)s\]\)\)")
COVERAGE = re.compile(r"count_over_time\(count\(inferfleet_leader\)\[(\d+)s:300s\]\)")


@dataclass
class FakePrometheus:
    """Counters grow by so much a second, all the time for which an operator was seen."""

    rates: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict)
    """By the counter's name and the labels of its series."""
    seen: float = 1e12
    """Seconds for which there was an operator."""
    token: str = ""
    questions: list[str] = field(default_factory=list)

    def answer(self, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        """`data` of the answer. Raises ValueError for what is no PromQL, KeyError for a parameter that is missing."""
        promql = form["query"]
        promql_parser.parse(promql)
        self.questions.append(promql)
        if path == "/api/v1/query":
            at = float(form["time"])
            values = [{"metric": dict(key), "value": [at, _text(v)]} for key, v in self._values(promql).items()]
            return {"resultType": "vector", "result": values}
        start, end, step = (float(form[name]) for name in ("start", "end", "step"))
        if step <= 0 or (end - start) / step > 11_000:
            raise ValueError("exceeded maximum resolution of 11,000 points per timeseries")
        times = [start + step * i for i in range(int((end - start) // step) + 1)]
        matrix = [
            {"metric": dict(key), "values": [[at, _text(v)] for at in times]} for key, v in self._values(promql).items()
        ]
        return {"resultType": "matrix", "result": matrix}

    def _values(self, promql: str) -> dict[Labels, float]:
        if found := COVERAGE.fullmatch(promql):
            steps = min(self.seen, float(found[1])) // 300
            return {(): steps} if steps else {}
        asked = INCREASE.fullmatch(promql)
        assert asked, f"the fake does not know how to answer {promql}"
        names, counter, namespace, seconds = asked[1].split(", "), asked[2], asked[3], min(self.seen, float(asked[4]))
        summed: dict[Labels, float] = {}
        for key, rate in self.rates.get(counter, {}).items():
            labels = dict(key)
            if namespace in (None, labels["namespace"]):
                group = tuple((name, labels[name]) for name in names if name in labels)
                summed[group] = summed.get(group, 0.0) + rate * seconds
        return summed


def _text(value: float) -> str:
    return "NaN" if isnan(value) else repr(value)


def series(**labels: str) -> Labels:
    """A key of `rates`."""
    return tuple(sorted(labels.items()))


@contextmanager
def serving(prometheus: FakePrometheus) -> Iterator[str]:
    """Its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, said = _said(prometheus, urlsplit(self.path).path, body, self.headers.get("Authorization", ""))
            raw = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *args: object) -> None:
            """Tests print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _said(prometheus: FakePrometheus, path: str, body: str, authorization: str) -> tuple[int, dict[str, Any]]:
    if prometheus.token and authorization != f"Bearer {prometheus.token}":
        return 401, {"status": "error", "error": "no token, or a wrong one"}
    if path not in ("/api/v1/query", "/api/v1/query_range"):
        return 404, {}
    try:
        form = {name: values[0] for name, values in parse_qs(body, strict_parsing=True).items()}
        return 200, {"status": "success", "data": prometheus.answer(path, form)}
    except (ValueError, KeyError) as error:
        return 400, {"status": "error", "errorType": "bad_data", "error": str(error)}
