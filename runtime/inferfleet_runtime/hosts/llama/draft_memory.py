"""What the draft model has read, slot by slot. Reads and clears the KV cache of its context."""

import ctypes
from typing import Any


class DraftMemory:
    """Of a loaded engine; to be used within its loop."""

    def __init__(self, library: ctypes.CDLL, context: int, slots: int) -> None:
        """`context` is the address of the draft model's `llama_context`."""
        self._clear, self._first = library.llama_memory_clear, library.llama_memory_seq_pos_min
        self._clear.argtypes, self._clear.restype = [ctypes.c_void_p, ctypes.c_bool], None
        self._first.argtypes, self._first.restype = [ctypes.c_void_p, ctypes.c_int32], ctypes.c_int32
        self._memory = _of(library.llama_get_memory, context)
        self._slots = slots
        self._partial: set[int] = set()
        self.may_rest = _keeps_everything(library, context)
        """Whether it can leave out what is said while nothing is drafted, and be known to have."""

    def clear(self) -> bool:
        """Forget everything. A slot counts again when it has been read from its beginning."""
        self._clear(self._memory, False)
        self._partial = set(range(self._slots))
        return True

    def is_whole(self, slot: int) -> bool:
        """Whether the draft model has read all that the model has."""
        if slot in self._partial and (not self.may_rest or self._first(self._memory, slot) == 0):
            self._partial.discard(slot)
        return slot not in self._partial


def _keeps_everything(library: ctypes.CDLL, context: int) -> bool:
    """A sliding window or a recurrent state has no first position by which a gap would be seen."""
    model = _of(library.llama_get_model, context)
    library.llama_model_n_swa.argtypes, library.llama_model_n_swa.restype = [ctypes.c_void_p], ctypes.c_int32
    odd = library.llama_model_n_swa(model) > 0
    for kind in (library.llama_model_is_recurrent, library.llama_model_is_hybrid):
        kind.argtypes, kind.restype = [ctypes.c_void_p], ctypes.c_bool
        odd = odd or kind(model)
    return not odd


def _of(getter: Any, context: int) -> int:
    getter.argtypes, getter.restype = [ctypes.c_void_p], ctypes.c_void_p
    return int(getter(context))
