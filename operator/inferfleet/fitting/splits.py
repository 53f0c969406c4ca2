"""Which rows are held out together, by a stable hash. Pure."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

from inferfleet.performance.silicon import Row

FOLDS = 10
NEWEST = "2026-03-01"
"""Measured from this day on: the test of the split by time (newer rows than March are not in the sample)."""


def fold(*labels: str) -> str:
    """One of ten, the same on every machine."""
    return str(int(sha256("|".join(labels).encode()).hexdigest()[:8], 16) % FOLDS)


def _architecture(row: Row) -> str:
    return row.setup.model.name.replace("deepseek-v3", "deepseek-r1")


def strict(row: Row) -> tuple[str, ...]:
    """What is deployed, whatever labels it carries."""
    return (_architecture(row), *row.config[:1], *row.config[2:])


SPLITS: Mapping[str, Callable[[Row], str]] = {
    "leave_cell": lambda row: fold(*row.cell),
    "leave_run": lambda row: fold(*strict(row), row.version, row.measured),
    "leave_config": lambda row: fold(*row.label),
    "leave_model": lambda row: row.model_path,
    "leave_model_system": lambda row: f"{row.model_path}|{row.system}",
    "time": lambda row: "test" if row.measured >= NEWEST else "",
    "leave_system": lambda row: row.system,
    "leave_config_strict": lambda row: fold(*strict(row)),
    "leave_architecture": _architecture,
    "leave_architecture_system": lambda row: f"{_architecture(row)}|{row.system}",
}
"""Rows with one key are held out together; an empty key is never held out. `strict` and `architecture` also hold out
the same measurement or network under another name (DeepSeek-V3 and R1 are one architecture)."""


def held_out(split: str, rows: Sequence[Row]) -> Mapping[str, list[int]]:
    """Places of the rows that are held out together, by key, in order."""
    found: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        if key := SPLITS[split](row):
            found.setdefault(key, []).append(place)
    return dict(sorted(found.items()))
