"""Turn drafting off and on in a running llama.cpp. Writes to the memory of its own process.

llama.cpp drafts for every request or for none: its server has no field that says otherwise (the fields are there, and
switched off in its sources). Where drafting does not pay it costs up to two thirds of the speed, and starting the
engine again would cut every stream. But the engine calls its own `common_speculative_draft` through the table with
which the dynamic linker binds calls between libraries, and an entry of that table can be set: to a function that
drafts nothing, and back.
"""

import ctypes
import mmap
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_DRAFT = "_Z24common_speculative_draftP18common_speculative"
_PARAMS = "_Z35common_speculative_get_draft_paramsP18common_speculativei"
_JMPREL, _PLTRELSZ, _SYMTAB, _STRTAB = 23, 2, 6, 5
_DYNAMIC = 2
_Draft = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@dataclass(frozen=True)
class DraftSwitch:
    """Holds both functions, which must live as long as the engine."""

    _entry: ctypes.c_void_p
    """The entry of the table."""
    _drafts: int
    """Address of the engine's own function."""
    _nothing: Callable[[int], None] = field(repr=False)

    def set(self, on: bool) -> None:
        """From the next step on; a step that runs ends as it began."""
        nothing = ctypes.cast(self._nothing, ctypes.c_void_p).value  # type: ignore[arg-type]
        self._entry.value = self._drafts if on else nothing


def find_switch(path: str, slots: int) -> DraftSwitch | None:
    """The switch of the loaded library `path` in an engine of so many slots; None if it is built without that table."""
    library = ctypes.CDLL(path)
    try:
        drafts = ctypes.cast(getattr(library, _DRAFT), ctypes.c_void_p).value
        params = getattr(library, _PARAMS)
    except AttributeError:
        return None
    address = _entry(_base(path), Path(path))
    if address is None or drafts is None or not _make_writable(address):
        return None
    return DraftSwitch(ctypes.c_void_p.from_address(address), drafts, _drafts_nothing(params, slots))


def _drafts_nothing(params: Callable[..., int], slots: int) -> Callable[[int], None]:
    params.restype = ctypes.c_void_p  # type: ignore[attr-defined]
    params.argtypes = [ctypes.c_void_p, ctypes.c_int32]  # type: ignore[attr-defined]

    def nothing(speculative: int) -> None:
        # every draft ends with its wish withdrawn: a wish that stayed would be granted to a later request's slot
        for slot in range(slots):
            ctypes.c_bool.from_address(params(speculative, slot)).value = False

    return _Draft(nothing)


def _base(path: str) -> int:
    """Where the library lies in memory."""
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        if line.endswith(path):
            return int(line.split("-", 1)[0], 16)
    raise RuntimeError(f"{path} is not loaded")


def _entry(base: int, path: Path) -> int | None:
    """Address of the table's entry for the draft function (System V ABI, chapter 5: dynamic linking)."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as image:
        dynamic = dict(_dynamic(image))
        if _JMPREL not in dynamic:
            return None
        table = ctypes.string_at(base + dynamic[_JMPREL], dynamic[_PLTRELSZ])
    for offset, info, _ in struct.iter_unpack("<QQq", table):
        symbol = ctypes.string_at(base + dynamic[_SYMTAB] + 24 * (info >> 32), 4)
        name = ctypes.string_at(base + dynamic[_STRTAB] + int.from_bytes(symbol, "little"))
        if name == _DRAFT.encode():
            return base + int(offset)
    return None


def _dynamic(image: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Entries of the dynamic section, as they are in the file."""
    (headers,) = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    for index in range(count):
        kind, _, offset, *_, length, _, _ = struct.unpack_from("<IIQQQQQQ", image, headers + index * size)
        if kind == _DYNAMIC:
            yield from ((tag, value) for tag, value in struct.iter_unpack("<QQ", image[offset : offset + length]))


def _make_writable(address: int) -> bool:
    """A build that binds all calls at its start has the table read-only afterwards."""
    page = address & ~(mmap.PAGESIZE - 1)
    libc = ctypes.CDLL(None)
    protect: int = libc.mprotect(
        ctypes.c_void_p(page), ctypes.c_size_t(mmap.PAGESIZE), mmap.PROT_READ | mmap.PROT_WRITE
    )
    return protect == 0
