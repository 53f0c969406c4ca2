"""Worlds for controllers of a simulation: pods that serve, with samples of what they do."""

from collections.abc import Sequence

from inferfleet.scaling.signal import PodSample, Window
from inferfleet.sim.types import Engine, Pod, Pool, Room, Seen

POOL = Pool("near", Engine(0.018, 0.00035, 8000.0, 400_000.0), boot=180.0)


def sample(at: float, **values: float) -> PodSample:
    """Zeros but for what is given."""
    zeros = dict.fromkeys(
        (
            "arrivals",
            "generated",
            "finished",
            "finished_tokens",
            "running",
            "waiting",
            "slots",
            "capacity",
            "prompted",
            "arrived",
        ),
        0.0,
    )
    return PodSample(at=at, **{**zeros, **values})  # type: ignore[arg-type] # only numbers are asked for here


def pod(number: int, window: Window, *, ready: bool = True, draining: bool = False) -> Pod:
    """Of the pool `near`."""
    return Pod(f"near-{number}", "near", 0.0, 0.0 if ready else None, draining, window)


def seen(now: float, windows: Sequence[Window], *, wanted: int | None = None, booting: int = 0, held: int = 0) -> Seen:
    """A pod for each window, and some that boot."""
    pods = [pod(i, window) for i, window in enumerate(windows)]
    pods += [pod(len(windows) + i, (), ready=False) for i in range(booting)]
    count = len(pods) if wanted is None else wanted
    return Seen(now, tuple(pods), (Room(POOL, POOL.limit, count, len(pods)),), held)
