"""How far a long command is, on a terminal alone. Writes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

FRONT, REST = "\r", "\x1b[K"
"""To the first column, and what is right of the cursor away (ECMA-48, EL)."""


@contextmanager
def progress(where: TextIO | None) -> Iterator[Callable[[str], None]]:
    """Each message replaces the one before it; nothing is left of them. Silent where nobody watches: a file, a pipe."""
    if where is None or not where.isatty():
        yield lambda _: None
        return
    try:
        yield lambda message: print(f"{FRONT}{message}{REST}", end="", file=where, flush=True)
    finally:
        print(f"{FRONT}{REST}", end="", file=where, flush=True)
