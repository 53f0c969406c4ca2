"""ggml's quantization of rows, from the library that xllamacpp's wheel holds. Reads that library; changes nothing.

The wheel has no quantizer of its own, but it exports the C functions that llama.cpp's quantizer is made of. What is
declared here is part of `ggml.h` and has not changed since 2024: `ggml_quantize_chunk`, `ggml_validate_row_data` and
`ggml_quantize_requires_imatrix` with plain integers and pointers.
"""

import ctypes

import numpy as np
from gguf import GGML_QUANT_SIZES
from gguf import GGMLQuantizationType as GgmlType
from numpy.typing import NDArray

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.llama_library import INSTALL


class Ggml:
    """Quantizes rows of 32-bit floats. Safe to use from several threads, and releases the interpreter lock."""

    def __init__(self, library: ctypes.CDLL) -> None:
        """Declare what is called of `library`. Raises CommandError where it lacks a function."""
        try:
            self._chunk = library.ggml_quantize_chunk
            self._validate = library.ggml_validate_row_data
        except AttributeError as error:
            raise CommandError(f"the installed xllamacpp cannot quantize: {error}; {INSTALL}") from error
        self._chunk.restype = ctypes.c_size_t
        self._chunk.argtypes = [ctypes.c_int, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 3, ctypes.c_void_p]
        self._validate.restype = ctypes.c_bool
        self._validate.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]

    def quantize(
        self, rows: NDArray[np.float32], type_: GgmlType, importance: NDArray[np.float32] | None = None
    ) -> NDArray[np.uint8]:
        """The rows as blocks of `type_`: an array of bytes with as many rows.

        `importance` weighs the columns. Raises CommandError where a scale does not fit into half precision.
        The caller sees to it that whole blocks fill a row and that what needs an importance has one: ggml ends
        the process otherwise.
        """
        rows = np.ascontiguousarray(rows, np.float32)
        count, length = rows.shape
        weights, size = GGML_QUANT_SIZES[type_]
        out = np.empty((count, length // weights * size), np.uint8)
        weighed = None if importance is None else np.ascontiguousarray(importance, np.float32)
        pointer = None if weighed is None else weighed.ctypes.data
        written = self._chunk(int(type_), rows.ctypes.data, out.ctypes.data, 0, count, length, pointer)
        if written != out.nbytes or not self._validate(int(type_), out.ctypes.data, out.nbytes):
            raise CommandError(f"weights are too large for {type_.name}: a block's scale is not finite")
        return out
