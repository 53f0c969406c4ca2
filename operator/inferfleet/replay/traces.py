"""Traffic of files: tables of times and tokens, Mooncake's JSON lines, ServeGen's statistics. Reads."""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np

from inferfleet.replay import servegen
from inferfleet.sim.types import Request, Trace

HEADERS: Mapping[str, tuple[str, ...]] = {
    "at": ("at", "time", "t", "timestamp", "arrival", "arrivaltime", "arrivedat", "start", "seconds"),
    "input": ("input", "inputtokens", "inputlength", "prompttokens", "prompt", "contexttokens", "intok", "tokensin"),
    "output": ("output", "outputtokens", "outputlength", "generatedtokens", "completiontokens", "outtok", "tokensout"),
    "prefix": ("prefix", "hashids", "blocks"),
}
"""Names of columns, without case and all that is no letter."""
NEEDED = ("at", "input", "output")
MOST_TOKENS = 100_000_000
SERVEGEN_RATE = 10.0
"""Requests per second, where nobody asks for others: the services recorded have hundreds."""
SERVEGEN_SPAN = 86_400.0


class TraceError(Exception):
    """What is wrong, and where."""


@dataclass(frozen=True)
class Part:
    """What of a trace is asked for. Seconds from its first request."""

    start: float = 0.0
    end: float | None = None
    rate: float | None = None
    """Requests per second to thin it to; None: all (of ServeGen's statistics `SERVEGEN_RATE`)."""
    speed: float = 1.0
    """Requests come so many times as fast."""
    seed: int = 0


@dataclass(frozen=True)
class Traffic:
    """A trace, and how it was come by."""

    trace: Trace
    words: str


def read(path: Path, part: Part) -> Traffic:
    """The part of a trace. Raises TraceError, and OSError for a file that cannot be read."""
    if path.is_dir() or servegen.is_trace(path):
        return _servegen(path, part)
    trace = Trace.of(_requests(path))
    if not len(trace):
        raise TraceError(f"{path}: no requests")
    first = float(trace.at[0])
    end = float(trace.at[-1]) + 1.0 if part.end is None else first + part.end
    trace = trace.between(first + part.start, end)
    if not len(trace):
        raise TraceError(f"{path}: no requests between --from and --until; it has {_span(first, end)}")
    thinned, words = _thinned(trace, part)
    return Traffic(_faster(thinned, part.speed), f"{path.name}{words}")


def _span(first: float, end: float) -> str:
    return f"{end - first:.0f} seconds"


def _thinned(trace: Trace, part: Part) -> tuple[Trace, str]:
    """Each request is kept with the same probability: as if fewer of the same clients had come."""
    span = max(float(trace.at[-1]), 1.0)
    if part.rate is None or len(trace) / span <= part.rate:
        return trace, ""
    keep = np.flatnonzero(np.random.default_rng((part.seed, 2)).random(len(trace)) < part.rate * span / len(trace))
    found = Trace(
        trace.at[keep], trace.input[keep], trace.output[keep], tuple(trace.prefix[i] for i in keep if trace.prefix)
    )
    return found, f", thinned from {len(trace) / span:.3g} requests/s"


def _faster(trace: Trace, speed: float) -> Trace:
    return Trace(trace.at / speed, trace.input, trace.output, trace.prefix) if speed != 1.0 else trace


# ServeGen


def _servegen(path: Path, part: Part) -> Traffic:
    try:
        files = servegen.files(path)
        found = servegen.load(*files)
        end = part.start + SERVEGEN_SPAN if part.end is None else part.end
        rate = part.rate or SERVEGEN_RATE
        begin = found.start
        last = min(begin + end, found.end)
        trace = servegen.sample(found, begin + part.start, last, part.seed, rate)
    except (ValueError, KeyError) as error:
        raise TraceError(f"{path}: {error}") from error
    if not len(trace):
        raise TraceError(f"{path}: no requests between --from and --until")
    words = f"{files[0].name}, drawn at {rate:g} requests/s of a recorded mean of {found.scale_rate:.3g}"
    return Traffic(_faster(trace, part.speed), words)


# tables and JSON lines


