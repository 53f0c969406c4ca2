"""ServeGen's statistics as a folder of data has them; `inferfleet.replay` draws requests from them. Reads."""

from pathlib import Path

from inferfleet.replay import servegen
from inferfleet.replay.servegen import DAY, REFERENCE_RATE, TUNING_DAYS, WINDOW, Statistics, draw, sample

__all__ = ["DAY", "REFERENCE_RATE", "TUNING_DAYS", "WINDOW", "Statistics", "draw", "load", "sample"]


def load(data: Path, model: str) -> Statistics:
    """Read `DATA/servegen/*_<model>_{trace,lengths}.csv.gz`. FileNotFoundError where they are not there."""
    return servegen.load(_file(data, model, "trace"), _file(data, model, "lengths"))


def _file(data: Path, model: str, what: str) -> Path:
    """The names begin with a kind of models, which need not be known."""
    pattern = f"servegen/*_{model}_{what}.csv.gz"
    found = sorted(data.glob(pattern))
    if not found:
        raise FileNotFoundError(f"{data} has no {pattern}")
    return found[0]
