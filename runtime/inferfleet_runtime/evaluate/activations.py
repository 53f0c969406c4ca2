"""What a model's matrices are multiplied with, summed over a text: the importance matrix.

Reads a model file; writes one as llama.cpp's `llama-imatrix` does, so that either tool's file serves the other.
"""

import logging
from ctypes import POINTER, c_float, c_void_p, cast
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.evaluate.llama import Llama
from inferfleet_runtime.evaluate.quality import Reading
from inferfleet_runtime.evaluate.windows import windows
from inferfleet_runtime.files import publish
from inferfleet_runtime.llama_layout import EvalCallback, Tensor
from inferfleet_runtime.weights.quantizing.importance import COUNTS, SUMS

log = logging.getLogger(__name__)

_FLOAT = 0
"""ggml's number for 32-bit floats."""


@dataclass(frozen=True)
class _Sums:
    """Sums of squares by matrix; grows while the model reads."""

    squares: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, name: str, inputs: NDArray[np.float32]) -> None:
        sums = np.square(inputs, dtype=np.float64).sum(axis=0)
        self.squares[name] = self.squares.get(name, 0.0) + sums
        self.rows[name] = self.rows.get(name, 0) + len(inputs)


def measure(llama: Llama, model: Path, reading: Reading, out: Path) -> int:
    """Let the model read the text and write what its matrices saw to `out`; how many matrices those are.

    Raises CommandError for models of experts, whose matrices see different tokens each: that is not measured.
    """
    sums = _Sums()
    # bound to a name: the library keeps the pointer only
    watch = EvalCallback(_watcher(llama, sums))
    with llama.open(model, reading.context_tokens, reading.threads, watch) as opened:
        tokens = opened.tokenize(reading.text)
        cut = windows(tokens, reading.context_tokens, opened.first_token, reading.max_windows)
        for index, window in enumerate(cut, 1):
            opened.forget()
            opened.read(window.tokens)
            if sums.problems:
                raise CommandError(f"{model}: {sums.problems[0]}")
            log.info("measured activations", extra={"windows": index, "of": len(cut)})
    _write(sums, out, (len(cut), reading.context_tokens))
    return len(sums.rows)


def _watcher(llama: Llama, sums: _Sums) -> Any:
    def watch(node: Any, asked: bool, _: object) -> bool:
        tensor = node.contents
        operation = llama.library.ggml_op_desc(node)
        if operation == b"MUL_MAT_ID":
            sums.problems.append("is a model of experts: make its importance matrix with llama.cpp's llama-imatrix")
            return not asked
        if operation != b"MUL_MAT":
            return False
        name = _source(tensor, 0).name.decode()
        wanted = name.startswith("blk.") and name.endswith(".weight")
        if wanted and not asked:
            _see(sums, name, _source(tensor, 1))
        return wanted or not asked

    return watch


def _source(tensor: Any, index: int) -> Any:
    return cast(c_void_p(tensor.src[index]), POINTER(Tensor)).contents


def _see(sums: _Sums, name: str, inputs: Any) -> None:
    columns, *rest = inputs.ne
    if inputs.type != _FLOAT or inputs.nb[0] != 4 or inputs.nb[1] != 4 * columns:
        sums.problems.append(f"{name} is not multiplied with whole rows of 32-bit floats")
        return
    rows = int(np.prod(rest))
    data = np.ctypeslib.as_array(cast(c_void_p(inputs.data), POINTER(c_float)), (rows, columns))
    sums.add(name, data)


def _write(sums: _Sums, out: Path, chunks: tuple[int, int]) -> None:
    part = out.with_name(out.name + ".part")
    writer = gguf.GGUFWriter(part, "")
    writer.add_type("imatrix")
    writer.add_uint32("imatrix.chunk_count", chunks[0])
    writer.add_uint32("imatrix.chunk_size", chunks[1])
    writer.add_array("imatrix.datasets", ["held-out text"])
    for name, squares in sorted(sums.squares.items()):
        writer.add_tensor(name + SUMS, squares.astype(np.float32).reshape(1, -1))
        writer.add_tensor(name + COUNTS, np.full((1, 1), sums.rows[name], np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    publish(part, out)
