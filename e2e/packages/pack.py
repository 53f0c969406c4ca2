"""Packs a released revision: both charts, and the sources of the operator's image. Reads git, writes three archives.

`python -m e2e.packages.pack REVISION`. The same revision gives the same archives: nothing of the clock, the user
or the order of files on a disk goes in.
"""

import gzip
import io
import re
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from e2e.cluster.images import PROJECT, copied
from e2e.cluster.shell import ClusterError, run

FOLDER = Path(__file__).parent
ROOT = Path(__file__).parents[2]
CHARTS = ("inferfleet-crds", "inferfleet")
Files = dict[str, tuple[int, bytes]]
"""Mode and content by path."""


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0, or 1 with one message about what was wrong."""
    try:
        if len(arguments) != 1:
            raise ClusterError("which revision? python -m e2e.packages.pack REVISION")
        for path in pack(arguments[0], FOLDER):
            print(path)
    except ClusterError as wrong:
        print(f"error: {wrong}", file=sys.stderr)
        return 1
    return 0


def pack(revision: str, out: Path) -> list[Path]:
    """Write the archives of a revision; they are named by the versions in it."""
    made = []
    for chart in CHARTS:
        files = _tree(revision, [f"charts/{chart}"], strip="charts/")
        version = _find(r"^version: (\S+)$", files[f"{chart}/Chart.yaml"][1], f"charts/{chart}/Chart.yaml")
        made.append(_write(out / f"{chart}-{version}.tgz", files))
    dockerfile = PROJECT["operator"].dockerfile
    text = run(["git", "-C", ROOT, "show", f"{revision}:{dockerfile}"])
    files = _tree(revision, sorted({dockerfile, ".dockerignore", *copied(text)}))
    version = _find(r'^version = "(\S+)"$', files["pyproject.toml"][1], "pyproject.toml")
    made.append(_write(out / f"inferfleet-{version}-src.tar.gz", files))
    return made


def content(files: Files) -> bytes:
    """A tar of the files in the order of their names, without times and owners. Pure."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, (mode, text) in sorted(files.items(), key=_chart_first):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o755 if mode & 0o100 else 0o644
            tar.addfile(entry, io.BytesIO(text))
    return raw.getvalue()


def read(archive: Path) -> Files:
    """The files of an archive."""
    found: Files = {}
    with tarfile.open(archive) as tar:
        for entry in tar:
            if file := tar.extractfile(entry):
                found[entry.name] = entry.mode, file.read()
    return found


def _chart_first(item: tuple[str, tuple[int, bytes]]) -> tuple[bool, str]:
    # Helm takes the folder of the first file for the chart's.
    return not item[0].endswith("/Chart.yaml"), item[0]


def _write(path: Path, files: Files) -> Path:
    path.write_bytes(gzip.compress(content(files), compresslevel=9, mtime=0))
    return path


def _tree(revision: str, paths: Sequence[str], strip: str = "") -> Files:
    with TemporaryDirectory() as scratch:
        archive = Path(scratch) / "tree.tar"
        run(["git", "-C", ROOT, "archive", f"--output={archive}", revision, "--", *paths])
        return {name.removeprefix(strip): entry for name, entry in read(archive).items()}


def _find(pattern: str, text: bytes, where: str) -> str:
    found = re.search(pattern, text.decode(), re.MULTILINE)
    if not found:
        raise ClusterError(f"{where}: no version in it")
    return found[1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
