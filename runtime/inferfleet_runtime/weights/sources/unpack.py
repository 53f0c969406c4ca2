"""Archives with model files: layers of an image, and tar files. Writes below the folder that it is given."""

import shutil
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights.sources.seam import inside

_GONE = ".wh."
_ALL_GONE = ".wh..wh..opq"
"""Of the image specification: an upper layer removes a file, or all that lower layers have in a folder."""


def unpack(archive: Path, folder: Path, uri: str, wanted: Callable[[str], bool]) -> None:
    """Write the regular files whose paths are wanted. Raises CommandError for what is no archive, or leaves the folder.

    Owners, modes and links to other files are left behind: model files need none of them.
    """
    try:
        with tarfile.open(archive, "r:*") as tar:
            for member in tar:
                _unpack(tar, member, folder, (uri, wanted))
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise CommandError(f"{uri}: cannot be unpacked, it is damaged or no tar file: {error}") from error


def _unpack(
    tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, asked: tuple[str, Callable[[str], bool]]
) -> None:
    uri, wanted = asked
    name = member.name.removeprefix("./").strip("/")
    if not name or name == ".":
        return
    path = PurePosixPath(inside(name, uri))
    if path.name.startswith(_GONE):
        _remove(folder, path, uri)
        return
    content = tar.extractfile(member) if member.isreg() or member.islnk() else None
    if content is None or not wanted(str(path)):
        return
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file, 2**20)


def _remove(folder: Path, mark: PurePosixPath, uri: str) -> None:
    if mark.name == _ALL_GONE:
        shutil.rmtree(folder / mark.parent, ignore_errors=True)
        return
    name = mark.name.removeprefix(_GONE)
    if name in ("", ".", ".."):  # the folder itself, or the one that it lies in
        raise CommandError(f"{uri}: a layer removes {mark}, which is no file of it")
    gone = folder / mark.parent / name
    if gone.is_dir():
        shutil.rmtree(gone)
    else:
        gone.unlink(missing_ok=True)
