"""llama.cpp as a function from tokens to logits, by its C API in xllamacpp's library.

Loads models from files; runs in this process, with as many threads as it is told. Not safe to use from two threads.
"""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import c_int8, c_int32
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gguf import LlamaFileType
from numpy.typing import NDArray

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.files import check_gguf
from inferfleet_runtime.llama_layout import Batch, ContextParams
from inferfleet_runtime.llama_library import llama_library

_STEP = 512
"""Tokens that are computed at once."""


@dataclass(frozen=True)
class Llama:
    """The library, ready to load models."""

    library: ctypes.CDLL
    complaints: list[str]
    """What it logged as errors since the last model was opened."""

    @contextmanager
    def open(self, path: Path, context_tokens: int, threads: int, watch: "Any | None" = None) -> Iterator["Model"]:
        """A model with an empty context. `watch` is an `EvalCallback` that sees every node that is computed.

        Raises CommandError where the file cannot be loaded.
        """
        if not path.is_file():
            raise CommandError(f"{path}: there is no such file")
        check_gguf(path)
        self.complaints.clear()
        model = self.library.llama_model_load_from_file(str(path).encode(), self.library.llama_model_default_params())
        if not model:
            raise CommandError(f"{path}: llama.cpp cannot load it: {self._why()}")
        try:
            context = self.library.llama_init_from_model(model, self._context_params(context_tokens, threads, watch))
            if not context:
                raise CommandError(f"{path}: llama.cpp cannot make a context of {context_tokens} tokens: {self._why()}")
            try:
                yield Model(self.library, model, context, context_tokens)
            finally:
                self.library.llama_free(context)
        finally:
            self.library.llama_model_free(model)

    def _context_params(self, context_tokens: int, threads: int, watch: Any | None) -> ContextParams:
        params: ContextParams = self.library.llama_context_default_params()
        params.n_ctx = params.n_batch = context_tokens
        params.n_ubatch = min(_STEP, context_tokens)
        # the default of 1 is for generation; 0: as many as there are tokens
        params.n_outputs_max_per_seq = 0
        params.n_threads = params.n_threads_batch = threads
        if watch is not None:
            params.cb_eval = watch
        return params

    def _why(self) -> str:
        return " ".join(" ".join(self.complaints).split())[-300:] or "no reason given"


@contextmanager
def llama(installed: str | None = None) -> Iterator[Llama]:
    """The library of the installed xllamacpp. Raises CommandError where it is none that these layouts are of."""
    complaints: list[str] = []
    with llama_library(complaints.append, installed) as library:
        yield Llama(library, complaints)


@dataclass(frozen=True)
class Model:
    """One model and the context that it has read so far."""

    library: ctypes.CDLL
    model: int
    context: int
    context_tokens: int

    @property
    def _vocabulary(self) -> int:
        found: int = self.library.llama_model_get_vocab(self.model)
        return found

    @property
    def tokens(self) -> int:
        """Size of the vocabulary."""
        return int(self.library.llama_vocab_n_tokens(self._vocabulary))

    @property
    def quantization(self) -> str:
        """What the file says that it is in: F16, Q4_K_M, ..."""
        # the highest bit says that llama.cpp guessed
        number = self.library.llama_model_ftype(self.model) & ~1024
        known = {int(t): t.name.removeprefix("MOSTLY_").removeprefix("ALL_") for t in LlamaFileType}
        return known.get(number, "unknown")

    @property
    def first_token(self) -> int | None:
        """What every sequence begins with, for models that want such a token."""
        wanted = self.library.llama_vocab_get_add_bos(self._vocabulary)
        return int(self.library.llama_vocab_bos(self._vocabulary)) if wanted else None

    def tokenize(self, text: bytes) -> list[int]:
        """The tokens of plain text, without one at its beginning; special tokens in it are taken as text."""
        room = (c_int32 * (len(text) + 1))()
        count = self.library.llama_tokenize(self._vocabulary, text, len(text), room, len(room), False, False)
        if count < 0:
            raise CommandError(f"llama.cpp cannot tokenize {len(text)} bytes of text")
        return list(room[:count])

    def size(self, token: int) -> int:
        """Bytes of text that a token stands for."""
        room = ctypes.create_string_buffer(256)
        count: int = self.library.llama_token_to_piece(self._vocabulary, token, room, len(room), 0, False)
        return abs(count)

    def forget(self, kept: int = 0) -> None:
        """Go back to the first `kept` tokens."""
        memory = self.library.llama_get_memory(self.context)
        if not kept:
            self.library.llama_memory_clear(memory, False)
        elif not self.library.llama_memory_seq_rm(memory, 0, kept, -1):
            raise CommandError("this architecture cannot go back in its context: it cannot be measured with a draft")

    def read(self, tokens: Sequence[int], wanted: int = 1) -> NDArray[np.float32]:
        """Append tokens to the context; the logits behind each of the last `wanted` of them, as rows."""
        count = len(tokens)
        flags = (c_int8 * count)(*[0] * (count - wanted), *[1] * wanted)
        batch = Batch(n_tokens=count, token=(c_int32 * count)(*tokens), logits=flags)
        if code := self.library.llama_decode(self.context, batch):
            raise CommandError(f"llama.cpp cannot compute {count} tokens (code {code}); the context may be full")
        rows = np.ctypeslib.as_array(self.library.llama_get_logits(self.context), (wanted, self.tokens))
        return np.array(rows)
