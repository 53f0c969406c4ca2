"""`inferfleet-runtime quantize`: a GGUF file in F16, BF16 or F32 becomes one in a smaller type.

Reads the source; writes the target and, beside it, a note of what it was made from. Which tensor gets which type is
decided in `tensor_types`; the arithmetic is ggml's.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as GgmlType
from numpy.typing import NDArray

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.files import check_gguf, publish, read_note, sha256_of, write_note
from inferfleet_runtime.llama_library import engine_library
from inferfleet_runtime.weights.quantizing.ggml import Ggml
from inferfleet_runtime.weights.quantizing.importance import Importance
from inferfleet_runtime.weights.quantizing.recipes import NEED_IMPORTANCE, RECIPES, Recipe
from inferfleet_runtime.weights.quantizing.rewrite import architecture_of, begin, facts_of, shape_of
from inferfleet_runtime.weights.quantizing.tensor_types import target_type

log = logging.getLogger(__name__)

VERSION = 1
"""Of what is written for a given source: raise it, and every cached result is made anew."""
_FLOATS = frozenset({GgmlType.F32, GgmlType.F16, GgmlType.BF16})
_DAMAGE = (ValueError, LookupError, TypeError, OverflowError, MemoryError)
"""What the `gguf` package and numpy raise when offsets, counts or types in a file are wrong."""
_PIECE = 2**20
"""Weights that a thread converts at once: with what numpy needs beside them about 12 MB."""


@dataclass(frozen=True)
class Job:
    """What is to be made."""

    source: Path
    target: Path
    type: str
    """A key of `RECIPES`."""
    threads: int = 1
    importance: Path | None = None
    """Measured activations, as `inferfleet-runtime importance` or llama.cpp's `llama-imatrix` writes them."""


def quantize(job: Job, now: Callable[[], float]) -> bool:
    """Make `job.target` unless it was made from the same bytes before; whether it was made.

    `now` gives monotonic seconds. Raises CommandError when the source cannot be quantized; then there is no target.
    """
    recipe, importance = _checked(job)
    note = job.target.with_name(job.target.name + ".source.json")
    origin = _origin(job)
    if job.target.is_file() and read_note(note) == origin:
        log.info("already quantized", extra={"file": str(job.target)})
        return False
    # the note goes first: a crash between the two must not pair an old note with a new file
    note.unlink(missing_ok=True)
    began = now()
    _make(job, recipe, importance)
    write_note(note, origin)
    fields = {"bytes_before": job.source.stat().st_size, "bytes_after": job.target.stat().st_size}
    log.info("quantized", extra=fields | {"type": job.type, "seconds": round(now() - began, 1)})
    return True


def _checked(job: Job) -> tuple[Recipe, Importance]:
    if not job.source.is_file():
        raise CommandError(f"{job.source}: there is nothing to quantize; run `inferfleet-runtime fetch` first")
    check_gguf(job.source)
    if job.target.exists() and job.target.samefile(job.source):
        raise CommandError(f"{job.target}: would overwrite its own source; name another target")
    recipe = RECIPES.get(job.type)
    if recipe is None:
        raise CommandError(f"{job.type} cannot be made; {', '.join(RECIPES)} can")
    if recipe.needs_importance and job.importance is None:
        able = ", ".join(name for name, r in RECIPES.items() if not r.needs_importance)
        raise CommandError(
            f"{job.type} needs an importance matrix, without one it is noise: measure it with `inferfleet-runtime "
            f"importance` and give it with --importance, or choose one of {able}"
        )
    return recipe, Importance.read(job.importance) if job.importance else Importance()


def _origin(job: Job) -> dict[str, object]:
    tools = {"tool": VERSION, "gguf": version("gguf"), "xllamacpp": version("xllamacpp")}
    weighed = {"importance": sha256_of(job.importance)} if job.importance else {}
    return {"sha256": sha256_of(job.source), "type": job.type} | tools | weighed


def _make(job: Job, recipe: Recipe, importance: Importance) -> None:
    part = job.target.with_name(job.target.name + ".part")
    ggml = Ggml(engine_library())
    try:
        with ThreadPoolExecutor(job.threads) as threads:
            _convert(gguf.GGUFReader(job.source), part, recipe, _Quantizer(ggml, threads, job.threads, importance))
    except _DAMAGE as error:
        part.unlink(missing_ok=True)
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise CommandError(f"{job.source}: cannot be quantized, the file is damaged or cut short ({reason})") from error
    except (CommandError, OSError):
        part.unlink(missing_ok=True)
        raise
    publish(part, job.target)


def _convert(reader: Any, part: Path, recipe: Recipe, quantizer: "_Quantizer") -> None:
    for tensor in reader.tensors:
        if tensor.tensor_type not in _FLOATS:
            held = tensor.tensor_type.name
            raise CommandError(f"tensor {tensor.name} is {held}: only files in F16, BF16 or F32 can be quantized")
    facts = facts_of(reader)
    plan = [(tensor, target_type(shape_of(tensor), recipe, facts)) for tensor in reader.tensors]
    with closing(gguf.GGUFWriter(part, architecture_of(reader))) as writer:
        file = begin(reader, writer, recipe.file_type, plan)
        for index, (tensor, type_) in enumerate(plan, 1):
            written = sum(_write(file, rows) for rows in quantizer.encoded(tensor, type_))
            writer.write_padding(file, written)
            log.info("quantizing", extra={"tensor": tensor.name, "type": type_.name, "done": index, "of": len(plan)})


def _write(file: Any, rows: NDArray[Any]) -> int:
    rows.tofile(file)
    return rows.nbytes


@dataclass(frozen=True)
class _Quantizer:
    ggml: Ggml
    threads: ThreadPoolExecutor
    width: int
    importance: Importance

    def encoded(self, tensor: Any, type_: GgmlType) -> Iterator[NDArray[Any]]:
        """The tensor's rows in `type_`, some at a time: experts' tensors may be larger than the memory."""
        rows = tensor.data.reshape(-1, tensor.data.shape[-1])
        weights = self.importance.of(tensor.name, int(tensor.shape[0]))
        if self.importance and weights is None and type_ in NEED_IMPORTANCE:
            raise CommandError(
                f"the importance matrix says nothing of {tensor.name}, which {type_.name} cannot do without"
            )

        def encode(piece: tuple[int, int, int]) -> NDArray[Any]:
            expert, start, end = piece
            weighed = None if weights is None else weights[expert % len(weights)]
            return self._encode(rows[start:end], tensor.tensor_type, type_, weighed)

        pieces = _pieces(tensor.shape.tolist(), len(rows))
        while batch := list(islice(pieces, self.width)):
            yield from self.threads.map(encode, batch)

    def _encode(
        self, rows: NDArray[Any], held: GgmlType, type_: GgmlType, weights: NDArray[np.float32] | None
    ) -> NDArray[Any]:
        floats = gguf.quants.dequantize(rows, held)
        if not np.isfinite(floats).all():
            raise CommandError("the file holds weights that are not finite: it is damaged")
        if type_ in _FLOATS:
            return np.asarray(gguf.quants.quantize(floats, type_))
        return self.ggml.quantize(floats, type_, weights)


def _pieces(shape: list[int], rows: int) -> Iterator[tuple[int, int, int]]:
    """Expert, first row and the one behind the last, of pieces that lie within one expert each."""
    length, of_expert = shape[0], shape[1] if len(shape) > 1 else 1
    step = max(1, _PIECE // length)
    for expert, first in enumerate(range(0, rows, of_expert)):
        end = first + of_expert
        yield from ((expert, start, min(start + step, end)) for start in range(first, end, step))
