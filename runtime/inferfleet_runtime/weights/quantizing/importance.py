"""How much each column of each matrix matters: the mean square of what it is multiplied with. Reads one file.

The file is what llama.cpp's `llama-imatrix` writes since 2025, a GGUF file with `NAME.in_sum2` (sums of squares) and
`NAME.counts` for every matrix; `inferfleet-runtime importance` writes the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import gguf
import numpy as np
from numpy.typing import NDArray

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.files import check_gguf

SUMS, COUNTS = ".in_sum2", ".counts"


@dataclass(frozen=True)
class Importance:
    """Weights by the name of a tensor; empty: every column matters as much as every other."""

    by_tensor: Mapping[str, NDArray[np.float32]] = field(default_factory=lambda: MappingProxyType({}))
    """One row for each expert, one for a matrix without."""

    def of(self, name: str, columns: int) -> NDArray[np.float32] | None:
        """The weights of a tensor's columns, None where nothing is known. Raises CommandError where they do not fit."""
        found = self.by_tensor.get(name)
        if found is not None and found.shape[1] != columns:
            raise CommandError(
                f"the importance matrix has {found.shape[1]} columns for {name}, the model {columns}: "
                "it was measured with another model"
            )
        return found

    @staticmethod
    def read(path: Path) -> "Importance":
        """What a file says. Raises CommandError where it is no importance matrix."""
        if not path.is_file():
            raise CommandError(f"{path}: there is no such file; make it with `inferfleet-runtime importance`")
        check_gguf(path)
        try:
            weights = _weights(path)
        except (IndexError, KeyError, ValueError, OverflowError, MemoryError) as error:
            # the reader checks nothing: it fails at whatever a cut or altered file makes of its numbers
            raise CommandError(
                f"{path}: cannot be read as a GGUF file ({error}): it is damaged; make it anew"
            ) from error
        if not all(np.isfinite(w).all() for w in weights.values()):
            raise CommandError(f"{path}: holds numbers that are not finite: it is damaged")
        return Importance(MappingProxyType(weights))


def _weights(path: Path) -> dict[str, NDArray[np.float32]]:
    tensors = {tensor.name: tensor.data for tensor in gguf.GGUFReader(path).tensors}
    names = [name.removesuffix(SUMS) for name in tensors if name.endswith(SUMS)]
    if not names or any(name + COUNTS not in tensors for name in names):
        raise CommandError(f"{path}: holds no importance matrix; make one with `inferfleet-runtime importance`")
    return {name: _mean(tensors[name + SUMS], tensors[name + COUNTS]) for name in names}


def _mean(sums: NDArray[np.float32], counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """An expert that nothing was sent to counts as evenly important."""
    rows = np.array(sums, np.float32).reshape(np.size(counts), -1)
    seen = np.array(counts, np.float32).reshape(-1, 1)
    return np.where(seen > 0, rows / np.maximum(seen, 1), np.float32(1))
