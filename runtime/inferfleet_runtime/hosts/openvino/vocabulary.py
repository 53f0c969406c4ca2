"""The tokenizer of a GGUF file as llama.cpp has it, by the C API in xllamacpp's library. Reads the file, no weights.

openvino-genai reads a GGUF file's vocabulary, but cuts every text as GPT-2 does, whatever `tokenizer.ggml.pre` says.
The model then sees tokens that it was not trained on: its answers are worse, and nothing says so.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_int32
from pathlib import Path

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.llama_layout import ModelParams
from inferfleet_runtime.llama_library import llama_library

_LONGEST_PIECE = 256


class Vocabulary:
    """From text to token ids, and from ids to bytes. Use `vocabulary` to open one."""

    def __init__(self, library: ctypes.CDLL, handle: int) -> None:
        """Read every token's bytes: 0.1 s for 128,000."""
        self._library, self._handle = library, handle
        self.size = int(library.llama_vocab_n_tokens(handle))
        self._begin = int(library.llama_vocab_bos(handle))
        self._pieces = [self._read(token) for token in range(self.size)]
        self.ends = frozenset(token for token in range(self.size) if library.llama_vocab_is_eog(handle, token))
        """Tokens after which no model goes on."""

    def _read(self, token: int) -> bytes:
        buffer = ctypes.create_string_buffer(_LONGEST_PIECE)
        length = self._library.llama_token_to_piece(self._handle, token, buffer, _LONGEST_PIECE, 0, False)
        if length >= 0:
            return buffer.raw[:length]
        buffer = ctypes.create_string_buffer(-length)
        return buffer.raw[: self._library.llama_token_to_piece(self._handle, token, buffer, -length, 0, False)]

    def piece(self, token: int) -> bytes:
        """What a token reads as; nothing if it is a special one."""
        return self._pieces[token]

    def tokens(self, text: str) -> list[int]:
        """Of a text, with the model's own beginning, once; special tokens may be written in the text."""
        raw = text.encode()
        room = len(raw) + 8  # a byte-level token holds at least one byte; and the beginning and end
        found = (c_int32 * room)()
        count = self._library.llama_tokenize(self._handle, raw, len(raw), found, room, True, True)
        tokens = list(found[:count])
        # chat templates write the beginning themselves
        return tokens[1:] if tokens[:2] == [self._begin] * 2 else tokens


@contextmanager
def vocabulary(model: Path) -> Iterator[Vocabulary]:
    """That of a GGUF file. Raises CommandError where the library is another, or the file none that it reads."""
    with llama_library(lambda complaint: None) as library:
        params: ModelParams = library.llama_model_default_params()
        params.vocab_only = True
        opened = library.llama_model_load_from_file(str(model).encode(), params)
        if not opened:
            raise CommandError(f"{model}: llama.cpp cannot read its vocabulary")
        try:
            yield Vocabulary(library, library.llama_model_get_vocab(opened))
        finally:
            library.llama_model_free(opened)
