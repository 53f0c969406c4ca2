"""Fetching in a test: a pod's folders below a temporary one, and a clock that does not wait."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from inferfleet_runtime import contract
from inferfleet_runtime.config import Paths
from inferfleet_runtime.contract import Source
from inferfleet_runtime.weights.cache import opened
from inferfleet_runtime.weights.fetch import World, fetch
from inferfleet_runtime.weights.notes import Wanted
from inferfleet_runtime.weights.progress import Progress
from inferfleet_runtime.weights.sources.http_client import Clock, Http
from inferfleet_runtime.weights.sources.seam import Wants
from inferfleet_runtime.weights.store import Store

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


def gguf(size: int, seed: int = 1) -> bytes:
    """What begins as a GGUF file."""
    return b"GGUF" + random.Random(seed).randbytes(size - 4)


@dataclass
class Time:
    """Moves by what it is asked to sleep."""

    seconds: float = 0.0
    naps: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.seconds += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.seconds, self.sleep, lambda: START + timedelta(seconds=self.seconds))


@dataclass
class Pod:
    """One pod's `fetch`."""

    root: Path
    env: Mapping[str, str] = field(default_factory=dict)
    time: Time = field(default_factory=Time)
    cache: Path | None = None
    """The node's folder."""
    cache_bytes: int | None = None

    @property
    def paths(self) -> Paths:
        return Paths(self.root)

    @property
    def world(self) -> World:
        kept = opened(self.cache, self.root.name, self.cache_bytes, self.time.clock) if self.cache else None
        self.progress = Progress("team/m")
        return World(self.paths, Store(Http(self.time.clock), self.progress, kept), self.env, self.mounted)

    mounted: str = ""
    """The model's image."""

    def fetch(self, uri: str, wants: Wants = "gguf", secret: Mapping[str, str] | None = None, **source: str) -> Path:
        """The path of what was fetched. `secret`: files of the folder with its credentials."""
        if secret is not None:
            folder = self.paths.at(contract.CREDENTIALS_DIR) / "secret"
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in secret.items():
                (folder / name).write_text(text)
            source["credentials"] = "secret"
        target = self.paths.at(contract.MODEL_DIR) if wants == "directory" else self.paths.fetched
        fetch(Wanted(Source(uri=uri, **source), target, wants), self.world)
        return target

    def left(self) -> list[str]:
        """Names of what lies below the weights."""
        return sorted(str(p.relative_to(self.paths.weights)) for p in self.paths.weights.rglob("*") if not p.is_dir())
