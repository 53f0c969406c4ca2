"""`inferfleet-runtime quantize`: a GGUF file in F16, BF16 or F32 becomes one in Q8_0 or Q4_0.

Reads the fetched file; writes `<type>.gguf` and, beside it, a note of what it was made from.
The block formats are those of ggml; the arithmetic is the `gguf` package's, in numpy.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as GgmlType
from numpy.typing import NDArray

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.files import check_gguf, publish, read_note, sha256_of, write_note

log = logging.getLogger(__name__)

VERSION = 1
"""Of what is written for a given source: raise it, and every cached result is made anew."""
_BLOCK = 32
"""Weights in one block of Q8_0 and Q4_0."""
_FLOATS = frozenset({GgmlType.F32, GgmlType.F16, GgmlType.BF16})
_FILE_TYPES: Mapping[GgmlType, int] = MappingProxyType(
    {
        GgmlType.Q8_0: int(gguf.LlamaFileType.MOSTLY_Q8_0),
        GgmlType.Q4_0: int(gguf.LlamaFileType.MOSTLY_Q4_0),
    }
)
_OWN_KEYS = frozenset(
    {"general.alignment", "general.architecture", "general.file_type", "general.quantization_version"}
)
"""Keys that the writer sets by itself, or that we set anew; it aligns to the default, which needs no key."""
_DAMAGE = (ValueError, LookupError, TypeError, OverflowError, MemoryError)
"""What the `gguf` package and numpy raise when offsets, counts or types in a file are wrong."""
_ROWS = 2**24
"""Weights converted at once: bounds the memory that one large tensor needs to about 200 MB."""


def quantize(source: Path, target: Path, type_: str, now: Callable[[], float]) -> bool:
    """Make `target` unless it was made from the same bytes before; whether it was made.

    `now` gives monotonic seconds. Raises CommandError when the source cannot be quantized.
    """
    if not source.is_file():
        raise CommandError(f"{source}: there is nothing to quantize; run `inferfleet-runtime fetch` first")
    check_gguf(source)
    note = target.with_name(target.name + ".source.json")
    origin = {"sha256": sha256_of(source), "type": type_, "tool": VERSION, "gguf": version("gguf")}
    if target.is_file() and read_note(note) == origin:
        log.info("already quantized", extra={"file": str(target)})
        return False
    # the note goes first: a crash between the two must not pair an old note with a new file
    note.unlink(missing_ok=True)
    began = now()
    part = target.with_name(target.name + ".part")
    try:
        _convert(gguf.GGUFReader(source), part, GgmlType[type_])
    except _DAMAGE as error:
        part.unlink(missing_ok=True)
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise CommandError(f"{source}: cannot be quantized, the file is damaged or cut short ({reason})") from error
    publish(part, target)
    write_note(note, origin)
    fields = {"bytes_before": source.stat().st_size, "bytes_after": target.stat().st_size}
    log.info("quantized", extra=fields | {"type": type_, "seconds": round(now() - began, 1)})
    return True


@dataclass(frozen=True)
class Shape:
    """What decides about a tensor."""

    name: str
    shape: tuple[int, ...]
    """numpy's order: the row length last."""
    held: GgmlType


def target_type(tensor: Shape, wanted: GgmlType, tied: bool) -> GgmlType:
    """The type of a tensor in the result, by the rules of llama.cpp's own quantizer.

    Vectors (norms, biases) are F32. Matrices are quantized where whole blocks fill a row, experts'
    too, but not the router that picks experts. The head decides most about quality and is small: it
    is Q8_0 (llama.cpp takes Q6_K, which the `gguf` package cannot write).
    """
    if len(tensor.shape) < 2:
        return GgmlType.F32
    matrix = len(tensor.shape) == 2 or "_exps." in tensor.name
    if not matrix or tensor.shape[-1] % _BLOCK or "ffn_gate_inp." in tensor.name:
        return tensor.held
    head = "token_embd.weight" if tied else "output.weight"
    return GgmlType.Q8_0 if tensor.name == head else wanted


def _convert(reader: Any, part: Path, wanted: GgmlType) -> None:
    names = {tensor.name for tensor in reader.tensors}
    tied = "output.weight" not in names
    plan = [(tensor, _type_of(tensor, wanted, tied)) for tensor in reader.tensors]
    with closing(gguf.GGUFWriter(part, _value(reader, "general.architecture"))) as writer:
        _copy_metadata(reader, writer)
        writer.add_file_type(_FILE_TYPES[wanted])
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        for tensor, type_ in plan:
            _declare(writer, tensor, type_)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for index, (tensor, type_) in enumerate(plan, 1):
            writer.write_tensor_data(_encode(tensor, type_))
            log.info("quantizing", extra={"tensor": tensor.name, "type": type_.name, "done": index, "of": len(plan)})


def _value(reader: Any, key: str) -> Any:
    field = reader.get_field(key)
    if field is None:
        raise CommandError(f"the GGUF file lacks {key}")
    return field.contents()


def _copy_metadata(reader: Any, writer: Any) -> None:
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in _OWN_KEYS:
            continue
        kind = field.types[0]
        element = field.types[-1] if kind is gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, element)


def _type_of(tensor: Any, wanted: GgmlType, tied: bool) -> GgmlType:
    if tensor.tensor_type not in _FLOATS:
        raise CommandError(
            f"tensor {tensor.name} is {tensor.tensor_type.name}: only files in F16, BF16 or F32 can be quantized"
        )
    shape = Shape(tensor.name, tuple(reversed(tensor.shape.tolist())), tensor.tensor_type)
    return target_type(shape, wanted, tied)


def _declare(writer: Any, tensor: Any, type_: GgmlType) -> None:
    shape = tuple(reversed(tensor.shape.tolist()))
    size = int(np.prod(shape, dtype=np.int64))
    block, bytes_ = gguf.GGML_QUANT_SIZES[type_]
    quantized = type_ not in (GgmlType.F32, GgmlType.F16)
    stored = gguf.quant_shape_to_byte_shape(shape, type_) if quantized else shape
    dtype = np.dtype({GgmlType.F32: np.float32, GgmlType.F16: np.float16}.get(type_, np.uint8))
    writer.add_tensor_info(tensor.name, stored, dtype, size // block * bytes_, type_ if quantized else None)


def _encode(tensor: Any, type_: GgmlType) -> NDArray[Any]:
    """The tensor's data in `type_`, some rows at a time."""
    rows = tensor.data.reshape(-1, tensor.data.shape[-1])
    step = max(1, _ROWS // int(tensor.shape[0]))
    pieces = (rows[start : start + step] for start in range(0, len(rows), step))
    return np.concatenate([_encode_rows(piece, tensor.tensor_type, type_) for piece in pieces])


def _encode_rows(rows: NDArray[Any], held: GgmlType, type_: GgmlType) -> NDArray[Any]:
    weights = gguf.quants.dequantize(rows, held)
    if not np.isfinite(weights).all():
        raise CommandError("the file holds weights that are not finite: it is damaged")
    return np.asarray(gguf.quants.quantize(weights, type_))
