"""What to say of a name that the catalog lacks. Pure."""

from collections.abc import Iterable
from difflib import get_close_matches

LISTED = 12
SUGGESTED = 3


def unknown(name: str, known: Iterable[str]) -> str:
    """`the catalog has no X`, and what may have been meant."""
    names = sorted(known)
    if near := _near(name, names):
        return f"the catalog has no {name}; did you mean {' or '.join(near)}?"
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"the catalog has no {name}; it has {', '.join(names[:LISTED])}{more}"


def _near(name: str, names: list[str]) -> list[str]:
    """Names that hold it, the shortest first, whatever its capitals and separators; else names that look alike."""
    wanted = _core(name)
    holding = sorted((known for known in names if wanted and wanted in _core(known)), key=len)
    if holding:
        return holding[:SUGGESTED]
    folded = {known.casefold(): known for known in names}
    return [folded[found] for found in get_close_matches(name.casefold(), folded, SUGGESTED, 0.5)]


def _core(name: str) -> str:
    """`llama3.1` is an abbreviation of `llama-3.1-8b`."""
    return "".join(c for c in name.casefold() if c.isalnum())
