"""The type of a model's weights. Reads files."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_LENGTH = 8
"""Bytes that tell the length of the header."""


class UnfitError(Exception):
    """The folder holds no model that the engine serves. The message says what is there."""


def stored_type(files: Iterable[Path], folder: Path) -> str:
    """Type of most weights in the largest file, as safetensors names it. Raises UnfitError where there is none, or
    where the file is another or cut short.
    """
    by_size = sorted(files, key=lambda file: file.stat().st_size)
    if not by_size:
        raise UnfitError(f"{folder}: there are no .safetensors files in it; other formats can run code when loaded")
    sizes: dict[str, int] = {}
    for dtype, begin, end in _tensors(by_size[-1]):
        sizes[dtype] = sizes.get(dtype, 0) + end - begin
    return max(sizes, key=lambda dtype: sizes[dtype])


def _tensors(file: Path) -> list[tuple[str, int, int]]:
    """Type, begin and end of each; at least one, and they fill the file. Raises UnfitError.

    Format: eight bytes with the length of a JSON object that maps names to dtype, shape and offsets, which count from
    its end (safetensors' README).
    """
    size = file.stat().st_size
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(_LENGTH), "little")
        if size < _LENGTH or _LENGTH + length > size:
            raise _unfit(file, size)
        header = opened.read(length)
    try:
        described = [tensor for name, tensor in json.loads(header).items() if name != "__metadata__"]
        tensors = [(str(tensor["dtype"]), *_offsets(tensor["data_offsets"])) for tensor in described]
        last = max(end for _, _, end in tensors)
    except (ValueError, AttributeError, TypeError, LookupError):
        raise _unfit(file, size) from None
    if _LENGTH + length + last != size:
        raise _unfit(file, size)
    return tensors


def _offsets(pair: Any) -> tuple[int, int]:
    begin, end = pair
    return int(begin), int(end)


def _unfit(file: Path, size: int) -> UnfitError:
    words = "cut short, or no safetensors at all; a clone without Git LFS has such files"
    return UnfitError(f"{file}: its {size} bytes are {words}")
