"""Bounds of fields in words, for people who read them in `kubectl explain` or on the reference page. Pure."""

import re
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
RANGES = (
    ("minimum", "maximum", ""),
    ("minItems", "maxItems", " items"),
    ("minProperties", "maxProperties", " entries"),
)


def _numbers(text: str) -> set[str]:
    return {found.rstrip(",") for found in re.findall(r"-?[0-9][0-9,]*", text)}


def described(node: Schema) -> str:
    """What `kubectl explain` must say of a field: it prints no bounds, so the description has to."""
    text: str = node.get("description", "")
    for least, most, unit in RANGES:
        limit = node.get(most, node.get(least))
        if limit is not None and not {str(limit), f"{limit:,}"} & _numbers(text):
            (words,) = in_words(node.get(least), node.get(most), unit)
            text = f"{text} {words[0].upper()}{words[1:]}."
    return text.strip()


def in_words(least: int | None, most: int | None, unit: str) -> Iterator[str]:
    if least is not None and most is not None:
        yield f"{least:,} to {most:,}{unit}"
    elif most is not None:
        yield f"at most {most:,}{unit}"
    elif least is not None:
        yield f"at least {least:,}{unit}"
