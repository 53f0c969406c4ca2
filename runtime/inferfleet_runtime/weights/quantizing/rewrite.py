"""A GGUF file's metadata on its way into another file. Reads with `gguf`'s reader, writes with its writer."""

from typing import IO, Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as GgmlType

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights.quantizing.tensor_types import Facts, Shape, is_value

Plan = list[tuple[Any, GgmlType]]
"""The reader's tensors in the order of the file, with the type that each is to have."""

_OWN_KEYS = frozenset(
    {"general.alignment", "general.architecture", "general.file_type", "general.quantization_version"}
)
"""Keys that the writer sets by itself, or that we set anew; it aligns to the default, which needs no key."""


def architecture_of(reader: Any) -> str:
    """What `general.architecture` says. Raises CommandError where the file lacks it."""
    field = reader.get_field("general.architecture")
    if field is None:
        raise CommandError("the GGUF file lacks general.architecture")
    return str(field.contents())


def shape_of(tensor: Any) -> Shape:
    """What decides about a tensor's type."""
    return Shape(tensor.name, tuple(reversed(tensor.shape.tolist())), tensor.tensor_type)


def facts_of(reader: Any) -> Facts:
    """What decides about all of them."""
    shapes = [shape_of(tensor) for tensor in reader.tensors]
    heads, kv_heads = (_number(reader, f"attention.{key}") for key in ("head_count", "head_count_kv"))
    return Facts(
        layers=_number(reader, "block_count"),
        value_layers=tuple(sorted(shape.layer for shape in shapes if is_value(shape.name))),
        grouped=kv_heads > 0 and heads // kv_heads >= 4,
        experts=_number(reader, "expert_count"),
        tied=all(shape.name != "output.weight" for shape in shapes),
    )


def _number(reader: Any, key: str) -> int:
    """Of a key of the architecture; the largest where each layer has one of its own, 0 where there is none."""
    field = reader.get_field(f"{architecture_of(reader)}.{key}")
    found = [] if field is None else field.contents()
    return max(found, default=0) if isinstance(found, list) else int(found)


def begin(reader: Any, writer: Any, file_type: gguf.LlamaFileType, plan: Plan) -> IO[bytes]:
    """Write all that stands before the weights; the file, where the first tensor's bytes belong.

    After each tensor the caller pads with `writer.write_padding`.
    """
    _copy_metadata(reader, writer)
    writer.add_file_type(file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    for tensor, type_ in plan:
        _declare(writer, tensor, type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    file: IO[bytes] = writer.fout[0]
    writer.write_padding(file, file.tell())
    return file


def _copy_metadata(reader: Any, writer: Any) -> None:
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in _OWN_KEYS:
            continue
        kind = field.types[0]
        element = field.types[-1] if kind is gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, element)


def _declare(writer: Any, tensor: Any, type_: GgmlType) -> None:
    shape = tuple(reversed(tensor.shape.tolist()))
    size = int(np.prod(shape, dtype=np.int64))
    block, bytes_ = gguf.GGML_QUANT_SIZES[type_]
    quantized = type_ not in (GgmlType.F32, GgmlType.F16)
    stored = gguf.quant_shape_to_byte_shape(shape, type_) if quantized else shape
    dtype = np.dtype({GgmlType.F32: np.float32, GgmlType.F16: np.float16}.get(type_, np.uint8))
    writer.add_tensor_info(tensor.name, stored, dtype, size // block * bytes_, type_ if quantized else None)
