"""Kubernetes and friends as binaries. Writes.

They come from a folder of the user's, the cache, or a build from pinned Go modules, in this order. The
modules are in `modules/`; their `go.mod` and `go.sum` pin every byte that is built.
"""

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from e2e.cluster import host
from e2e.cluster.shell import ClusterError, Say, failure, locked, run, say

MODULES = Path(__file__).parent / "modules"
TICK_SECONDS = 15.0
KUBERNETES = "1.36.3"
OLDEST_KUBERNETES = "1.33.13"
"""The newest patch of the oldest minor version that the charts accept; the two go.mod files say the same versions."""


@dataclass(frozen=True)
class Component:
    """Binaries that are built together, by one `go build`, from one folder of `modules/`."""

    name: str
    module: str
    packages: Mapping[str, str]
    """Binary name to Go package."""
    minutes: float
    """About how long two cores take with an empty Go cache."""
    cgo: bool = False
    flags: tuple[str, ...] = ()
    variables: str = ""
    """`-X` options for the linker."""

    def command(self, out: Path) -> list[str]:
        """The `go build` that leaves the binaries in `out`. Pure."""
        target = f"{out / next(iter(self.packages))}" if len(self.packages) == 1 else f"{out}/"
        linker = f"-s -w {self.variables}".strip()
        options = ["-buildvcs=false", *self.flags, "-trimpath", "-ldflags", linker, "-o", target]
        return ["go", "build", *options, *self.packages.values()]


def _kubernetes(name: str, minutes: float, *commands: str) -> Component:
    packages = {command: f"k8s.io/kubernetes/cmd/{command}" for command in commands}
    return Component(name, "kubernetes", packages, minutes, variables=_version(KUBERNETES))


def _oldest_kubernetes() -> Component:
    packages = {"kube-apiserver-oldest": "k8s.io/kubernetes/cmd/kube-apiserver"}
    return Component("kubernetes-oldest", "kubernetes-oldest", packages, 3.5, variables=_version(OLDEST_KUBERNETES))


def _version(kubernetes: str) -> str:
    """Without these the binaries call themselves v0.0.0, which the API server's version checks refuse."""
    major, minor, _ = kubernetes.split(".")
    variables = (
        f"k8s.io/component-base/version.gitVersion=v{kubernetes}",
        f"k8s.io/component-base/version.gitMajor={major}",
        f"k8s.io/component-base/version.gitMinor={minor}",
        f"k8s.io/client-go/pkg/version.gitVersion=v{kubernetes}",
    )
    return " ".join(f"-X {variable}" for variable in variables)


def _containerd() -> Component:
    commands = ("containerd", "ctr", "containerd-shim-runc-v2")
    packages = {command: f"github.com/containerd/containerd/v2/cmd/{command}" for command in commands}
    return Component("containerd", "containerd", packages, 1)


