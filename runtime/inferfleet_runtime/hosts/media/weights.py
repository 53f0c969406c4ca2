"""The type of a model's weights. Reads files."""

import json
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


class UnfitError(Exception):
    """The folder holds no model that the engine serves. The message says what is there."""


def stored_type(files: Iterable[Path], folder: Path) -> str:
    """Type of most weights in the largest file, as safetensors names it. Raises UnfitError where there is none.

    Format: eight bytes with the length of a JSON object that maps names to dtype, shape and offsets
    (safetensors' README).
    """
    by_size = sorted(files, key=lambda file: file.stat().st_size)
    if not by_size:
        raise UnfitError(f"{folder}: there are no .safetensors files in it; other formats can run code when loaded")
    with by_size[-1].open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header: Mapping[str, Any] = json.loads(file.read(length))
    sizes: dict[str, int] = {}
    for tensor in (t for name, t in header.items() if name != "__metadata__"):
        begin, end = tensor["data_offsets"]
        sizes[tensor["dtype"]] = sizes.get(tensor["dtype"], 0) + end - begin
    return max(sizes, key=lambda dtype: sizes[dtype])
