"""ServeGen's statistics as a folder of data has them; `inferfleet.replay` draws requests from them. Reads."""

from pathlib import Path

from inferfleet.replay import servegen
from inferfleet.replay.servegen import DAY, REFERENCE_RATE, TUNING_DAYS, WINDOW, Statistics, draw, sample

__all__ = ["DAY", "REFERENCE_RATE", "TUNING_DAYS", "WINDOW", "Statistics", "draw", "load", "sample"]


def load(data: Path, model: str) -> Statistics:
    """Read `DATA/servegen/language_<model>_*.csv.gz`. FileNotFoundError where they are not there."""
    folder = data / "servegen"
    rates, lengths = (folder / f"language_{model}_{kind}.csv.gz" for kind in ("trace", "lengths"))
    return servegen.load(rates, lengths)
