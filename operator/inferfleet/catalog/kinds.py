"""The kinds of entries, by the names of their files. Pure."""

from types import MappingProxyType

FILES = MappingProxyType(
    {
        "hardware": "hardware.yaml",
        "engines": "engines.yaml",
        "quantizations": "quantizations.yaml",
        "models": "models.yaml",
        "workloads": "workloads.yaml",
    }
)
"""Kind of entry to file, in the bundled folder and in one that overrides it."""


def kind(word: str) -> str:
    """The kind that a word means, in the singular too; the word itself where it is none."""
    return next((known for known in FILES if word.casefold() in (known, known.removesuffix("s"))), word)
