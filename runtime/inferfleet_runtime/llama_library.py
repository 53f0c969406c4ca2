"""llama.cpp's C API in the library that xllamacpp's wheel holds: found, of the right version, declared for ctypes.

Reads that library. Its log has one reader in a process: who opens the library last.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import POINTER, c_bool, c_char_p, c_int, c_int32, c_void_p
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.llama_layout import XLLAMACPP, Batch, ContextParams, LogCallback, ModelParams

INSTALL = "install the `runtime` extra of inferfleet"
_ERROR = 4
"""llama.cpp's level of a log line."""
_DECLARATIONS: tuple[tuple[str, Any, tuple[Any, ...]], ...] = (
    ("llama_backend_init", None, ()),
    ("llama_log_set", None, (c_void_p, c_void_p)),
    ("llama_model_default_params", ModelParams, ()),
    ("llama_context_default_params", ContextParams, ()),
    ("llama_model_load_from_file", c_void_p, (c_char_p, ModelParams)),
    ("llama_init_from_model", c_void_p, (c_void_p, ContextParams)),
    ("llama_model_free", None, (c_void_p,)),
    ("llama_free", None, (c_void_p,)),
    ("llama_model_get_vocab", c_void_p, (c_void_p,)),
    ("llama_model_ftype", c_int, (c_void_p,)),
    ("llama_vocab_n_tokens", c_int32, (c_void_p,)),
    ("llama_vocab_bos", c_int32, (c_void_p,)),
    ("llama_vocab_get_add_bos", c_bool, (c_void_p,)),
    ("llama_vocab_is_eog", c_bool, (c_void_p, c_int32)),
    ("llama_tokenize", c_int32, (c_void_p, c_char_p, c_int32, POINTER(c_int32), c_int32, c_bool, c_bool)),
    ("llama_token_to_piece", c_int32, (c_void_p, c_int32, c_char_p, c_int32, c_int32, c_bool)),
    ("llama_get_memory", c_void_p, (c_void_p,)),
    ("llama_memory_clear", None, (c_void_p, c_bool)),
    ("llama_memory_seq_rm", c_bool, (c_void_p, c_int32, c_int32, c_int32)),
    ("llama_decode", c_int32, (c_void_p, Batch)),
    ("llama_get_logits", POINTER(ctypes.c_float), (c_void_p,)),
    ("ggml_op_desc", c_char_p, (c_void_p,)),
)


def engine_library() -> ctypes.CDLL:
    """The shared library inside the installed xllamacpp, undeclared. Raises CommandError where there is none."""
    # found without importing it: the import would start what only a server needs
    spec = find_spec("xllamacpp")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    found = [file for folder in folders for file in sorted(Path(folder).glob("xllamacpp*.so"))]
    if not found:
        raise CommandError(f"there is no xllamacpp in this Python environment; {INSTALL}")
    try:
        return ctypes.CDLL(str(found[0]))
    except OSError as error:
        raise CommandError(f"{found[0]}: cannot be loaded: {error}; {INSTALL}") from error


@contextmanager
def llama_library(complain: Callable[[str], None], installed: str | None = None) -> Iterator[ctypes.CDLL]:
    """The library with its functions declared, ready to load models; `complain` hears what it logs as errors.

    Raises CommandError where the version installed is none that the layouts are of.
    """
    library = engine_library()
    if (found := installed or version("xllamacpp")) != XLLAMACPP:
        raise CommandError(
            f"the memory layout that is known is of xllamacpp {XLLAMACPP}, and {found} is installed: "
            f"install xllamacpp=={XLLAMACPP}"
        )
    for name, result, arguments in _DECLARATIONS:
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments

    def hear(level: int, text: bytes, _: object) -> None:
        if level == _ERROR:
            complain(text.decode(errors="replace"))

    callback = LogCallback(hear)
    library.llama_log_set(callback, None)
    library.llama_backend_init()
    try:
        yield library
    finally:
        # the library keeps the pointer, and Python frees what it points to
        library.llama_log_set(None, None)
