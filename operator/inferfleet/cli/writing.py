"""Generated files: printed, or written into a folder. Writes."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path

OPERATOR_EXTRA, YAML_EXTRA, PLAN_EXTRA = "operator", "lint", "plan"
"""Of pyproject.toml: what a command needs beside the package itself, where less than everything will do."""


def give(files: Mapping[str, str], out: Path | None) -> None:
    """File name to text; without a folder all are printed, as documents of one YAML stream."""
    if out is None:
        for text in files.values():
            print(f"---\n{text}", end="")  # noqa: T201
        return
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(out))
    for name, text in files.items():
        write(out / name, text)


def write(file: Path, text: str) -> None:
    """With the folders above it. Raises OSError, which names the file also where the system does not."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    except OSError as error:
        raise OSError(error.errno, error.strerror, error.filename or str(file)) from error