COMPONENTS = (
    Component("etcd", "etcd", {"etcd": "go.etcd.io/etcd/server/v3"}, 0.5),
    _kubernetes("kubernetes-api", 3.5, "kube-apiserver", "kube-controller-manager", "kubectl"),
    _kubernetes("kubernetes-node", 2, "kube-scheduler", "kubelet", "kube-proxy"),
    _containerd(),
    Component("coredns", "coredns", {"coredns": "."}, 1.2),
    Component("runc", "runc", {"runc": "github.com/opencontainers/runc"}, 0.3, cgo=True, flags=("-tags", "seccomp")),
    Component("pause", "pause", {"pause": "."}, 0.1),
    Component("kwok", "kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}, 1.3),
    _oldest_kubernetes(),
    Component("helm", "helm", {"helm": "helm.sh/helm/v3/cmd/helm"}, 1.3),
    Component(
        "source-controller", "source-controller", {"source-controller": "github.com/fluxcd/source-controller"}, 3
    ),
    Component(
        "kustomize-controller",
        "kustomize-controller",
        {"kustomize-controller": "github.com/fluxcd/kustomize-controller"},
        3,
    ),
)


def ensure(
    names: Collection[str],
    cache_dir: Path | None = None,
    bin_path: Path | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    say: Say = say,
) -> dict[str, Path]:
    """Every binary of `names` by name.

    Built where neither `bin_path` (or $INFERFLEET_BIN) nor the cache has it. Safe
    for several processes at once. ClusterError when a name is unknown, Go is missing or a build fails.
    """
    given = bin_path or (Path(environ["INFERFLEET_BIN"]) if environ.get("INFERFLEET_BIN") else None)
    found = _in_folder(given, names) if given else {}
    cache = cache_dir or default_cache(environ) / "bin"
    for component in COMPONENTS:
        wanted = [name for name in component.packages if name in names and name not in found]
        if wanted:
            folder = _cached(component, cache, environ, say)
            found |= {name: folder / name for name in wanted}
    unknown = sorted(set(names) - set(found))
    if unknown:
        known = sorted(name for component in COMPONENTS for name in component.packages)
        raise ClusterError(f"no such binary: {', '.join(unknown)}; there are {', '.join(known)}")
    return found


def default_cache(environ: Mapping[str, str]) -> Path:
    """`$XDG_CACHE_HOME/inferfleet`, or `~/.cache/inferfleet`. Pure."""
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME", "/root")) / ".cache"
    return Path(base) / "inferfleet"


def cache_key(component: Component, files: Mapping[str, bytes], go_version: str) -> str:
    """Changes whenever the binaries would: pinned modules, own source, flags or compiler. Pure."""
    digest = hashlib.sha256(f"{go_version}\n{component.cgo}\n{component.command(Path('out'))}\n".encode())
    for name in sorted(files):
        digest.update(f"{name} {len(files[name])}\n".encode() + files[name])
    return f"{component.name}-{digest.hexdigest()[:16]}"


def _in_folder(folder: Path, names: Collection[str]) -> dict[str, Path]:
    if not folder.is_dir():
        raise ClusterError(f"{folder}: the folder with ready-made binaries does not exist")
    return {name: (folder / name).resolve() for name in names if (folder / name).is_file()}


def _cached(component: Component, cache: Path, environ: Mapping[str, str], say: Say) -> Path:
    module = MODULES / component.module
    files = {file.name: file.read_bytes() for file in sorted(module.iterdir()) if file.is_file()}
    folder = cache / cache_key(component, files, _go_version(component, module))
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / f".{component.name}.lock"):
        if not folder.is_dir():  # another process may have built it while this one waited
            _build(component, module, folder, environ, say)
    return folder


def _go_version(component: Component, module: Path) -> str:
    if shutil.which("go") is None:
        raise ClusterError(
            f"Go is not installed, and {', '.join(component.packages)} must be built with it. "
            "Install Go 1.26, or name a folder with ready-made binaries by --bin-dir or INFERFLEET_BIN"
        )
    return run(["go", "env", "GOVERSION", "GOARCH"], cwd=module)


def _build(component: Component, module: Path, folder: Path, environ: Mapping[str, str], say: Say) -> None:
    if component.cgo:
        host.ensure(host.CGO, say=say)
    minutes = f"about {component.minutes:g} min the first time" if component.minutes >= 1 else "under a minute"
    say(f"building {', '.join(component.packages)} from Go modules: {minutes}")
    start = time.monotonic()
    with TemporaryDirectory(prefix=".building-", dir=folder.parent) as scratch:
        out = Path(scratch) / "out"
        out.mkdir()
        env = {**environ, "CGO_ENABLED": "1" if component.cgo else "0"}
        _run_with_ticks(component.command(out), module, env, say)
        # A rename is atomic: others see the whole folder or none.
        out.rename(folder)
    say(f"built {', '.join(component.packages)} in {time.monotonic() - start:.0f} s")


def _run_with_ticks(command: list[str], cwd: Path, env: Mapping[str, str], say: Say) -> None:
    start = time.monotonic()
    with subprocess.Popen(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        while True:
            try:
                output, _ = process.communicate(timeout=TICK_SECONDS)
                break
            except subprocess.TimeoutExpired:
                say(f"  ... {time.monotonic() - start:.0f} s")
    if process.returncode != 0:
        raise ClusterError(failure(command, process.returncode, output))
