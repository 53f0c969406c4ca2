"""Which files of a source are wanted: one GGUF file, or what an engine loads from a whole repository. Pure."""

import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from inferfleet_runtime.errors import CommandError

_SPLIT = re.compile(r"-\d{5}-of-\d{5}\.gguf$")
_MANY = 12
"""Choices that an error lists."""
_CODE = (".py", ".pyc", ".so", ".sh")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".npy", ".npz", ".joblib")
"""Loading one runs what it says: weights are taken as safetensors or not at all."""
_OTHERS = (".gguf", ".onnx", ".onnx_data", ".h5", ".msgpack", ".tflite", ".mlmodel", ".md", ".png", ".jpg", ".gif")
_TENSORS = ".safetensors"


def one_gguf(paths: Sequence[str], uri: str, address: Callable[[str], str]) -> str:
    """The only GGUF file. Raises CommandError, which says what to write instead; `address` makes a URI of a path."""
    found = sorted(p for p in paths if p.lower().endswith(".gguf"))
    if len(found) == 1:
        refuse_split(found[0], uri)
        return found[0]
    if not found:
        raise CommandError(f"{uri}: holds no GGUF file among its {len(paths)}; give a repository or file that is GGUF")
    whole = [p for p in found if not _SPLIT.search(p)]
    if not whole:
        refuse_split(found[0], uri)
    shown = ", ".join(address(p) for p in whole[:_MANY]) + (", ..." if len(whole) > _MANY else "")
    raise CommandError(f"{uri}: holds {len(found)} GGUF files; name one of {shown}")


def refuse_split(path: str, uri: str) -> None:
    """Raise CommandError for one part of several."""
    if _SPLIT.search(path):
        raise CommandError(
            f"{uri}: {path} is one part of several; merge them with `llama-gguf-split --merge` and give the whole file"
        )


def for_a_directory(paths: Sequence[str], uri: str) -> tuple[str, ...]:
    """What an engine needs of a repository: configurations, tokenizers and weights as safetensors, each once.

    Code and pickles are left out: nothing from a repository is run. Raises CommandError where no weights are left.
    """
    kept = [p for p in paths if not runs(p) and not p.lower().endswith(_OTHERS) and not _is_hidden(p)]
    kept = [p for p in kept if not _is_second(p, kept)]
    if not any(p.lower().endswith(_TENSORS) for p in kept):
        raise CommandError(f"{uri}: holds no weights as safetensors; other formats would run code of the repository")
    return tuple(sorted(kept))


def runs(path: str) -> bool:
    """Whether loading the file would run what is in it."""
    return path.lower().endswith((*_CODE, *_PICKLES))


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(path).parts)


def _is_second(path: str, others: Sequence[str]) -> bool:
    """Whether the same weights are there in another form: half precision beside full, one file beside a pipeline."""
    pure = PurePosixPath(path)
    if pure.suffix.lower() != _TENSORS:
        return pure.parts[0] == "original"
    if pure.parts[0] == "original" or (pure.name.startswith("consolidated") and _has_model(others)):
        return True
    if len(pure.parts) == 1 and "model_index.json" in others:
        return True
    return ".fp16." in pure.name and str(pure.with_name(pure.name.replace(".fp16.", "."))) in others


def _has_model(paths: Sequence[str]) -> bool:
    return any(p.startswith("model") and p.lower().endswith(_TENSORS) for p in paths)
