"""Have a loaded library call other functions than its own. Writes to the memory of its own process.

A shared library calls its own exported functions through a table that the dynamic linker fills in (System V ABI,
chapter 5: dynamic linking), and an entry of that table can be set: to another function of the same kind, and back.
"""

import ctypes
import mmap
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_JMPREL, _PLTRELSZ, _SYMTAB, _STRTAB = 23, 2, 6, 5
_DYNAMIC = 2


@dataclass(frozen=True)
class Link:
    """How one function is called."""

    own: int
    """Address of the library's own function."""
    entry: ctypes.c_void_p
    """The entry of the table."""

    def to(self, address: int) -> None:
        """From the next call on; a call that runs ends as it began. The function there must live as long."""
        self.entry.value = address

    def back(self) -> None:
        """Call the library's own function again."""
        self.entry.value = self.own


def find(path: str, names: Collection[str]) -> Mapping[str, Link] | None:
    """Links of the loaded library `path` by mangled name; None if it is built without one of them."""
    library = ctypes.CDLL(path)
    entries = dict(_entries(_base(path), Path(path), names))
    found: dict[str, Link] = {}
    for name in names:
        address = entries.get(name)
        own = ctypes.cast(getattr(library, name), ctypes.c_void_p).value if hasattr(library, name) else None
        if address is None or own is None or not _make_writable(address):
            return None
        found[name] = Link(own, ctypes.c_void_p.from_address(address))
    return found


def _base(path: str) -> int:
    """Where the library lies in memory."""
    path = str(Path(path).resolve())  # the kernel names the file that a link leads to
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        if line.endswith(path):
            return int(line.split("-", 1)[0], 16)
    raise RuntimeError(f"{path} is not loaded")


def _entries(base: int, path: Path, names: Collection[str]) -> Iterator[tuple[str, int]]:
    """Addresses of the table's entries."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as image:
        dynamic = dict(_dynamic(image))
        if _JMPREL not in dynamic:
            return
        table = ctypes.string_at(base + dynamic[_JMPREL], dynamic[_PLTRELSZ])
    wanted = {name.encode(): name for name in names}
    for offset, info, _ in struct.iter_unpack("<QQq", table):
        symbol = ctypes.string_at(base + dynamic[_SYMTAB] + 24 * (info >> 32), 4)
        name = ctypes.string_at(base + dynamic[_STRTAB] + int.from_bytes(symbol, "little"))
        if name in wanted:
            yield wanted[name], base + int(offset)


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
