"""Keeps the node's cache from evicting what this pod serves from. Writes below the cache's leases.

`fetch` takes the first lease and renews it while it brings the rest; then `quantize` and whoever serves do, for as long
as they live, and a little beyond a restart.
"""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from inferfleet_runtime import contract
from inferfleet_runtime.config import Paths
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights.cache import LEASE_SECONDS

log = logging.getLogger(__name__)

_RENEW = LEASE_SECONDS / 6
_HOLDER = "holder"
"""File with this pod's name on its leases; it stays when containers restart."""


def cached(paths: Paths) -> dict[str, Path]:
    """Of the files below the weights that lie in the cache: where, by SHA-256."""
    blobs = paths.at(contract.CACHE_DIR) / "blobs"
    links = (p for p in paths.weights.rglob("*") if p.is_symlink())
    targets = (Path(os.readlink(link)) for link in links)
    return {target.name: target for target in targets if target.parent == blobs}


@contextmanager
def held(paths: Paths, every: float = _RENEW) -> Iterator[None]:
    """Renew the pod's leases while the context lasts, at once and then each `every` seconds.

    Raises CommandError where a file is gone: the pod was away for longer than a lease lasts.
    """
    used = cached(paths)
    if not used:
        yield
        return
    _renew(paths)
    if lost := [str(path) for path in used.values() if not path.is_file()]:
        raise CommandError(
            f"the node's cache no longer holds {', '.join(lost)}: delete the pod, so that one is fetched"
        )
    with renewed(paths, every):
        yield


@contextmanager
def renewed(paths: Paths, every: float = _RENEW) -> Iterator[None]:
    """Renew each `every` seconds the leases on what is linked by then: files that come meanwhile too."""
    stop = threading.Event()
    thread = threading.Thread(target=_renew_until, args=(paths, stop, every), name="leases", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def let_go(paths: Paths, name: Path) -> None:
    """Remove a name of a cached file that is needed no more, and the lease unless another name needs it."""
    target = Path(os.readlink(name)) if name.is_symlink() else None
    if target is None or target.parent != paths.at(contract.CACHE_DIR) / "blobs":
        return
    name.unlink()
    if target.name not in cached(paths):
        with suppress(OSError):  # a lease that stays ends by itself
            (_leases(paths) / target.name / _holder(paths)).unlink()


def named(paths: Paths, name: str) -> str:
    """What `fetch` writes on this pod's leases: `name`, or what an earlier run left."""
    file = paths.weights / _HOLDER
    if not file.exists():
        file.write_text(name, encoding="utf-8")
    return _holder(paths)


def _holder(paths: Paths) -> str:
    try:
        return (paths.weights / _HOLDER).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CommandError(f"{paths.weights}: {error}; run `inferfleet-runtime fetch` first") from error


def _leases(paths: Paths) -> Path:
    """Who may write to the whole cache has no other mount for its leases."""
    mounted = paths.at(contract.LEASES_DIR)
    return mounted if mounted.is_dir() else paths.at(contract.CACHE_DIR) / "leases"


def _renew_until(paths: Paths, stop: threading.Event, every: float) -> None:
    while not stop.wait(every):
        try:
            _renew(paths)
        except OSError as error:  # files come and go while they are brought: the next turn sees them again
            log.info("the leases are renewed later", extra={"reason": str(error)})


def _renew(paths: Paths) -> None:
    used, now = cached(paths), datetime.now(UTC).timestamp()
    if not used:
        return
    folder, holder = _leases(paths), _holder(paths)
    for lease in [folder / sha256 / holder for sha256 in used]:
        try:
            lease.parent.mkdir(exist_ok=True)
            lease.touch()
            os.utime(lease, (now, now))
        except OSError as error:
            log.warning("the lease on a cached file cannot be renewed", extra={"reason": str(error)})
