"""A node of tests: pods that share a folder as the node's cache."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fakes.fetching import Pod, Time, gguf
from fakes.hub import Hub

from inferfleet_runtime import contract
from inferfleet_runtime.weights import lease

COMMIT = "c" * 40
SIZE = 200_000
FILES = {f"{name}.gguf": gguf(SIZE, number) for number, name in enumerate("abcd")}


def held(*names: str) -> set[bytes]:
    """What `Node.blobs` says where the cache has these of `FILES`."""
    return {FILES[f"{name}.gguf"][:20] for name in names}


@contextmanager
def hub_of_files() -> Iterator[Hub]:
    """A server of `FILES`; what counts as asked for is what its other origin gave."""
    found = Hub.of(COMMIT, dict(FILES))
    found.is_content = lambda asked: asked.path.startswith("/cdn")
    with found.serving():
        yield found


class Node:
    """Pods that share a folder."""

    def __init__(self, tmp_path: Path, hub: Hub, cache_bytes: int | None = None) -> None:
        self.root, self.hub, self.time, self.cache_bytes = tmp_path, hub, Time(), cache_bytes
        self.folder = tmp_path / "node"
        self.folder.mkdir()

    def pod(self, name: str) -> Pod:
        """One with the cache mounted, whose leases have its name."""
        pod = Pod(self.root / name, {"HF_ENDPOINT": self.hub.base}, self.time, cache_bytes=self.cache_bytes)
        mounted = pod.paths.at(contract.CACHE_DIR)
        if not mounted.exists():
            mounted.parent.mkdir(parents=True)
            mounted.symlink_to(self.folder)
        pod.cache = mounted
        pod.paths.weights.mkdir(exist_ok=True)
        lease.named(pod.paths, name)
        return pod

    def blobs(self) -> set[bytes]:
        """How each file of the cache begins."""
        return {p.read_bytes()[:20] for p in (self.folder / "blobs").iterdir()}
