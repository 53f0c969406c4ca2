"""Generated files: printed, or written into a folder. Writes."""

from collections.abc import Mapping
from pathlib import Path


def give(files: Mapping[str, str], out: Path | None) -> None:
    """File name to text; without a folder all are printed, as documents of one YAML stream."""
    if out is None:
        for text in files.values():
            print(f"---\n{text}", end="")  # noqa: T201
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (out / name).write_text(text)