def _requests(path: Path) -> Iterator[Request]:
    with _opened(path) as text:
        try:
            yield from _of_text(text, path)
        except UnicodeDecodeError as error:
            raise TraceError(f"{path}: not text in UTF-8") from error
        except (EOFError, gzip.BadGzipFile) as error:
            raise TraceError(f"{path}: not a whole gzip file: {error}") from error


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path, "rb"), encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _of_text(text: IO[str], path: Path) -> Iterator[Request]:
    first = text.readline()
    if first.lstrip().startswith("{"):
        yield from _lines([first], 1, path)
        yield from _lines(text, 2, path)
        return
    columns = _columns(next(csv.reader([first]), []), path)
    for line, row in enumerate(csv.reader(text), start=2):
        if any(cell.strip() for cell in row):
            yield _row(row, columns, f"{path}:{line}")


def _columns(head: list[str], path: Path) -> dict[str, int]:
    plain = ["".join(c for c in name.lower() if c.isalpha()) for name in head]
    found = {field: plain.index(name) for field, names in HEADERS.items() for name in names if name in plain}
    missing = [field for field in NEEDED if field not in found]
    if missing:
        wanted = "; ".join(f"{field}: {', '.join(HEADERS[field][:4])}" for field in missing)
        raise TraceError(f"{path}:1: no column for {' and '.join(missing)} ({wanted}, ...); it has {', '.join(head)}")
    return found


def _row(row: list[str], columns: Mapping[str, int], where: str) -> Request:
    cells = {field: row[index].strip() if index < len(row) else "" for field, index in columns.items()}
    prefix = cells.get("prefix", "").strip("[]").replace(",", " ").replace("|", " ").replace(";", " ").split()
    return Request(
        _seconds(cells["at"], where),
        _tokens(cells["input"], "input", where),
        _tokens(cells["output"], "output", where),
        _blocks(prefix, where),
    )


def _lines(text: Iterable[str], start: int, path: Path) -> Iterator[Request]:
    """Mooncake's fields; its times are milliseconds."""
    for number, line in enumerate(text, start=start):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            found = json.loads(line)
            at, tokens = found["timestamp"], (found["input_length"], found["output_length"])
        except (ValueError, KeyError, TypeError) as error:
            wanted = "timestamp (milliseconds), input_length, output_length and, if it likes, hash_ids"
            raise TraceError(f"{where}: not a JSON object with {wanted}") from error
        blocks = _blocks(found.get("hash_ids") or (), where)
        read, made = (_tokens(value, name, where) for value, name in zip(tokens, ("input", "output"), strict=True))
        yield Request(_seconds(at, where) / 1000, read, made, blocks)


def _seconds(value: Any, where: str) -> float:
    """A number, or a time such as 2023-11-16 18:15:46.6805900."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = _moment(str(value), where)
    if not np.isfinite(found):
        raise TraceError(f"{where}: the time is {value!r}, which is no number")
    return found


def _moment(value: str, where: str) -> float:
    seconds, point, fraction = value.partition(".")
    digits = "".join(c for c in fraction[:6] if c.isdigit())  # Python 3.11 knows no seventh
    try:
        moment = datetime.fromisoformat(f"{seconds}.{digits:0<6}" if point and digits else value)
    except ValueError as error:
        raise TraceError(
            f"{where}: the time is {value!r}; seconds or a time such as 2026-11-20 08:00:00.5 are known"
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _tokens(value: Any, name: str, where: str) -> int:
    """At least one: some logs have requests that ended without an answer."""
    try:
        found = float(value)
    except (TypeError, ValueError) as error:
        raise TraceError(f"{where}: {name} tokens are {value!r}, which is no number") from error
    if not 0 <= found <= MOST_TOKENS:
        raise TraceError(f"{where}: {name} tokens are {value}; 0 to {MOST_TOKENS:,} are possible")
    return max(1, int(found))


def _blocks(found: Iterable[Any], where: str) -> tuple[int, ...]:
    try:
        return tuple(int(block) for block in found)
    except (TypeError, ValueError) as error:
        raise TraceError(f"{where}: the prefix has to be numbers of blocks of 512 tokens") from error
