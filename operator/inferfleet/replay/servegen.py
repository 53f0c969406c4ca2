"""Requests drawn from ServeGen's production statistics (arXiv:2505.09999). Reads two files a model.

The data are not a log: they tell, for each client and ten minutes, a rate and the coefficient of variation (cv) of
the gaps between requests, and quantiles of lengths. Arrivals are therefore drawn again:

- the rate of all clients, interpolated between the middles of the windows;
- within it every minute varies as a Gamma factor whose variance is what the clients' cv^2, weighted by rate, causes at
  `REFERENCE_RATE` (for m-large a minute's cv of 0.055): the dispersion of a superposition of renewal processes;
- then each request is kept with the probability that leaves `rate` requests per second, which is a Poisson process
  within each minute: the relative variation of the rate stays, as if fewer of the same clients had come;
- a request's client is drawn by the window's rates, its lengths from that client's quantiles of that time. Some clients
  have none in the data: their requests take those of any client, all alike likely (which gives the published means).
"""

import csv
import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inferfleet.sim.types import Floats, Ints, Trace

WINDOW = 600.0
DAY = 86_400.0
TUNING_DAYS = 7
"""Days 1 to 7 are for tuning: the scale is theirs too, so that days that are held out do not shift it."""
REFERENCE_RATE = 45.0
"""Requests per second of the published sampling of these data, whose variation of minutes is kept."""
LEVELS = (0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99)
MAX_CV = 10.0
"""Of one client: more in ten minutes is a silence of minutes (of N gaps one that lasts a share s of the window gives a
cv of s x sqrt(N)), which the rates of the windows show; as noise of every minute it would be traffic that never was.
"""
FIELDS = ("input_tokens", "output_tokens")
_RATES, _LENGTHS = "_trace.csv.gz", "_lengths.csv.gz"

Curves = Mapping[str, Floats]
"""Lengths at `LEVELS` and the largest, by field."""


@dataclass(frozen=True)
class Statistics:
    """Of one model."""

    start: float
    """Seconds of the first window."""
    rate: Floats
    """Requests per second by window; gaps of the record are interpolated."""
    dispersion: Floats
    """Clients' cv^2, at most MAX_CV^2, weighted by their rates, by window."""
    clients: tuple[Mapping[int, float], ...]
    """By window: rates of the clients."""
    lengths: Mapping[int, tuple[tuple[float, Curves], ...]]
    """By client: from when on, and lengths; rising."""

    @property
    def end(self) -> float:
        """Seconds of the last window's end."""
        return self.start + WINDOW * len(self.rate)

    @property
    def scale_rate(self) -> float:
        """Mean requests per second of the days for tuning."""
        return float(np.mean(self.rate[: round(TUNING_DAYS * DAY / WINDOW)]))


def is_trace(path: Path) -> bool:
    """Whether it is one of the files of rates."""
    return path.name.endswith(_RATES)


def files(path: Path) -> tuple[Path, Path]:
    """Of rates and lengths, beside each other. `path` is the first, or a folder with one such pair; else ValueError."""
    found = sorted(path.glob(f"*{_RATES}")) if path.is_dir() else [path]
    pairs = [(one, one.with_name(one.name.removesuffix(_RATES) + _LENGTHS)) for one in found]
    whole = [pair for pair in pairs if pair[1].is_file()]
    if not whole:
        raise ValueError(f"no *{_RATES} with a *{_LENGTHS} beside it: is it ServeGen's data?")
    if len(whole) > 1:
        raise ValueError(f"several models; give one of {', '.join(one.name for one, _ in whole)}")
    return whole[0]


def load(rates_file: Path, lengths_file: Path) -> Statistics:
    """Read both. Raises OSError where they are not there."""
    lengths = _lengths(lengths_file)
    found: dict[int, dict[int, tuple[float, float]]] = {}
    for row in _rows(rates_file):
        window = int(float(row["window_start_s"]) // WINDOW)
        found.setdefault(window, {})[int(row["client"])] = (float(row["rate_rps"]), float(row["cv"]))
    first, last = min(found), max(found)
    windows = np.arange(first, last + 1)
    known = np.array(sorted(found))
    rates = np.array([sum(rate for rate, _ in found[w].values()) for w in known])
    spread = np.array([sum(rate * min(cv, MAX_CV) ** 2 for rate, cv in found[w].values()) for w in known]) / rates
    return Statistics(
        start=first * WINDOW,
        rate=np.interp(windows, known, rates),
        dispersion=np.interp(windows, known, spread),
        clients=tuple({client: rate for client, (rate, _) in found.get(w, {}).items()} for w in map(int, windows)),
        lengths=lengths,
    )


def _rows(file: Path) -> Iterator[dict[str, str]]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text)


