"""Asking a Prometheus over its HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/). Reads."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from math import isfinite
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

SECONDS = 60.0
"""For one answer: sums over a month take Prometheus a while."""
Labels = tuple[str, ...]


class UnusableError(Exception):
    """What was asked cannot be read; the message says what to do."""


class Prometheus:
    """One server."""

    def __init__(self, url: str, token_file: Path | None = None) -> None:
        """Raises UnusableError for what is no URL, or a token that cannot be read."""
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise UnusableError(f"--prometheus: {url!r} is no URL such as http://localhost:9090")
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {_token(token_file)}"} if token_file else {}

    def query(self, promql: str, labels: Labels, at: datetime) -> dict[Labels, float]:
        """Values at a moment, by these labels. Raises UnusableError."""
        found = self._result("query", {"query": promql, "time": _stamp(at)}, "vector")
        return {_key(series, labels): value for series in found for _, value in _points([series.get("value")])}

    def query_range(
        self, promql: str, labels: Labels, start: datetime, end: datetime, step: timedelta
    ) -> dict[datetime, dict[Labels, float]]:
        """Values at moments a step apart, the last one included. Raises UnusableError."""
        asked = {"query": promql, "start": _stamp(start), "end": _stamp(end), "step": f"{step.total_seconds():.0f}"}
        by_time: dict[datetime, dict[Labels, float]] = {}
        for series in self._result("query_range", asked, "matrix"):
            for at, value in _points(series.get("values", ())):
                by_time.setdefault(at, {})[_key(series, labels)] = value
        return by_time

    def _result(self, path: str, asked: Mapping[str, str], kind: str) -> list[dict[str, Any]]:
        request = urllib.request.Request(  # noqa: S310  http and https only
            f"{self.url}/api/v1/{path}", urlencode(asked).encode(), self._headers
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as response:  # noqa: S310
                body = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise UnusableError(f"{self.url} refused the question: {error.code} {_said(error)}") from error
        except (urllib.error.URLError, HTTPException, OSError) as error:
            raise UnusableError(f"{self.url} does not answer: {getattr(error, 'reason', error)}") from error
        except ValueError as error:
            raise UnusableError(f"{self.url} answers, and not as Prometheus does: is it the right URL?") from error
        try:
            if body["data"]["resultType"] != kind:
                raise TypeError
            return list(body["data"]["result"])
        except (KeyError, TypeError) as error:
            raise UnusableError(f"{self.url} answers, and not as Prometheus does: is it the right URL?") from error


def _token(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableError(f"--prometheus-token-file: {file}: cannot be read: {error}") from error


def _stamp(at: datetime) -> str:
    return f"{at.timestamp():.0f}"


def _key(series: Mapping[str, Any], labels: Labels) -> Labels:
    metric = series.get("metric", {})
    return tuple(metric.get(label, "") for label in labels)


def _points(raw: Iterable[Any]) -> Iterable[tuple[datetime, float]]:
    """Without what is no number: Prometheus writes NaN and Inf."""
    for point in raw:
        if point and isfinite(value := float(point[1])):
            yield datetime.fromtimestamp(float(point[0]), UTC), value


def _said(error: urllib.error.HTTPError) -> str:
    """Prometheus's own words where it has some."""
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError, OSError):
        return error.reason
