"""What to say of a name that the catalog lacks. Pure."""

from collections.abc import Iterable
from difflib import get_close_matches

LISTED = 12


def unknown(name: str, known: Iterable[str]) -> str:
    """`the catalog has no X`, and what may have been meant."""
    names = sorted(known)
    near = get_close_matches(name, names, 3, 0.5)
    if near:
        return f"the catalog has no {name}; did you mean {' or '.join(near)}?"
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"the catalog has no {name}; it has {', '.join(names[:LISTED])}{more}"