def _lengths(file: Path) -> dict[int, tuple[tuple[float, Curves], ...]]:
    found: dict[int, dict[float, dict[str, Floats]]] = {}
    for row in _rows(file):
        curve = np.array([float(row[f"p{round(100 * level)}"]) for level in LEVELS] + [float(row["max"])])
        found.setdefault(int(row["client"]), {}).setdefault(float(row["window_start_s"]), {})[row["field"]] = curve
    whole = {c: [(at, f) for at, f in sorted(times.items()) if set(f) >= set(FIELDS)] for c, times in found.items()}
    return {client: tuple(times) for client, times in whole.items() if times}


def sample(found: Statistics, start: float, end: float, seed: int, rate: float = 10.0) -> Trace:
    """Requests from `start` to before `end` seconds of the record, times counted from `start`.

    `rate`: mean requests per second over the days for tuning. Equal arguments give equal requests.
    """
    if start < found.start or end > found.end:
        raise ValueError(f"seconds {start:.0f} to {end:.0f} of a record of {found.start:.0f} to {found.end:.0f}")
    random = np.random.default_rng((seed, int(start)))
    at = np.sort(_arrivals(found, start, end, rate / found.scale_rate, random))
    client = _clients(found, at, random)
    tokens = {field: np.empty(len(at), dtype=np.int64) for field in FIELDS}
    for index, curves in _alike(found, at, client):
        for field in FIELDS:
            tokens[field][index] = draw(curves[field], random.random(len(index)))
    return Trace(at - start, tokens["input_tokens"], tokens["output_tokens"])


def _arrivals(found: Statistics, start: float, end: float, scale: float, random: np.random.Generator) -> Floats:
    minutes = np.arange(start, end, 60.0)
    seconds = np.minimum(60.0, end - minutes)
    middles = found.start + WINDOW * (np.arange(len(found.rate)) + 0.5)
    rate = np.interp(minutes + seconds / 2, middles, found.rate)
    dispersion = np.interp(minutes + seconds / 2, middles, found.dispersion)
    reference = 60.0 * REFERENCE_RATE * rate / found.scale_rate
    variance = np.maximum(dispersion - 1.0, 1e-9) / reference
    counts = random.poisson(rate * scale * seconds * random.gamma(1.0 / variance, variance))
    return np.repeat(minutes, counts) + np.repeat(seconds, counts) * random.random(int(counts.sum()))


def _clients(found: Statistics, at: Floats, random: np.random.Generator) -> Ints:
    """Whose lengths each request has: clients by their rates in its window, or in the last one that had any."""
    client = np.empty(len(at), dtype=np.int64)
    rates = next(mine for mine in found.clients if mine)
    for number, mine in enumerate(found.clients):
        rates = mine or rates
        first, last = np.searchsorted(at, (found.start + WINDOW * number, found.start + WINDOW * (number + 1)))
        if last > first:
            weights = np.array(list(rates.values()))
            client[first:last] = random.choice(np.array(list(rates)), size=last - first, p=weights / weights.sum())
    unknown = ~np.isin(client, list(found.lengths))
    client[unknown] = random.choice(list(found.lengths), size=int(unknown.sum()))
    return client


def _alike(found: Statistics, at: Floats, client: Ints) -> Iterator[tuple[Ints, Curves]]:
    """Requests that share a client and a time of its lengths."""
    order = np.argsort(client, kind="stable")
    names, first = np.unique(client[order], return_index=True)
    for name, mine in zip(names, np.split(order, first[1:]), strict=True):
        known = found.lengths[int(name)]
        which = np.maximum(np.searchsorted([since for since, _ in known], at[mine], side="right") - 1, 0)
        for number in np.unique(which):
            yield mine[which == number], known[number][1]


def draw(curve: Floats, levels: Floats) -> Ints:
    """Lengths at levels between 0 and 1. Between quantiles they are linear; above the last, and it may be far to the
    largest, they rise geometrically. Below the first they are equal to it.
    """
    low, top = curve[-2], max(curve[-1], curve[-2])
    values = np.interp(levels, (0.0, *LEVELS), (curve[0], *curve[:-1]))
    beyond = np.clip((levels - LEVELS[-1]) / (1 - LEVELS[-1]), 0.0, 1.0)
    values = np.where(levels > LEVELS[-1], max(low, 1.0) * (max(top, 1.0) / max(low, 1.0)) ** beyond, values)
    found: Ints = np.maximum(1, np.rint(values)).astype(np.int64)
    return found
