"""Results of jobs that were done before, so that a run that was interrupted goes on where it was. Reads and writes a
folder of one's own: what lies there is unpickled.

A result holds for its arguments, for the data that its trace is made of, and for the source that the job can reach by
imports: an edit of the law lets results of baselines stand, an edit of the simulator none.
"""

import ast
import pickle
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from e2e.bench.autoscaler.jobs import Ask

OWN = ("e2e.", "inferfleet.")
T = TypeVar("T")


def kept(folder: Path, job: Callable[..., T], ask: Ask, *args: object) -> T:
    """What the job returned before, else what it returns now."""
    file = folder / f"{ask.trace}-{job.__name__}-{_key(job, ask, args)}.pickle"
    if file.is_file():
        found: T = pickle.loads(file.read_bytes())
        return found
    done = job(ask, *args)
    folder.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_bytes(pickle.dumps(done))
    part.replace(file)  # whole or not at all: a run may end at any time
    return done


def _key(job: Callable[..., object], ask: Ask, args: tuple[object, ...]) -> str:
    pattern = ask.source.needs
    data = [(file.name, file.stat().st_size) for file in sorted(ask.data.glob(pattern))] if pattern else []
    said = repr((ask.trace, ask.quick, args, data))
    return sha256((said + source(job.__module__)).encode()).hexdigest()[:16]


@cache
def source(module: str) -> str:
    """Digest of a module of this project and of all that it imports from there."""
    files = sorted(reached(module))
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def reached(module: str) -> set[Path]:
    """Files of a module and of those of this project that it imports, directly or not."""
    found: set[Path] = set()
    left = [module]
    while left:
        spec = find_spec(left.pop())
        if spec is None or spec.origin is None or Path(spec.origin) in found:
            continue
        found.add(Path(spec.origin))
        left += _imports(Path(spec.origin))
    return found


def _imports(file: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            # what is imported may be a module or something in one
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return [name for name in names if name.startswith(OWN) and _is_module(name)]


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False  # its parent is no package
