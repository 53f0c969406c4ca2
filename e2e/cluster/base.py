"""The base image: a minimal Debian made by debootstrap, cached by what it holds. Writes."""

import hashlib
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from e2e.cluster.oci import MACHINES, native
from e2e.cluster.shell import Say, run, succeeds

SUITE = "bookworm"
PACKAGES = ("ca-certificates", "libgomp1", "python3", "python3-venv")
"""What the project's Dockerfiles would install otherwise, each time from a package mirror."""
NAME = "localhost/inferfleet-base"


@dataclass(frozen=True)
class Builder:
    """buildah with a storage of its own below the cache."""

    cache: Path
    environ: Mapping[str, str]
    architecture: str
    """Of what it builds."""
    driver: str = "overlay"

    def platform(self) -> list[str]:
        """What a command that starts an image needs to be told."""
        return [] if self.architecture == native() else [f"--arch={self.architecture}"]

    def run(self, *arguments: str | Path) -> str:
        """Run buildah; ClusterError with its last words if it fails."""
        return run([*self._buildah(), *arguments], env=self._env())

    def try_run(self, *arguments: str | Path) -> bool:
        """Run buildah where failing is an answer."""
        return succeeds([*self._buildah(), *arguments], env=self._env())

    def _buildah(self) -> list[str | Path]:
        storage = self.cache / "containers" / self.driver
        places: list[str | Path] = ["--root", storage / "root", "--runroot", storage / "run"]
        return ["buildah", *places, "--storage-driver", self.driver]

    def _env(self) -> dict[str, str]:
        # chroot isolation needs neither namespaces that a container may not make nor a network of its own.
        return {**self.environ, "BUILDAH_ISOLATION": "chroot"}


def make_builder(cache: Path, environ: Mapping[str, str], architecture: str) -> Builder:
    """A builder on overlay, or on vfs (slow, large, works everywhere) where the cache's file system cannot."""
    builder = Builder(cache, environ, architecture)
    return builder if builder.try_run("info") else replace(builder, driver="vfs")


def base_name(architecture: str) -> str:
    """Name and tag: the tag changes with the suite, the packages and the architecture. Pure."""
    content = "\n".join((SUITE, *PACKAGES, MACHINES.get(architecture, architecture)))
    return f"{NAME}:{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def ensure_base(builder: Builder, say: Say) -> str:
    """Name of the base image in the builder's storage; made if it is not there."""
    name = base_name(builder.architecture)
    if not builder.try_run("inspect", "--type", "image", name):
        say("making the Debian base image with debootstrap, once: about a minute, or several under emulation")
        start = time.monotonic()
        _make(builder, name)
        say(f"made the base image in {time.monotonic() - start:.0f} s")
    return name


def _make(builder: Builder, name: str) -> None:
    builder.cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".base-", dir=builder.cache) as scratch:
        tree = Path(scratch) / "tree"
        options = ["--variant=minbase", f"--arch={builder.architecture}", f"--include={','.join(PACKAGES)}"]
        run(["debootstrap", *options, SUITE, tree], env=builder.environ)
        for leftover in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man"):
            shutil.rmtree(tree / leftover, ignore_errors=True)
            (tree / leftover).mkdir()
        container = builder.run("from", *builder.platform(), "scratch").strip()
        builder.run("add", "--quiet", container, tree, "/")
        builder.run("commit", "--quiet", "--format=oci", "--rm", container, name)
